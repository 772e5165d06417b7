// npm run e2e -- [--files N] [--mebibytes N] [--client NAME]: the client runs of the e2e suite at full size:
// a tree of 5,000 files through every client, and a 5 GiB file in multipart. Prints one JSON line per result.

import { parseArgs } from 'node:util';
import { startLampyr } from '../tools/lampyr.ts';
import { bigFileThroughAws } from './big-file.ts';
import { syncClients } from './sync-clients.ts';
import { syncBothWays, temporaryTree } from './sync.ts';

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '5000' },
    mebibytes: { type: 'string', default: '5120' },
    client: { type: 'string' },
  },
});
const lampyr = await startLampyr();
const tree = temporaryTree(Number(values.files));
try {
  for (const client of syncClients) {
    if (values.client !== undefined && client.name !== values.client) continue;
    const result = await syncBothWays(lampyr, client, tree);
    process.stdout.write(`${JSON.stringify(result)}\n`);
    if (result.differences.length > 0) process.exitCode = 1;
  }
  if (Number(values.mebibytes) > 0) {
    const { sent, received } = await bigFileThroughAws(lampyr, Number(values.mebibytes));
    process.stdout.write(`${JSON.stringify({ bigFile: values.mebibytes, sent, received })}\n`);
    if (sent !== received) process.exitCode = 1;
  }
} finally {
  tree.remove();
  const code = await lampyr.stop();
  process.stdout.write(`${JSON.stringify({ stopped: code })}\n`);
}
