// What the parts of the MetaStore contract share: the opened store with its faults, and small transactions.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { isCoreError, type ErrorName } from '../../../core/base/errors.ts';
import type { MetaEntry, MetaStore, MetaTransaction } from '../../../core/meta/meta-store.ts';
import type { SkewedClock } from './skewed-clock.ts';

export interface OpenedMetaStore {
  readonly store: MetaStore;
  readonly clock: SkewedClock;
  /** Holds back durability until the returned function is called. */
  readonly hold: () => () => void;
  /** Makes the next sync fail. */
  readonly breakDisk: () => void;
  /** Closes and opens again; absent where nothing outlives the store. */
  readonly reopen?: () => Promise<MetaStore>;
  close(): Promise<void>;
}

export interface MetaStoreHarness {
  readonly name: string;
  open(): Promise<OpenedMetaStore>;
}

export const key = (name: string): Buffer => Buffer.from(name);
export const value = key;

export function text(entries: readonly MetaEntry[]): string {
  return entries.map(([name, content]) => `${asText(name)}=${asText(content)}`).join(' ');
}

export function asText(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '-' : Buffer.from(bytes).toString();
}

export const rejects = (promise: Promise<unknown>, name: ErrorName): Promise<void> =>
  assert.rejects(promise, (error) => isCoreError(error, name));

export const put = (store: MetaStore, entries: Record<string, string>): Promise<void> =>
  store.transact(async (transaction) => {
    for (const [name, content] of Object.entries(entries)) {
      transaction.set(key(name), value(content));
    }
  });

export function watchEnd(promise: Promise<unknown>): { readonly ended: boolean } {
  const state = { ended: false };
  const end = (): void => {
    state.ended = true;
  };
  promise.then(end, end);
  return state;
}

export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export type Test = (name: string, body: (opened: OpenedMetaStore) => Promise<void>) => void;

/** Runs `first` up to its commit, lets `second` commit, then commits `first`. */
export async function overlap(
  store: MetaStore,
  first: (transaction: MetaTransaction) => Promise<unknown>,
  second: (transaction: MetaTransaction) => Promise<unknown>,
): Promise<'committed' | 'conflict'> {
  const transaction = store.begin();
  await first(transaction);
  const other = store.begin();
  await second(other);
  await other.commit();
  try {
    await transaction.commit();
    return 'committed';
  } catch (error) {
    assert.ok(isCoreError(error, 'CONFLICT'), String(error));
    return 'conflict';
  }
}

export const reads =
  (name: string) =>
  async (transaction: MetaTransaction): Promise<void> => {
    await transaction.get(key(name));
    transaction.set(key(`result of ${name}`), value('1'));
  };
export const writes =
  (name: string) =>
  async (transaction: MetaTransaction): Promise<void> =>
    transaction.set(key(name), value('new'));
export const deletes =
  (name: string) =>
  async (transaction: MetaTransaction): Promise<void> =>
    transaction.delete(key(name));
export const lists =
  (from: string, to: string, limit: number, reverse = false) =>
  async (transaction: MetaTransaction): Promise<void> => {
    await transaction.range({ from: key(from), to: key(to), limit, reverse });
    transaction.set(key('result'), value('1'));
  };
