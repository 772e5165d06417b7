// Deliberate bugs: what somebody might forget or change for the worse in the machines. `npm run sim:bugs` puts each into
// a copy of the sources and runs the default swarm on it; the general checkers must find it. `from` stands exactly once
// in its file, which bugs.test.ts checks, so that no bug is lost when the sources change.

export interface Edit {
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

export interface Bug {
  readonly name: string;
  readonly edits: readonly Edit[];
}

/** @param pairs what stands in the file, and what comes in its place */
function inFile(file: string, ...pairs: readonly (readonly [string, string])[]): Edit[] {
  return pairs.map(([from, to]) => ({ file, from, to }));
}

const chainBugs: readonly Bug[] = [
  {
    name: 'wiped disk accepted as LASTSRV',
    edits: inFile(
      'core/chain/next-chain.ts',
      [
        'return facts.identity !== undefined && facts.identity === identity;',
        'return facts.identity !== undefined;',
      ],
      ['return alive && facts.noted >= target.completeSince;', 'return alive;'],
    ),
  },
  {
    name: 'older copy of a disk accepted as LASTSRV',
    edits: inFile('core/chain/next-chain.ts', [
      'return alive && facts.noted >= target.completeSince;',
      'return alive;',
    ]),
  },
];

const managerBugs: readonly Bug[] = [
  {
    name: 'zombie manager acknowledges',
    edits: inFile('core/manager/manager.ts', [
      'if (!this.holdsLease(nowMs) || !this.note(beat, nowMs)) return undefined;',
      'if (!this.note(beat, nowMs)) return undefined;',
    ]),
  },
  {
    name: 'live target excluded without demotion',
    edits: inFile(
      'core/manager/manager.ts',
      ['(this.demoting.has(id) && nowMs - renewed > deadMs)', 'this.demoting.has(id)'],
      [
        "if (local === 'OFFLINE' || this.demoting.has(target)) return false;",
        "if (local === 'OFFLINE') return false;",
      ],
      ['.filter((target) => this.demoting.has(target));', '.filter(() => false);'],
    ),
  },
  {
    name: 'demotion not waited for',
    edits: inFile('core/manager/manager.ts', [
      '(this.demoting.has(id) && nowMs - renewed > deadMs)',
      'this.demoting.has(id)',
    ]),
  },
  {
    name: 'new manager judges at once',
    edits: inFile('core/manager/manager.ts', [
      'this.newSinceMs = parts.nowMs;',
      'this.newSinceMs = -Infinity;',
    ]),
  },
  {
    name: 'chain published before it is durable',
    edits: inFile('core/manager/manager.ts', [
      'this.changing.add(next.id);',
      'this.chains.set(next.id, next); this.routingVersion++; this.parts.env.publish(this.routing); this.changing.add(next.id);',
    ]),
  },
  {
    name: 'demotion outlives the exclusion',
    edits: [
      ...inFile('core/manager/manager.ts', [
        "for (const { id, state } of next.targets) if (state !== 'SERVING') this.demoting.delete(id);",
        '',
      ]),
      ...inFile('core/replica/host.ts', ['if (hosted.excluded) return;', '']),
    ],
  },
];

const hostBugs: readonly Bug[] = [
  {
    name: 'lease counted from receipt',
    edits: inFile('core/replica/host.ts', [
      'Math.max(hosted.renewedMs, ack.sentMs)',
      'this.parts.now()',
    ]),
  },
  {
    name: 'no lease at all',
    edits: inFile('core/replica/host.ts', [
      'return this.parts.now() - hosted.renewedMs < fencing.deadMs / 2;',
      'return true;',
    ]),
  },
  {
    name: 'process that starts again goes on serving',
    edits: inFile('core/replica/host.ts', ['leaving: true,', 'leaving: false,']),
  },
];

const updateBugs: readonly Bug[] = [
  {
    name: 'no re-check after the lock',
    edits: inFile('core/replica/replica.ts', ['this.locks.refuseWaiting();', '']),
  },
  {
    name: 'commit before forward',
    edits: inFile('core/replica/operations.ts', [
      'else this.forward(operation, operation.body);',
      'else { this.forward(operation, operation.body); this.commit(operation); }',
    ]),
  },
  {
    name: 'forward before persist',
    edits: inFile(
      'core/replica/operations.ts',
      [
        'operation.waiters.push(waiter);',
        'operation.waiters.push(waiter); if (this.chain !== undefined && successorOf(this.chain, this.self) !== undefined) this.forward(operation, body);',
      ],
      [
        "else if (reply.kind === 'done') {",
        "else if (reply.kind === 'done' && !operation.persisted) operation.base = 'early'; else if (reply.kind === 'done') {",
      ],
      [
        'operation.persisted = true;',
        "operation.persisted = true; if (operation.base === 'early') { this.commit(operation); return; }",
      ],
    ),
  },
  {
    name: 'pending update left to the client',
    edits: inFile('core/replica/operations.ts', [
      "if (this.role === 'SERVING') this.driveAll();",
      '',
    ]),
  },
  {
    name: 'exactly-once table in the memory of the head alone',
    edits: inFile(
      'core/replica/head.ts',
      [
        'const done = this.env.tag(tag.session, tag.channel);',
        'const done = (this.table ??= new Map()).get(channelOf(tag));',
      ],
      [
        '{ done: () => answer({ ok: true, version }),',
        '{ done: () => { (this.table ??= new Map()).set(channelOf(tag), { ...tag, version }); answer({ ok: true, version }); },',
      ],
    ),
  },
  {
    name: 'refused request forgotten at once',
    edits: inFile('core/replica/head.ts', [
      'if (waiting.length > 0) this.remember(tag, said);',
      '',
    ]),
  },
  {
    name: 'chunk made anew begins at version 1',
    edits: inFile('core/replica/head.ts', [
      '(base?.version ?? this.removedVersion)',
      '(base?.version ?? 0)',
    ]),
  },
  {
    name: 'late messages of the predecessor taken',
    edits: inFile('core/replica/links.ts', [
      'if (incarnation !== this.incarnation || link < this.link) return false;',
      'return true;',
    ]),
  },
];

const readBugs: readonly Bug[] = [
  {
    name: 'tail answers the old version while pending',
    edits: inFile('core/replica/reads.ts', [
      'if (pending === undefined || (alone && pending.assigned === chain.version)) show();',
      'if (pending === undefined || chain !== undefined) show();',
    ]),
  },
  {
    name: 'replica with a pending update answers without asking',
    edits: inFile('core/replica/reads.ts', [
      "if (row?.pending === undefined) this.serve(read, row, 'committed');",
      "if (row !== undefined || row === undefined) this.serve(read, row, 'committed');",
    ]),
  },
  {
    name: 'version query without chain version',
    edits: inFile(
      'core/replica/reads.ts',
      [
        'chain !== undefined && chain.version === message.chainVersion && this.isTail(chain);',
        'chain !== undefined;',
      ],
      [
        'this.atTail(chunk, this.parts.env.row(chunk), () => {\n      if (answered',
        '((_a, _b, run) => run())(chunk, undefined, () => {\n      if (answered',
      ],
    ),
  },
];

const resyncBugs: readonly Bug[] = [
  {
    name: 'partial update applied on a wrong base',
    edits: inFile('core/replica/filling.ts', [
      "else if (body?.kind === 'change' && isSameContent(committed, message.base)) then.apply();",
      "else if (body?.kind === 'change') then.apply();",
    ]),
  },
  {
    name: 'local snapshot before remote in resync',
    edits: inFile(
      'core/replica/resync.ts',
      [
        "this.call({ kind: 'sync-rows', after, limit: syncRows }, (reply) => {",
        "let early: readonly OwnRow[] = []; this.parts.env.rows(after, syncRows, (own) => void (early = own)); this.call({ kind: 'sync-rows', after, limit: syncRows }, (reply) => {",
      ],
      ['this.parts.env.rows(after, syncRows, compared);', 'compared(early);'],
    ),
  },
  {
    name: 'pending updates kept on entering SYNCING',
    edits: inFile('core/replica/replica.ts', [
      "env.persist({ kind: 'forget' }, () => {",
      "env.persist({ kind: 'note', version: 0 as never }, () => {",
    ]),
  },
  {
    name: 'exactly-once table not handed over',
    edits: inFile('core/replica/resync.ts', [
      'this.sendTags(entries);',
      'this.compareSlice(0, true);',
    ]),
  },
  {
    name: 'tags of pending updates handed over',
    edits: inFile('core/replica/resync.ts', ['return !isPending;', 'return true;']),
  },
  {
    name: 'resync lets go of the lock on a timeout',
    edits: inFile('core/replica/resync.ts', [
      'this.held.set(chunkKey(chunk), finish);',
      'this.held.set(chunkKey(chunk), finish); this.parts.env.after(20, () => { if (this.held.delete(chunkKey(chunk))) finish(); });',
    ]),
  },
  {
    name: 'resync write late after a newer live write',
    edits: [
      ...inFile('core/replica/links.ts', [
        'if (incarnation !== this.incarnation || link < this.link) return false;',
        'return true;',
      ]),
      ...inFile('core/replica/filling.ts', [
        'return committed !== undefined && isNewer(committed, identity);',
        'return false;',
      ]),
    ],
  },
  {
    name: 'digest skipped',
    edits: inFile('core/replica/resync.ts', [
      'else this.compareSlice(0, true);',
      'else this.compareSlice(this.parts.settings.slices, true);',
    ]),
  },
];

export const bugs: readonly Bug[] = [
  ...chainBugs,
  ...managerBugs,
  ...hostBugs,
  ...updateBugs,
  ...readBugs,
  ...resyncBugs,
];
