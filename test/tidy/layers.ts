// Who may import whom (docs/architecture.md, "Layers"), as data. A file belongs to the longest folder that
// its path starts with and may import files of its own folder and of those listed.

const base = 'core/base';
const env = [base, 'core/env'];
const low = [...env, 'core/chain', 'core/store', 'core/rpc'];
/** The drivers of the machines see all machines. */
const cluster = [...low, 'core/replica', 'core/manager', 'core/meta', 'core/client'];
const model = [...cluster, 'core/cluster', 'core/model'];
/** A door sees the model and its codec; where they come from is the business of gateways/roles. */
const door = [...env, 'core/model', 'protocols', 'gateways/server', 'gateways/roles'];
const everything = [...model, 'core/env/node', 'protocols', 'kvcache', 'gateways'];

export const layers: Readonly<Record<string, readonly string[]>> = {
  'core/base': [],
  'core/env': env,
  'core/env/node': env,
  'core/chain': env,
  'core/store': env,
  'core/rpc': env,
  'core/replica': low,
  'core/manager': low,
  'core/meta': low,
  'core/client': low,
  'core/cluster': cluster,
  'core/model': model,
  protocols: [base],
  kvcache: [...low, 'core/client'],
  gateways: everything,
  'gateways/object': door,
  test: [...everything, 'test'],
};

/** npm packages and the only folders that may import them; tests may import anything installed. */
export const packageHomes: Readonly<Record<string, readonly string[]>> = {
  '@node-rs/crc32': ['core/base'],
  level: ['core/env/node'],
  saxes: ['protocols/s3'],
  fastify: ['gateways/admin'],
  zod: ['gateways/config.ts', 'gateways/admin', 'gateways/cli'],
  pino: ['gateways/log.ts'],
  'prom-client': ['gateways'],
};

/** Node's own modules by folder; what is not listed is allowed. */
export const nodeModules: Readonly<Record<string, readonly string[]>> = {
  core: ['node:buffer'],
  protocols: ['node:buffer', 'node:crypto', 'node:zlib'],
  kvcache: ['node:buffer'],
};

/** The longest key of `table` that is `path` or a folder above it. */
export function homeOf<T>(table: Readonly<Record<string, T>>, path: string): string | undefined {
  return Object.keys(table)
    .filter((folder) => path === folder || path.startsWith(`${folder}/`))
    .toSorted((a, b) => b.length - a.length)[0];
}
