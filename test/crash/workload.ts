// Writers of the crash test. Each owns its keys, does one request at a time, and stops at the first broken
// connection; a key whose last write has an unknown outcome is left alone until it was settled.

import { Prng } from '../../core/base/prng.ts';
import { S3Client, type S3Address } from '../tools/s3-client.ts';
import { type Content, KeyHistory, absent, makeContent } from './history.ts';

export const crashBucket = 'crash';
const keysPerWriter = 8;
const partBytes = 5 * 1024 * 1024;

export interface Counts {
  acknowledged: number;
  unknown: number;
  refused: number;
  puts: number;
  deletes: number;
  multiparts: number;
}

export const noCounts = (): Counts => ({
  acknowledged: 0,
  unknown: 0,
  refused: 0,
  puts: 0,
  deletes: 0,
  multiparts: 0,
});

/** Sizes on every path of a write: inline, journaled, in place in one chunk, several chunks. */
function pickSize(prng: Prng): number {
  const kind = prng.below(100);
  if (kind < 40) return prng.below(4096);
  if (kind < 75) return 4096 + prng.below(250_000);
  if (kind < 97) return 262_144 + prng.below(1_500_000);
  return 4_000_000 + prng.below(6_000_000);
}

export class Writer {
  readonly histories: KeyHistory[];
  private readonly prng: Prng;
  private readonly parked = new Set<KeyHistory>();
  private readonly counts: Counts;
  private sequence = 0;

  constructor(index: number, prng: Prng, counts: Counts) {
    this.prng = prng;
    this.counts = counts;
    this.histories = Array.from({ length: keysPerWriter }, (_, key) => {
      const folder = key % 3 === 0 ? `deep/${index}/x` : `w${index}`;
      return new KeyHistory(`${folder}/k${key}`);
    });
  }

  /** Writes until the connection breaks or `stopped` says so. */
  async run(address: S3Address, stopped: () => boolean): Promise<void> {
    const client = new S3Client(address);
    try {
      while (!stopped()) {
        const free = this.histories.filter((history) => !this.parked.has(history));
        if (free.length === 0) return;
        if (!(await this.step(client, this.prng.pick(free)))) return;
      }
    } finally {
      client.close();
    }
  }

  /** Every key is compared with what the restarted system shows. Returns the violations. */
  async settle(address: S3Address): Promise<string[]> {
    const client = new S3Client(address);
    const violations: string[] = [];
    for (const history of this.histories) {
      const answer = await client.send('GET', `/${crashBucket}/${history.key}`);
      if (answer.status !== 200 && answer.status !== 404) {
        violations.push(
          `${history.key}: GET answered ${answer.status} ${answer.body?.toString().slice(0, 300)}`,
        );
        continue;
      }
      const violation = history.settle(answer.status === 200 ? answer.body : undefined);
      if (violation !== undefined) violations.push(violation);
    }
    this.parked.clear();
    client.close();
    return violations;
  }

  private async step(client: S3Client, history: KeyHistory): Promise<boolean> {
    const dice = this.prng.below(100);
    if (dice < 15 && history.present) return this.remove(client, history);
    const seed = `${history.key}#${++this.sequence}`;
    if (dice >= 15 && dice < 19)
      return this.multipart(client, history, {
        seed,
        sizeBytes: partBytes + this.prng.below(400_000),
      });
    return this.put(client, history, { seed, sizeBytes: pickSize(this.prng) });
  }

  private async put(client: S3Client, history: KeyHistory, content: Content): Promise<boolean> {
    this.counts.puts++;
    return this.attempt(history, { kind: 'present', content }, async () => {
      const { status } = await client.send(
        'PUT',
        `/${crashBucket}/${history.key}`,
        '',
        makeContent(content),
      );
      return status;
    });
  }

  private async remove(client: S3Client, history: KeyHistory): Promise<boolean> {
    this.counts.deletes++;
    return this.attempt(history, absent, async () => {
      const { status } = await client.send('DELETE', `/${crashBucket}/${history.key}`);
      return status === 204 ? 200 : status;
    });
  }

  /** Two parts and Complete; only Complete can change what the key shows. */
  private async multipart(
    client: S3Client,
    history: KeyHistory,
    content: Content,
  ): Promise<boolean> {
    this.counts.multiparts++;
    const path = `/${crashBucket}/${history.key}`;
    const bytes = makeContent(content);
    let uploadId: string;
    const etags: string[] = [];
    try {
      const created = await client.send('POST', path, 'uploads=');
      uploadId = /<UploadId>([^<]+)</.exec(created.body?.toString() ?? '')?.[1] ?? '';
      if (created.status !== 200 || uploadId === '') return true;
      for (const [index, part] of [
        bytes.subarray(0, partBytes),
        bytes.subarray(partBytes),
      ].entries()) {
        const query = `partNumber=${index + 1}&uploadId=${encodeURIComponent(uploadId)}`;
        const answer = await client.send('PUT', path, query, part);
        if (answer.status !== 200) return true;
        etags.push(/\r\netag: *("[^"]*")/i.exec(answer.head)?.[1] ?? '');
      }
    } catch {
      return false;
    }
    const parts = etags.map(
      (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
    );
    const body = Buffer.from(
      `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`,
    );
    return this.attempt(history, { kind: 'present', content }, async () => {
      const answer = await client.send(
        'POST',
        path,
        `uploadId=${encodeURIComponent(uploadId)}`,
        body,
      );
      const failed = answer.body?.includes('<Error>') === true;
      return answer.status === 200 && failed ? 500 : answer.status;
    });
  }

  /** False when the connection broke. A 4xx is a refusal; a 5xx or no answer leaves the outcome unknown. */
  private async attempt(
    history: KeyHistory,
    state: Parameters<KeyHistory['begin']>[0],
    send: () => Promise<number>,
  ): Promise<boolean> {
    const write = history.begin(state);
    let status: number;
    try {
      status = await send();
    } catch {
      this.counts.unknown++;
      this.parked.add(history);
      return false;
    }
    if (status === 200) {
      this.counts.acknowledged++;
      write.acknowledge();
    } else if (status < 500) {
      this.counts.refused++;
      write.refuse();
    } else {
      this.counts.unknown++;
      this.parked.add(history);
    }
    return true;
  }
}

/** Keys that a listing shows, for comparison with the histories. */
export async function listKeys(address: S3Address): Promise<string[]> {
  const client = new S3Client(address);
  const keys: string[] = [];
  for (let after = ''; ;) {
    const query = `list-type=2${after === '' ? '' : `&start-after=${encodeURIComponent(after)}`}`;
    const answer = await client.send('GET', `/${crashBucket}`, query);
    const text = answer.body?.toString() ?? '';
    if (answer.status !== 200)
      throw new Error(`list answered ${answer.status} ${text.slice(0, 300)}`);
    const page = [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map((match) => match[1] as string);
    keys.push(...page);
    if (!text.includes('<IsTruncated>true</IsTruncated>')) break;
    after = page.at(-1) as string;
  }
  client.close();
  return keys;
}

export async function makeBucket(address: S3Address): Promise<void> {
  const client = new S3Client(address);
  const { status } = await client.send('PUT', `/${crashBucket}`);
  client.close();
  if (status !== 200) throw new Error(`create bucket answered ${status}`);
}
