// Which blocks of Lampyr's own code ran: V8's precise coverage over the inspector, in this process. A fuzzer
// keeps the inputs that reach a block for the first time.

import { Session } from 'node:inspector';

/** Only what the fuzzers are aimed at: neither tests nor Node nor packages. */
const ownCode = /\/dist\/(core|protocols|gateways)\//;

interface CoverageResult {
  readonly result: readonly {
    readonly scriptId: string;
    readonly url: string;
    readonly functions: readonly {
      readonly ranges: readonly { startOffset: number; endOffset: number; count: number }[];
    }[];
  }[];
}

export class Coverage {
  private readonly session = new Session();

  constructor() {
    this.session.connect();
    this.post('Profiler.enable');
    this.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** Names of the blocks that ran since the last call. */
  take(): string[] {
    const { result } = this.post('Profiler.takePreciseCoverage') as CoverageResult;
    const blocks: string[] = [];
    for (const { scriptId, url, functions } of result) {
      if (!ownCode.test(url)) continue;
      for (const { ranges } of functions)
        for (const { startOffset, endOffset, count } of ranges)
          if (count > 0) blocks.push(`${scriptId}:${startOffset}:${endOffset}`);
    }
    return blocks;
  }

  close(): void {
    this.post('Profiler.stopPreciseCoverage');
    this.session.disconnect();
  }

  /** A session of the own thread answers before `post` returns. */
  private post(method: string, parameters: object = {}): unknown {
    let answer: unknown;
    this.session.post(method, parameters, (error, result) => {
      if (error !== null) throw error;
      answer = result;
    });
    return answer;
  }
}
