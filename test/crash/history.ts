// What a crash test knows about one key: the newest acknowledged state, and the writes whose outcome a crash
// left unknown. After a restart the key must show the acknowledged state or, whole, one of the unknown ones;
// what it shows is from then on the acknowledged state (a later crash may not take it back).

import { createHash } from 'node:crypto';
import { Prng } from '../../core/base/prng.ts';

/** Content is a function of its seed, so that a history needs no bytes. */
export interface Content {
  readonly seed: string;
  readonly sizeBytes: number;
}

export type KeyState =
  | { readonly kind: 'absent' }
  | { readonly kind: 'present'; readonly content: Content };

export const absent: KeyState = { kind: 'absent' };

export function makeContent({ seed, sizeBytes }: Content): Buffer {
  // One random page repeated with a counter in each: cheap, and no two pages of any content are equal.
  const page = Buffer.alloc(4096);
  new Prng(seed).fill(page);
  const content = Buffer.alloc(sizeBytes);
  for (let at = 0; at < sizeBytes; at += page.length) {
    page.writeUInt32BE(at >>> 0, 0);
    page.copy(content, at);
  }
  return content;
}

export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function describe(state: KeyState): string {
  return state.kind === 'absent'
    ? 'absent'
    : `${state.content.seed} (${state.content.sizeBytes} bytes)`;
}

export class KeyHistory {
  readonly key: string;
  private acknowledged: KeyState = absent;
  private unknown: KeyState[] = [];

  constructor(key: string) {
    this.key = key;
  }

  get present(): boolean {
    return this.acknowledged.kind === 'present';
  }

  /** Call before the request leaves; the write may take effect from then on. */
  begin(state: KeyState): { acknowledge(): void; refuse(): void } {
    this.unknown.push(state);
    return {
      acknowledge: () => {
        this.acknowledged = state;
        this.unknown = [];
      },
      /** The server said that nothing happened. */
      refuse: () => {
        this.unknown = this.unknown.filter((other) => other !== state);
      },
    };
  }

  /** Compares what a reader found after a restart; undefined when it is allowed, else what is wrong. */
  settle(found: Uint8Array | undefined): string | undefined {
    const candidates = [this.acknowledged, ...this.unknown];
    const match = candidates.find((state) => matches(state, found));
    if (match === undefined) {
      const got =
        found === undefined ? 'absent' : `${found.length} bytes, sha256 ${digestOf(found)}`;
      return `${this.key}: found ${got}; allowed: ${candidates.map(describe).join(' | ')}`;
    }
    this.acknowledged = match;
    this.unknown = [];
    return undefined;
  }
}

function matches(state: KeyState, found: Uint8Array | undefined): boolean {
  if (state.kind === 'absent') return found === undefined;
  if (found === undefined || found.length !== state.content.sizeBytes) return false;
  return Buffer.compare(found, makeContent(state.content)) === 0;
}
