// Watches on keys: each resolves at the first commit that changes its key and becomes visible after the
// call. Bounded; synchronous but for the promises that it hands out.

import { CoreError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { byteKey } from '../../base/sorted-map.ts';
import type { KvMutation } from '../../env/kv.ts';

interface Watcher {
  resolve(): void;
  reject(error: CoreError): void;
}

export class Watchers {
  private readonly byKey = new Map<string, Set<Watcher>>();
  private count = 0;

  /** @throws CoreError BUSY when limits.metaWatchersMax are waiting */
  watch(key: Uint8Array): { readonly changed: Promise<void>; cancel(): void } {
    if (this.count >= limits.metaWatchersMax) {
      throw new CoreError('BUSY', `${this.count} watches are waiting, no more are taken`);
    }
    const name = byteKey(key);
    const watchers = this.byKey.get(name) ?? new Set();
    this.byKey.set(name, watchers);
    let watcher: Watcher | undefined;
    const changed = new Promise<void>((resolve, reject) => {
      watcher = { resolve, reject };
    });
    // A watch that nobody waits for any more may still be cancelled or fail.
    changed.catch(() => undefined);
    const added = watcher as unknown as Watcher;
    watchers.add(added);
    this.count++;
    return {
      changed,
      cancel: () => {
        if (!watchers.delete(added)) return;
        this.count--;
        if (watchers.size === 0 && this.byKey.get(name) === watchers) this.byKey.delete(name);
        added.reject(new CoreError('CANCELLED', 'the watch was cancelled'));
      },
    };
  }

  changed(mutations: readonly KvMutation[]): void {
    if (this.count === 0) return;
    for (const { key } of mutations) {
      const name = byteKey(key);
      const watchers = this.byKey.get(name);
      if (watchers === undefined) continue;
      this.byKey.delete(name);
      this.count -= watchers.size;
      for (const watcher of watchers) watcher.resolve();
      watchers.clear();
    }
  }

  end(error: CoreError): void {
    for (const watchers of this.byKey.values()) {
      for (const watcher of watchers) watcher.reject(error);
      watchers.clear();
    }
    this.byKey.clear();
    this.count = 0;
  }
}
