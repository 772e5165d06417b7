// Part of `npm run build`: removes outputs in dist/ whose source is gone. The compiler leaves them behind, and
// a test or an import would still find them.

import { existsSync, readdirSync, rmSync } from 'node:fs';

/** dist/test/tools/ → the checkout. */
const root = new URL('../../../', import.meta.url);

for (const name of readdirSync(new URL('dist/', root), { recursive: true, encoding: 'utf8' })) {
  if (!/\.js(\.map)?$/.test(name)) continue;
  const source = new URL(name.replace(/\.js(\.map)?$/, '.ts'), root);
  if (!existsSync(source)) rmSync(new URL(`dist/${name}`, root));
}
