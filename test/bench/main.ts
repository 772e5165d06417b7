// npm run bench -- NAME [options]: runs one benchmark of this folder. Each prints JSON lines; its options are in
// its header. Results, dated and with their commands, are in docs/benchmarks.md.

import { existsSync, readdirSync } from 'node:fs';

const folder = new URL('./', import.meta.url);
const helpers = new Set(['main', 's3-load', 'process-cpu']);
const [name] = process.argv.splice(2, 1);
const file = new URL(`./${name}.js`, folder);
if (name === undefined || helpers.has(name) || !existsSync(file)) {
  const names = readdirSync(folder)
    .filter((entry) => entry.endsWith('.js'))
    .map((entry) => entry.slice(0, -'.js'.length))
    .filter((entry) => !helpers.has(entry));
  process.stderr.write(
    `usage: npm run bench -- NAME [options]; NAME is one of ${names.join(', ')}\n`,
  );
  process.exit(2);
}
await import(file.href);
