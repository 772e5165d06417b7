// Locks the directory given as argument, says so (or why not) to its parent, and holds it until it is killed.

import { isCoreError } from '../../../../core/base/errors.ts';
import { lockDirectory } from '../../../../core/env/node/lock.ts';

try {
  await lockDirectory(process.argv[2] as string);
  // Listening keeps the process alive.
  process.on('message', () => undefined);
  process.send?.('held');
} catch (error) {
  process.send?.(isCoreError(error) ? error.errorName : 'unknown', () => process.exit());
}
