// The retry loop of `MetaStore.transact`, the same for every adapter. A body that throws is judged too: its
// error is passed on only if everything that it read still holds, since an optimistic transaction may read an
// inconsistent state. Never a hot loop: an attempt that lost to a commit that is not yet visible waits for it,
// and one that keeps losing to visible commits pauses with jitter.

import { type CoreError, isCoreError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { mark } from '../../base/mark.ts';
import type { Clock } from '../../env/clock.ts';
import type { Rng } from '../../env/rng.ts';
import type { MetaTransaction, TransactOptions } from '../meta-store.ts';
import { tokenBytes, tokenKey } from './keyspace.ts';

/** A transaction that can be judged without committing. */
export interface Attempt extends MetaTransaction {
  /** @throws CoreError CONFLICT, TRANSACTION_TOO_OLD when what it read does not hold any more */
  validate(): void;
}

export interface TransactHost {
  readonly clock: Clock;
  readonly rng: Rng;
  begin(): Attempt;
  /** What a new attempt waits for while the store is behind; undefined when nothing. */
  ready(): Promise<void> | undefined;
  /** Resolves when the commit that an attempt lost to is visible; undefined when it is already. */
  settled(conflict: CoreError): Promise<void> | undefined;
  /** True for stores where a commit can be unknown while the store goes on: every attempt carries a token. */
  readonly tokens: boolean;
}

/** Attempts that may follow at once after losing to a visible commit. */
const eagerAttempts = 3;

/** Commits of one `transact` that may be unknown before it gives up. */
const unknownCommitsMax = 8;

interface UnknownCommit<T> {
  readonly token: Uint8Array;
  readonly result: T;
}

export async function transact<T>(
  host: TransactHost,
  body: (transaction: MetaTransaction) => Promise<T>,
  options: TransactOptions = {},
): Promise<T> {
  const startedMs = host.clock.now();
  const unknown: UnknownCommit<T>[] = [];
  for (let attempts = 1; ; attempts++) {
    const ready = host.ready();
    // oxlint-disable-next-line no-await-in-loop -- attempts follow one another
    if (ready !== undefined) await ready;
    const transaction = host.begin();
    try {
      // oxlint-disable-next-line no-await-in-loop
      return await attempt(host, transaction, body, options, unknown);
    } catch (error) {
      if (!isRetriable(error, host.tokens)) throw error;
      const elapsedMs = host.clock.now() - startedMs;
      if (attempts >= limits.metaAttemptsMax || elapsedMs > limits.metaRetryMsMax) throw error;
      if (unknown.length > unknownCommitsMax) throw error;
      // oxlint-disable-next-line no-await-in-loop
      await pause(host, error, attempts);
    }
  }
}

/** One attempt. Adds itself to `unknown` when its commit is. */
async function attempt<T>(
  host: TransactHost,
  transaction: Attempt,
  body: (transaction: MetaTransaction) => Promise<T>,
  options: TransactOptions,
  unknown: UnknownCommit<T>[],
): Promise<T> {
  const earlier = unknown.length === 0 ? undefined : await committedOf(transaction, unknown);
  if (earlier !== undefined) {
    mark('transact.committedBefore');
    return earlier.result;
  }
  const result = await judged(transaction, body);
  if (!host.tokens) {
    await transaction.commit(options.beforeCommit);
    return result;
  }
  // Writing the earlier tokens too shuts out an earlier attempt that lands after this one.
  for (const { token } of unknown) transaction.token(token);
  const token = host.rng.bytes(tokenBytes);
  transaction.token(token);
  try {
    await transaction.commit(options.beforeCommit);
  } catch (error) {
    if (isCoreError(error, 'COMMIT_UNKNOWN')) unknown.push({ token, result });
    throw error;
  }
  return result;
}

/** The attempt that committed. Newest first: an attempt also writes the tokens of those before it. */
async function committedOf<T>(
  transaction: Attempt,
  unknown: readonly UnknownCommit<T>[],
): Promise<UnknownCommit<T> | undefined> {
  const rows = await transaction.getMany(unknown.map(({ token }) => tokenKey(token)));
  const at = rows.findLastIndex((row) => row !== undefined);
  return at < 0 ? undefined : unknown[at];
}

/** Runs the body; when it throws on a state that does not hold any more, throws the CONFLICT instead. */
async function judged<T>(
  transaction: Attempt,
  body: (transaction: MetaTransaction) => Promise<T>,
): Promise<T> {
  try {
    return await body(transaction);
  } catch (error) {
    if (!isRetriable(error, false)) transaction.validate();
    throw error;
  }
}

function isRetriable(error: unknown, tokens: boolean): error is CoreError {
  return (
    isCoreError(error, 'CONFLICT') ||
    isCoreError(error, 'TRANSACTION_TOO_OLD') ||
    (tokens && isCoreError(error, 'COMMIT_UNKNOWN'))
  );
}

async function pause(host: TransactHost, error: CoreError, attempts: number): Promise<void> {
  const settled = host.settled(error);
  if (settled !== undefined) return settled;
  if (error.errorName === 'CONFLICT' && attempts <= eagerAttempts) return;
  mark('transact.pause');
  const ceilingMs = Math.min(2 ** Math.min(attempts, 16), limits.metaRetryPauseMsMax);
  const [random] = host.rng.bytes(1);
  const pauseMs = (ceilingMs * (1 + (random as number))) / 256;
  await new Promise<void>((resolve) => host.clock.after(pauseMs, resolve));
}
