import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { describe, it } from 'node:test';
import { CoreError, isCoreError } from '../../../../core/base/errors.ts';
import { limits } from '../../../../core/base/limits.ts';
import { marks } from '../../../../core/base/mark.ts';
import { Prng } from '../../../../core/base/prng.ts';
import type { MetaTransaction } from '../../../../core/meta/meta-store.ts';
import { openMemoryMetaStore } from '../../../../core/meta/store/memory-store.ts';
import type { OptimisticTransaction } from '../../../../core/meta/store/transaction.ts';
import { transact, type TransactHost } from '../../../../core/meta/store/transact.ts';
import type { MetaStore } from '../../../../core/meta/meta-store.ts';
import { SkewedClock } from '../../../contracts/meta-store/skewed-clock.ts';
import { simRng } from '../../../sim/rng.ts';

const key = (name: string): Buffer => Buffer.from(name);

type Fate = 'ok' | 'lost' | 'kept' | 'late';

/** A store whose commits can be unknown while it goes on, as over a network: `lost` never lands, `kept` has
 *  landed, `late` lands when the next attempt has read. */
class UnknownHost implements TransactHost {
  readonly clock = new SkewedClock();
  readonly rng = simRng(4);
  readonly tokens = true;
  readonly store: MetaStore & { begin(): MetaTransaction };
  commits = 0;
  private readonly fates: Fate[];
  private late: (() => Promise<unknown>) | undefined;

  constructor(fates: Fate[]) {
    this.fates = fates;
    this.store = openMemoryMetaStore({ clock: this.clock, rng: this.rng });
  }

  begin(): OptimisticTransaction {
    const transaction = this.store.begin() as OptimisticTransaction;
    const commit = transaction.commit.bind(transaction);
    transaction.commit = async () => {
      const land = this.late;
      this.late = undefined;
      await land?.().catch(() => undefined);
      const fate = this.fates.shift() ?? 'ok';
      this.commits++;
      if (fate === 'ok') return commit();
      if (fate === 'kept') await commit();
      if (fate === 'late') this.late = commit;
      throw new CoreError('COMMIT_UNKNOWN', 'no answer');
    };
    return transaction;
  }

  ready(): undefined {
    return undefined;
  }

  settled(): undefined {
    return undefined;
  }

  async count(): Promise<number> {
    return Number(Buffer.from((await this.store.get(key('n'))) ?? key('0')).toString());
  }
}

const increment = async (transaction: MetaTransaction): Promise<number> => {
  const seen = Number(Buffer.from((await transaction.get(key('n'))) ?? key('0')).toString());
  transaction.set(key('n'), key(String(seen + 1)));
  return seen + 1;
};

describe('transact where commits can be unknown', () => {
  const cases: Fate[][] = [
    ['ok'],
    ['lost'],
    ['kept'],
    ['late'],
    ['lost', 'kept'],
    ['lost', 'late', 'lost'],
    ['late', 'late', 'kept'],
  ];
  for (const fates of cases) {
    it(`takes effect once: ${fates.join(', ')}`, async () => {
      const host = new UnknownHost([...fates]);
      assert.equal(await transact(host, increment), 1);
      assert.equal(await host.count(), 1);
    });
  }

  it('answers the result of the attempt that committed, in every mix of fates', async () => {
    const prng = new Prng(21);
    for (let round = 0; round < 200; round++) {
      const fates = Array.from({ length: prng.below(7) }, () =>
        prng.pick<Fate>(['ok', 'lost', 'kept', 'late']),
      );
      const host = new UnknownHost(fates);
      let ran = 0;
      // oxlint-disable-next-line no-await-in-loop
      const result = await transact(host, async (transaction) => {
        await increment(transaction);
        ran++;
        transaction.set(key('ran'), key(String(ran)));
        return ran;
      });
      // oxlint-disable-next-line no-await-in-loop
      const stored = Buffer.from((await host.store.get(key('ran'))) ?? key('-')).toString();
      assert.equal(stored, String(result), fates.join(', '));
      // oxlint-disable-next-line no-await-in-loop
      assert.equal(await host.count(), 1, fates.join(', '));
    }
    assert.ok(marks().has('transact.committedBefore'));
  });

  it('gives up when nothing ever answers', async () => {
    const host = new UnknownHost(Array.from({ length: 100 }, () => 'lost' as const));
    await assert.rejects(transact(host, increment), (error) =>
      isCoreError(error, 'COMMIT_UNKNOWN'),
    );
    assert.ok(host.commits < limits.metaAttemptsMax);
    assert.ok(marks().has('transact.pause'));
  });
});

describe('transact without tokens', () => {
  it('passes COMMIT_UNKNOWN on', async () => {
    const host = new UnknownHost(['kept']);
    const local: TransactHost = { ...hostOf(host), tokens: false };
    await assert.rejects(transact(local, increment), (error) =>
      isCoreError(error, 'COMMIT_UNKNOWN'),
    );
  });
});

function hostOf(host: UnknownHost): TransactHost {
  return {
    clock: host.clock,
    rng: host.rng,
    tokens: host.tokens,
    begin: () => host.begin(),
    ready: () => undefined,
    settled: () => undefined,
  };
}
