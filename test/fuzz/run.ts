// How a fuzzer runs: first the kept inputs, then rounds until the count or the minutes are used up. A round
// checks a new input or a change of one that reached new code; each has a seed of its own. A round that takes
// too long or a process that grows too large breaks a rule, too.

import { Prng } from '../../core/base/prng.ts';
import { readCorpus } from './corpus.ts';
import { Coverage } from './coverage.ts';
import type { Fuzzer, Json } from './fuzzer.ts';

/** CPU time of one input: a hundred times what the slowest takes; inputs are a few KiB. */
const roundCpuMsMax = 2_000;
/** The heap of a fuzzer's process stays around 150 MiB; what a lying length would allocate exceeds this. */
const residentBytesMax = 1024 ** 3;
/** Inputs between two looks at the coverage, which cost milliseconds. */
const batchRounds = 200;

export class BrokenRule extends Error {
  readonly input: Json;

  constructor(fuzzer: string, input: Json, cause: unknown) {
    super(`fuzzer ${fuzzer}: a rule is broken by ${JSON.stringify(input).slice(0, 2000)}`, {
      cause,
    });
    this.input = input;
  }
}

export interface Report {
  readonly fuzzer: string;
  readonly seed: number;
  readonly rounds: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Inputs replayed from the corpus, and inputs of this run that reached new blocks. */
  readonly replayed: number;
  readonly found: number;
  readonly blocks: number;
  readonly slowestMs: number;
  readonly residentMiB: number;
  readonly outcomes: Readonly<Record<string, number>>;
}

export interface RunOptions {
  readonly seed: number;
  /** Asked before each round. */
  readonly more: (rounds: number) => boolean;
  readonly coverage: boolean;
}

const size = (input: Json): number => JSON.stringify(input).length;

export class FuzzRun {
  /** Inputs that reached new code, the corpus included. */
  readonly inputs: Json[] = [];
  private readonly fuzzer: Fuzzer;
  private readonly options: RunOptions;
  private readonly coverage: Coverage | undefined;
  /** Blocks that ran so far. */
  private readonly seen = new Set<string>();
  private readonly outcomes = new Map<string, number>();
  private slowestMs = 0;
  private residentBytes = 0;

  constructor(fuzzer: Fuzzer, options: RunOptions) {
    this.fuzzer = fuzzer;
    this.options = options;
    this.coverage = options.coverage ? new Coverage() : undefined;
  }

  /** @throws BrokenRule */
  async run(): Promise<Report> {
    const startMs = performance.now();
    const startCpu = process.cpuUsage();
    try {
      const corpus = readCorpus(this.fuzzer.name);
      for (const input of corpus) await this.check(input);
      this.unseen();
      this.inputs.push(...corpus);
      const rounds = await this.rounds();
      const cpu = process.cpuUsage(startCpu);
      return {
        fuzzer: this.fuzzer.name,
        seed: this.options.seed,
        rounds,
        seconds: Math.round((performance.now() - startMs) / 1000),
        cpuSeconds: Math.round((cpu.user + cpu.system) / 1e6),
        replayed: corpus.length,
        found: this.inputs.length - corpus.length,
        blocks: this.seen.size,
        slowestMs: Math.round(this.slowestMs),
        residentMiB: Math.round(this.residentBytes / 1024 ** 2),
        outcomes: Object.fromEntries([...this.outcomes].toSorted(([, a], [, b]) => b - a)),
      };
    } finally {
      await this.fuzzer.close?.();
    }
  }

  /** The smallest inputs that together reach every block that any of them reaches. */
  async smallestSet(): Promise<Json[]> {
    const { coverage } = this;
    if (coverage === undefined) return this.inputs;
    coverage.take();
    this.seen.clear();
    const kept: Json[] = [];
    for (const input of this.inputs.toSorted((a, b) => size(a) - size(b))) {
      await this.fuzzer.check(input);
      if (this.unseen().length > 0) kept.push(input);
    }
    await this.fuzzer.close?.();
    coverage.close();
    return kept;
  }

  private async rounds(): Promise<number> {
    const { seed, more } = this.options;
    let rounds = 0;
    let batch: Json[] = [];
    for (; more(rounds); rounds++) {
      const input = this.inputOf(new Prng(seed + rounds));
      batch.push(input);
      await this.check(input);
      if (batch.length < batchRounds) continue;
      await this.keepNew(batch);
      batch = [];
    }
    return rounds;
  }

  private inputOf(random: Prng): Json {
    const { inputs, fuzzer } = this;
    if (inputs.length === 0 || random.chance(0.5)) return fuzzer.generate(random);
    return fuzzer.mutate(random, random.pick(inputs));
  }

  private async check(input: Json): Promise<void> {
    const cpu = process.cpuUsage();
    let outcome: string;
    try {
      outcome = await this.fuzzer.check(input);
      const used = process.cpuUsage(cpu);
      const milliseconds = (used.user + used.system) / 1000;
      this.slowestMs = Math.max(this.slowestMs, milliseconds);
      if (milliseconds > roundCpuMsMax) throw new Error(`took ${milliseconds} ms of CPU time`);
    } catch (error) {
      throw new BrokenRule(this.fuzzer.name, input, error);
    }
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }

  /** Runs a batch again, one by one, when something in it reached new code. */
  private async keepNew(batch: readonly Json[]): Promise<void> {
    this.residentBytes = Math.max(this.residentBytes, process.memoryUsage.rss());
    if (this.residentBytes > residentBytesMax) {
      const error = new Error(`the process has ${this.residentBytes} bytes`);
      throw new BrokenRule(this.fuzzer.name, batch, error);
    }
    const unseen = new Set(this.unseen());
    for (const input of unseen.size > 0 ? batch : []) {
      await this.fuzzer.check(input);
      const reached = (this.coverage?.take() ?? []).filter((block) => unseen.delete(block));
      if (reached.length > 0) this.inputs.push(input);
    }
  }

  /** Blocks that ran since the last look and never before; they count as seen from now on. */
  private unseen(): string[] {
    const blocks = (this.coverage?.take() ?? []).filter((block) => !this.seen.has(block));
    for (const block of blocks) this.seen.add(block);
    return blocks;
  }
}
