// Cryptographic digests as a dependency, for the few places of the core that must answer one (the ETag of a
// multipart object is the MD5 of its parts' MD5s). Never for large content: the call is synchronous.

export type HashName = 'MD5' | 'SHA1' | 'SHA256';

export interface Hasher {
  /** Digest of the parts, one after another. */
  digest(hash: HashName, parts: readonly Uint8Array[]): Uint8Array;
}
