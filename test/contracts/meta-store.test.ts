import { openMemoryMetaStore } from '../../core/meta/store/memory-store.ts';
import { metaStoreContract } from './meta-store.ts';
import { seededRng } from './meta-store/seeded-rng.ts';
import { SkewedClock } from './meta-store/skewed-clock.ts';

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
    const store = openMemoryMetaStore({ clock, rng: seededRng(1), sync });
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
