import { openMemoryMetaStore } from '../../core/meta/store/memory-store.ts';
import { Prng } from '../../core/base/prng.ts';
import { metaStoreContract } from './meta-store.ts';
import { SkewedClock } from './skewed-clock.ts';

const rng = (seed: number): { bytes(count: number): Uint8Array } => {
  const prng = new Prng(seed);
  return {
    bytes(count) {
      const bytes = new Uint8Array(count);
      // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- not an array's fill
      prng.fill(bytes);
      return bytes;
    },
  };
};

metaStoreContract({
  name: 'memory',
  open: () => {
    const clock = new SkewedClock();
    let gate = Promise.resolve();
    let broken = false;
    const sync = async (): Promise<void> => {
      await gate;
      if (broken) throw new Error('EIO');
    };
    const store = openMemoryMetaStore({ clock, rng: rng(1), sync });
    return Promise.resolve({
      store,
      clock,
      hold() {
        let release: (() => void) | undefined;
        gate = new Promise((resolve) => {
          release = resolve;
        });
        return () => release?.();
      },
      breakDisk() {
        broken = true;
      },
      close: () => store.close(),
    });
  },
});
