// The signature chain of aws-chunked bodies: request signature → each chunk → last, empty chunk →
// trailers. Breaking, dropping, repeating or reordering a chunk breaks every signature after it.
// ("Signature calculations: transferring a payload in multiple chunks" and "… trailing headers", AWS
// S3 API reference.) Shared by the decoder and by the client's side.

import { Buffer } from 'node:buffer';
import { hash } from 'node:crypto';
import { scopeText } from './canonical-request.ts';
import { signText } from './signing-key.ts';
import type { ChunkSigning } from './verify-signature.ts';

const emptyHash = hash('sha256', '', 'hex');

export class ChunkSignatures {
  private readonly signing: ChunkSigning;
  private readonly head: string;
  /** Invariant: the signature of everything so far. */
  private previous: string;

  constructor(signing: ChunkSigning) {
    this.signing = signing;
    this.head = `${signing.amzDate}\n${scopeText(signing.scope)}`;
    this.previous = signing.seedSignature;
  }

  /** Signature of the next chunk. @param contentHash SHA-256 of its content in hex. */
  chunk(contentHash: string): string {
    return this.advance(
      `AWS4-HMAC-SHA256-PAYLOAD\n${this.head}\n${this.previous}\n${emptyHash}\n${contentHash}`,
    );
  }

  /** Signature of the trailers. @param lines `name:value\n` for each, lower-case names, as sent. */
  trailer(lines: string): string {
    const digest = hash('sha256', Buffer.from(lines, 'latin1'), 'hex');
    return this.advance(`AWS4-HMAC-SHA256-TRAILER\n${this.head}\n${this.previous}\n${digest}`);
  }

  private advance(text: string): string {
    this.previous = signText(this.signing.signingKey, text);
    return this.previous;
  }
}
