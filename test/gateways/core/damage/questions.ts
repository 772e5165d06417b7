// Everything that a reader can ask of the small system, each with its answer as a text: what was stored, or
// the name of the error. Asked of the undamaged system first, so that the right answers are known.

import { createHash } from 'node:crypto';
import { toCoreError } from '../../../../core/base/errors.ts';
import type { ErrorName } from '../../../../core/base/errors.ts';
import type { Principal } from '../../../../core/model/objects/types.ts';
import { contentOf } from '../rig.ts';
import type { Opened } from './opened.ts';

export interface Question {
  readonly name: string;
  ask(system: Opened, who: Principal): Promise<unknown>;
}

export type Answers = ReadonlyMap<string, string>;

export const whoOf = ({ root }: Opened): Principal => ({
  id: root.id,
  displayName: root.displayName,
  root: true,
});

const errorPrefix = 'error ';

export async function answer(question: Question, system: Opened): Promise<string> {
  try {
    return shown(await question.ask(system, whoOf(system)));
  } catch (error) {
    const { errorName, message } = toCoreError(error);
    // The detail of an unexpected error is for whoever reads a failed run.
    return `${errorPrefix}${errorName}${errorName === 'INTERNAL' ? ` ${message}` : ''}`;
  }
}

export function errorOf(text: string): ErrorName | undefined {
  if (!text.startsWith(errorPrefix)) return undefined;
  return text.slice(errorPrefix.length).split(' ')[0] as ErrorName;
}

/** The answer that there is no such thing, where that is no error. */
export const absent = 'absent';

function shown(value: unknown): string {
  if (value === undefined) return absent;
  return JSON.stringify(value, (_key, each: unknown) =>
    each instanceof Uint8Array ? Buffer.from(each).toString('hex') : each,
  );
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** Questions about what the undamaged system lists, and about what it does not have. */
export async function questionsOf(system: Opened): Promise<Question[]> {
  const who = whoOf(system);
  const { buckets } = await system.objects.listBuckets(who, { limit: 100 });
  const questions: Question[] = [
    { name: 'buckets', ask: (at, me) => at.objects.listBuckets(me, { limit: 100 }) },
    { name: 'users', ask: (at) => at.identities.list() },
    { name: 'no user', ask: (at) => at.identities.byAccessKey('AAAAAAAAAAAAAAAAAAAA') },
  ];
  for (const { accessKey } of await system.identities.list())
    questions.push({
      name: `user ${accessKey}`,
      ask: (at) => at.identities.byAccessKey(accessKey),
    });
  // oxlint-disable-next-line no-await-in-loop -- few buckets
  for (const { name } of buckets) questions.push(...(await bucketQuestions(system, who, name)));
  return questions;
}

async function bucketQuestions(
  system: Opened,
  who: Principal,
  bucket: string,
): Promise<Question[]> {
  const all = { bucket, prefix: Buffer.alloc(0), delimiter: Buffer.alloc(0), limit: 1000 };
  const delimiter = Buffer.from('/');
  const questions: Question[] = [
    { name: `bucket ${bucket}`, ask: ({ objects }, me) => objects.headBucket(me, bucket) },
    { name: `tags of ${bucket}`, ask: ({ objects }, me) => objects.getBucketTags(me, bucket) },
    {
      name: `versioning of ${bucket}`,
      ask: ({ objects }, me) => objects.getBucketVersioning(me, bucket),
    },
    { name: `list ${bucket}`, ask: ({ objects }, me) => objects.list(me, all) },
    { name: `list ${bucket} /`, ask: ({ objects }, me) => objects.list(me, { ...all, delimiter }) },
    { name: `versions of ${bucket}`, ask: ({ objects }, me) => objects.listVersions(me, all) },
    { name: `uploads of ${bucket}`, ask: ({ objects }, me) => objects.listUploads(me, all) },
    objectQuestion(bucket, Buffer.from('gone'), undefined),
    objectQuestion(bucket, Buffer.from('dir/sub/never'), undefined),
  ];
  for (const { key, versionId } of (await system.objects.listVersions(who, all)).objects) {
    questions.push(objectQuestion(bucket, key, undefined), objectQuestion(bucket, key, versionId));
    questions.push(tagsQuestion(bucket, key, versionId), partsQuestion(bucket, key, versionId));
  }
  for (const upload of (await system.objects.listUploads(who, all)).uploads)
    questions.push({
      name: `upload ${upload.uploadId}`,
      ask: ({ objects }, me) =>
        objects.listParts(me, { bucket, ...upload }, { after: 0, limit: 100 }),
    });
  return questions.filter(
    ({ name }, index) => questions.findIndex((other) => other.name === name) === index,
  );
}

const named = (what: string, bucket: string, key: Uint8Array, versionId: string | undefined) =>
  `${what} ${bucket}/${Buffer.from(key).toString()} ${versionId ?? 'newest'}`;

const version = (versionId: string | undefined): { versionId?: string } =>
  versionId === undefined ? {} : { versionId };

function objectQuestion(bucket: string, key: Uint8Array, versionId: string | undefined): Question {
  return {
    name: named('get', bucket, key, versionId),
    async ask({ objects }, me) {
      const wanted = { bucket, key, conditions: {}, ...version(versionId) };
      const { info, chunks } = await objects.get(me, wanted);
      return { info, content: digest(await contentOf({ chunks })) };
    },
  };
}

function tagsQuestion(bucket: string, key: Uint8Array, versionId: string): Question {
  return {
    name: named('tags', bucket, key, versionId),
    ask: ({ objects }, me) => objects.getTags(me, { bucket, key, versionId }),
  };
}

function partsQuestion(bucket: string, key: Uint8Array, versionId: string): Question {
  return {
    name: named('parts', bucket, key, versionId),
    ask: ({ objects }, me) =>
      objects.objectParts(me, { bucket, key, versionId, after: 0, limit: 100 }),
  };
}
