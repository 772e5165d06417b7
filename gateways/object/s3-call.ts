// What a handler gets: the authenticated request, taken apart, and the model. A handler decodes, makes one
// call into the model, encodes; it keeps nothing.

import { limits } from '../../core/base/limits.ts';
import type { ObjectStore, Principal } from '../../core/model/objects/types.ts';
import type { Address } from '../../protocols/s3/address.ts';
import { type ReceiveOptions, receiveBody } from '../../protocols/s3/body-receiver.ts';
import { type WriteConditions, writeRefusal } from '../../protocols/s3/conditions.ts';
import type { RawRequest } from '../../protocols/s3/raw-request.ts';
import { type XmlElement, XmlReader } from '../../protocols/s3/xml-reader.ts';
import { S3Error, invalidArgument } from '../../protocols/s3/errors.ts';
import { isCoreError } from '../../core/base/errors.ts';
import type { Caller } from './authenticate.ts';
import type { Exchange } from './exchange.ts';
import { doorLimits } from './limits.ts';
import type { Reply } from './reply.ts';
import { RequestBody } from './request-body.ts';

export type Handler = (call: S3Call) => Promise<Reply>;

type BodyOptions = Pick<
  ReceiveOptions,
  'etag' | 'checksumAlgorithm' | 'checksumOfObject' | 'lengthRequired'
>;

/** What is the same for every call. */
export interface Door {
  readonly objects: ObjectStore;
  /** Region of the system: buckets are made in it. */
  readonly region: string;
  readonly scheme: 'http' | 'https';
  /** How long an operation may take before its answer begins without it. */
  readonly lateAnswerMs: number;
}

interface CallOptions {
  readonly request: RawRequest;
  readonly address: Address;
  readonly caller: Caller;
  readonly door: Door;
}

export class S3Call {
  readonly request: RawRequest;
  readonly who: Principal;
  readonly bucket: string;
  /** UTF-8 bytes of the key, and the key itself. */
  readonly key: Uint8Array;
  readonly keyText: string;
  readonly objects: ObjectStore;
  readonly region: string;
  readonly lateAnswerMs: number;
  readonly exchange: Exchange;
  private readonly caller: Caller;
  private readonly scheme: string;

  constructor(exchange: Exchange, options: CallOptions) {
    const { address, caller, door } = options;
    this.exchange = exchange;
    this.request = options.request;
    this.caller = caller;
    this.who = caller.who;
    this.bucket = address.bucket;
    this.key = address.keyBytes;
    this.keyText = address.key;
    this.objects = door.objects;
    this.region = door.region;
    this.lateAnswerMs = door.lateAnswerMs;
    this.scheme = door.scheme;
  }

  /** The `versionId` parameter. @throws S3Error InvalidArgument */
  version(): { versionId?: string } {
    const versionId = this.request.queryFirst('versionId');
    if (versionId === undefined) return {};
    if (versionId !== '') return { versionId };
    throw invalidArgument('versionId', '', 'Version id cannot be the empty string');
  }

  /** The content to be stored. No byte is read before the model pulls.
   *  @throws S3Error for what the headers alone show to be wrong */
  content(bytesMax: number, options: BodyOptions = {}): RequestBody {
    return this.openBody(bytesMax, { ...options, lengthRequired: true });
  }

  private openBody(contentBytesMax: number, options: BodyOptions): RequestBody {
    const { request, caller, exchange } = this;
    if (exchange.brokenBy !== undefined) throw exchange.brokenBy;
    const { payload, signing } = caller;
    const receiver = receiveBody({ request, payload, signing, contentBytesMax, ...options });
    if (!receiver.ok) throw receiver.error;
    const body = new RequestBody(exchange.request, receiver.value, exchange.sendContinue);
    exchange.body = body;
    return body;
  }

  /** A request document, proven like any other body; undefined when the body is empty.
   *  @throws S3Error MalformedXML, MaxMessageLengthExceeded, BadDigest, … */
  async document(options: BodyOptions = {}): Promise<XmlElement | undefined> {
    const reader = new XmlReader();
    let empty = true;
    try {
      const body = this.openBody(doorLimits.documentBytesMax, { etag: '', ...options });
      for await (const piece of body.chunks) {
        empty = false;
        reader.push(piece);
      }
    } catch (error) {
      // A document is no upload.
      const tooLarge = error instanceof S3Error && error.code === 'EntityTooLarge';
      throw tooLarge ? new S3Error('MaxMessageLengthExceeded') : error;
    }
    return empty ? undefined : reader.end();
  }

  /** The same where S3 needs a document. */
  async requiredDocument(options: BodyOptions = {}): Promise<XmlElement> {
    const root = await this.document(options);
    if (root === undefined) throw new S3Error('MalformedXML');
    return root;
  }

  /** Ends a write that is bound to fail before its body is read: asked where the client waits for that, or
   *  the body is worth it. The model decides again in the commit.
   *  @throws CoreError BUCKET_NOT_FOUND, ACCESS_DENIED; S3Error PreconditionFailed, NoSuchKey */
  async precheck(conditions: WriteConditions, sizeBytes: number | undefined): Promise<void> {
    const large = sizeBytes === undefined || sizeBytes >= doorLimits.precheckBytesMin;
    if (!large && !this.exchange.expectsContinue) return;
    const { objects, who, bucket, key } = this;
    if (conditions.ifMatch === undefined && conditions.ifNoneMatch === undefined) {
      await objects.headBucket(who, bucket);
      return;
    }
    const current = await objects.head(who, { bucket, key, conditions: {} }).catch(noneIfMissing);
    const refusal = writeRefusal(conditions, current?.info);
    if (refusal !== undefined) throw refusal;
  }

  /** URL of the object, as the client reaches it. */
  get location(): string {
    return `${this.scheme}://${this.request.header('host') ?? ''}${this.request.rawPath}`;
  }
}

function noneIfMissing(error: unknown): undefined {
  if (isCoreError(error, 'KEY_NOT_FOUND')) return undefined;
  throw error;
}

/** Number of a part. @throws S3Error InvalidArgument */
export function parsePartNumber(text: string | undefined): number {
  const number = text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (number >= 1 && number <= limits.partsMax) return number;
  throw invalidArgument(
    'partNumber',
    text ?? '',
    `Part number must be an integer between 1 and ${limits.partsMax}, inclusive`,
  );
}
