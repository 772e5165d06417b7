// A core without doors: for commands that need the data of a stopped system. Takes the data directory like a
// start does, so that the two never meet.

import type { CoreOperator } from '../admin/operator.ts';
import { openDataDirectory } from './data-directory.ts';
import type { LauncherParts } from './launcher.ts';
import { makeRoleConfigs, newToken } from './role-config.ts';
import { RoleProcess } from './role-process.ts';

/** Runs `use` beside a core on `dataDir`, which is drained afterwards.
 *  @throws CoreError like the launcher's start, or what `use` throws */
export async function withCore<T>(
  dataDir: string,
  parts: LauncherParts,
  use: (operator: CoreOperator) => Promise<T>,
): Promise<T> {
  const data = await openDataDirectory(dataDir);
  const operatorToken = newToken();
  const { core: config } = makeRoleConfigs({
    data,
    // Nobody signs anything without a door, so the root needs no keys of its own here.
    rootKeys: { accessKey: newToken(), secretKey: newToken() },
    operatorToken,
    logLevel: 'warn',
    logFormat: 'text',
  });
  const core = new RoleProcess({
    mainFile: parts.mainFile,
    config,
    sockets: new Map(),
    events: parts.log,
  });
  const operator = parts.connectOperator(config.coreAddress, operatorToken);
  try {
    await core.start(Promise.resolve());
    return await use(operator);
  } finally {
    await operator.close();
    await core.drain();
    await data.close();
  }
}
