// The identity store of another process: gateways look up who signed, the command line changes users. Lookups
// are cached a few seconds, so that a request costs no round trip and a removed user is out soon; an unknown
// key is cached shorter and apart, so that guessed keys push nobody out. Bounded; one lookup a key at a time.

import { limits } from '../../base/limits.ts';
import type { Clock } from '../../env/clock.ts';
import type { RpcClient } from '../../rpc/call.ts';
import { addIdentity, identityByAccessKey, listIdentities, removeIdentity } from './calls.ts';
import type { Identity, IdentityStore, ListedIdentity, NewIdentity } from './types.ts';

interface Cached {
  readonly identity: Identity | undefined;
  readonly untilMs: number;
}

export class IdentityClient implements IdentityStore {
  private readonly rpc: RpcClient;
  private readonly clock: Clock;
  /** Oldest first. */
  private readonly known = new Map<string, Cached>();
  private readonly unknown = new Map<string, Cached>();
  private readonly underWay = new Map<string, Promise<Identity | undefined>>();
  /** Grows with each change made here: an answer asked for before it is not kept. */
  private changes = 0;

  constructor(rpc: RpcClient, clock: Clock) {
    this.rpc = rpc;
    this.clock = clock;
  }

  cached(accessKey: string): Identity | undefined {
    const known = this.known.get(accessKey);
    return known !== undefined && this.clock.now() < known.untilMs ? known.identity : undefined;
  }

  async byAccessKey(accessKey: string): Promise<Identity | undefined> {
    if (accessKey.length > limits.accessKeyBytesMax) return undefined;
    const cached = this.known.get(accessKey) ?? this.unknown.get(accessKey);
    if (cached !== undefined && this.clock.now() < cached.untilMs) return cached.identity;
    const running = this.underWay.get(accessKey);
    if (running !== undefined) return running;
    const lookup = this.lookUp(accessKey).finally(() => {
      if (this.underWay.get(accessKey) === lookup) this.underWay.delete(accessKey);
    });
    this.underWay.set(accessKey, lookup);
    return lookup;
  }

  private async lookUp(accessKey: string): Promise<Identity | undefined> {
    // Counted from the asking: what changes while the answer travels is seen no later.
    const askedMs = this.clock.now();
    const { changes } = this;
    const { response } = await this.rpc.call(identityByAccessKey, { accessKey });
    const { identity } = response;
    if (changes !== this.changes) return identity;
    this.known.delete(accessKey);
    this.unknown.delete(accessKey);
    if (identity === undefined) {
      const untilMs = askedMs + limits.unknownIdentityCacheMs;
      remember(this.unknown, accessKey, { identity, untilMs }, limits.unknownIdentitiesCached);
    } else {
      const untilMs = askedMs + limits.identityCacheMs;
      remember(this.known, accessKey, { identity, untilMs }, limits.identitiesCached);
    }
    return identity;
  }

  async add(request: NewIdentity): Promise<Identity> {
    const { response } = await this.rpc.call(addIdentity, { ...request });
    this.forget();
    return response.identity;
  }

  async list(): Promise<ListedIdentity[]> {
    const all: ListedIdentity[] = [];
    let after: string | undefined;
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop -- page after page
      const { response } = await this.rpc.call(listIdentities, { after });
      const last = response.identities.at(-1);
      if (last === undefined) return all;
      all.push(...response.identities);
      after = last.name;
    }
  }

  async remove(name: string): Promise<void> {
    await this.rpc.call(removeIdentity, { name });
    this.forget();
  }

  /** After a change made here every lookup asks again. */
  private forget(): void {
    this.changes++;
    this.known.clear();
    this.unknown.clear();
    this.underWay.clear();
  }
}

function remember(cache: Map<string, Cached>, key: string, entry: Cached, countMax: number): void {
  if (cache.size >= countMax) {
    const [oldest] = cache.keys();
    if (oldest !== undefined) cache.delete(oldest);
  }
  cache.set(key, entry);
}
