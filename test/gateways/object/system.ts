// The whole system below the door in this process: the real core on a temporary directory, its socket, the
// object store over it, and the door on a free port.

import { after } from 'node:test';
import { CoreRig } from '../core/rig.ts';
import {
  type Answer,
  type Door,
  type DoorOptions,
  type Sendable,
  elementOf,
  openDoor,
} from './door.ts';

export interface System extends Door {
  readonly rig: CoreRig;
  put(
    target: string,
    body?: string | Uint8Array,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  get(target: string, headers?: Record<string, string>): Promise<Answer>;
  head(target: string, headers?: Record<string, string>): Promise<Answer>;
  post(target: string, body?: string, headers?: Record<string, string>): Promise<Answer>;
  delete(target: string, headers?: Record<string, string>): Promise<Answer>;
}

export async function openSystem(options: DoorOptions = {}): Promise<System> {
  const rig = await CoreRig.open();
  const door = await openDoor({ ...options, objects: rig.objects });
  const send = (
    method: string,
    target: string,
    headers: Record<string, string> = {},
    body?: string | Uint8Array,
  ): Promise<Answer> => {
    const request: Sendable = { method, target, headers };
    return door.send(body === undefined ? request : { ...request, body });
  };
  return {
    ...door,
    rig,
    put: (target, body = '', headers = {}) => send('PUT', target, headers, body),
    get: (target, headers) => send('GET', target, headers),
    head: (target, headers) => send('HEAD', target, headers),
    post: (target, body = '', headers = {}) => send('POST', target, headers, body),
    delete: (target, headers) => send('DELETE', target, headers),
    async close() {
      await door.close();
      await rig.close();
    },
  };
}

let shared: Promise<System> | undefined;

/** One system for all test files of this process, since a fresh data directory costs seconds; each file uses
 *  buckets of its own. */
export function sharedSystem(): Promise<System> {
  shared ??= openSystem({ domains: ['s3.localhost'] });
  return shared;
}

after(async () => (await shared)?.close());

/** Texts of every element of that name, in order. */
export function elementsOf(answer: Answer, name: string): string[] {
  const found = answer.body.toString().matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'));
  return [...found].map((match) => match[1] as string);
}

/** A finished multipart upload. @returns the answer of Complete */
export async function uploadParts(
  system: System,
  target: string,
  parts: readonly Uint8Array[],
  headers: Record<string, string> = {},
): Promise<{ uploadId: string; etags: string[]; document: string; complete: Answer }> {
  const created = await system.post(`${target}?uploads`, '', headers);
  const uploadId = elementOf(created, 'UploadId') ?? '';
  const etags: string[] = [];
  for (const [at, part] of parts.entries()) {
    const answer = await system.put(`${target}?uploadId=${uploadId}&partNumber=${at + 1}`, part);
    etags.push(answer.headers['etag'] ?? `${answer.status}`);
  }
  const document = completeDocument(etags);
  const complete = await system.post(`${target}?uploadId=${uploadId}`, document);
  return { uploadId, etags, document, complete };
}

export function completeDocument(
  etags: readonly string[],
  numbers = etags.map((_, at) => at + 1),
): string {
  const parts = etags.map(
    (etag, at) => `<Part><PartNumber>${numbers[at]}</PartNumber><ETag>${etag}</ETag></Part>`,
  );
  return `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
}
