// Bodies as they arrive → their content: a plain body passes through, an aws-chunked one loses its
// framing. Incremental and synchronous: `push` takes whatever the socket gave and returns the content in
// it as views of that same memory, copying nothing; memory does not grow with the body. What is pushed
// must stay unchanged until the returned views are used. A decoder that threw is dead.
//
// Content flows on before its chunk's signature is checked, so that nobody may make it visible before
// `end` returned. HTTP's own chunking is undone before (by Node). Format: docs/internals/s3-body.md.

import { assert } from '../../core/base/assert.ts';
import { AwsChunkedDecoder, type AwsChunkedOptions } from './aws-chunked-decoder.ts';
import { entityTooLarge, lengthMismatch } from './body-errors.ts';
import type { S3Error } from './errors.ts';

export interface BodyDecoder {
  /** Content bytes given out so far. */
  readonly contentBytes: number;
  /** Lower-case names; complete after `end`. Empty for bodies without. */
  readonly trailers: ReadonlyMap<string, string>;
  /** @throws S3Error; the decoder is dead then. */
  push(bytes: Uint8Array): Uint8Array[];
  /** The body ended. @throws S3Error IncompleteBody, MalformedTrailerError; the decoder is dead then. */
  end(): void;
}

export interface PlainOptions {
  readonly kind: 'plain';
  /** Content-Length, when sent. */
  readonly contentBytes: number | undefined;
  /** Largest acceptable content. */
  readonly contentBytesMax: number;
}

export type BodyFraming = PlainOptions | AwsChunkedOptions;

/** @throws S3Error EntityTooLarge when the stated length is. */
export function makeBodyDecoder(framing: BodyFraming): BodyDecoder {
  const { contentBytes = 0, contentBytesMax } = framing;
  if (contentBytes > contentBytesMax) throw entityTooLarge(contentBytesMax, contentBytes);
  return framing.kind === 'plain' ? new PlainDecoder(framing) : new AwsChunkedDecoder(framing);
}

const noTrailers: ReadonlyMap<string, string> = new Map();

class PlainDecoder implements BodyDecoder {
  contentBytes = 0;
  readonly trailers = noTrailers;
  private readonly options: PlainOptions;
  private dead = false;

  constructor(options: PlainOptions) {
    this.options = options;
  }

  push(bytes: Uint8Array): Uint8Array[] {
    assert(!this.dead, 'a body decoder was used after its end');
    this.contentBytes += bytes.length;
    const { contentBytes, contentBytesMax } = this.options;
    if (contentBytes !== undefined && this.contentBytes > contentBytes) {
      throw this.die(lengthMismatch('Content-Length'));
    }
    if (this.contentBytes > contentBytesMax) {
      throw this.die(entityTooLarge(contentBytesMax, this.contentBytes));
    }
    return bytes.length === 0 ? [] : [bytes];
  }

  end(): void {
    assert(!this.dead, 'a body decoder was used after its end');
    this.dead = true;
    const { contentBytes } = this.options;
    if (contentBytes !== undefined && this.contentBytes !== contentBytes) {
      throw lengthMismatch('Content-Length');
    }
  }

  private die(error: S3Error): S3Error {
    this.dead = true;
    return error;
  }
}
