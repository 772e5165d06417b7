// Who calls: the signature of a request against the identity store, before anything else is decided or read.
// Every route and every payload mode goes through here (a server that skipped the check for one mode let
// anybody write).

import type { Principal } from '../../core/model/objects/types.ts';
import type { Identity, IdentityStore } from '../../core/model/identities/types.ts';
import { parseAuthorization } from '../../protocols/s3/authorization.ts';
import type { SignedRequest } from '../../protocols/s3/credential.ts';
import { S3Error } from '../../protocols/s3/errors.ts';
import type { PayloadMode } from '../../protocols/s3/payload-mode.ts';
import type { RawRequest } from '../../protocols/s3/raw-request.ts';
import type { SigningKeyCache } from '../../protocols/s3/signing-key.ts';
import { type ChunkSigning, verifySignature } from '../../protocols/s3/verify-signature.ts';

export interface Caller {
  readonly who: Principal;
  readonly payload: PayloadMode;
  readonly signing: ChunkSigning;
}

export interface AuthenticationOptions {
  readonly identities: IdentityStore;
  /** Accepted in credential scopes; the own one first. */
  readonly regions: readonly string[];
  readonly keys: SigningKeyCache;
  nowMs(): number;
}

export class Authenticator {
  private readonly options: AuthenticationOptions;

  constructor(options: AuthenticationOptions) {
    this.options = options;
  }

  /** At once when the access key was looked up lately.
   *  @throws S3Error AccessDenied for anonymous requests, and what `verifySignature` returns */
  authenticate(request: RawRequest): Caller | Promise<Caller> {
    const { identities } = this.options;
    const claim = parseAuthorization(request);
    if (!claim.ok) throw claim.error;
    const parsed = claim.value;
    if (parsed.kind === 'anonymous') throw new S3Error('AccessDenied');
    // Nobody issues temporary credentials yet, so that no token can be right.
    if (parsed.sessionToken !== undefined) throw new S3Error('InvalidToken');
    const cached = identities.cached?.(parsed.accessKey);
    if (cached !== undefined) return this.verify(request, parsed, cached);
    return identities
      .byAccessKey(parsed.accessKey)
      .then((identity) => this.verify(request, parsed, identity));
  }

  private verify(
    request: RawRequest,
    parsed: SignedRequest,
    identity: Identity | undefined,
  ): Caller {
    const { regions, keys } = this.options;
    const nowMs = this.options.nowMs();
    const secretKey = identity?.secretKey;
    const verified = verifySignature({ request, parsed, secretKey, nowMs, regions, keys });
    if (!verified.ok) throw verified.error;
    if (identity === undefined) throw new S3Error('InvalidAccessKeyId');
    const { id, displayName, root } = identity;
    return { who: { id, displayName, root }, payload: parsed.payload, signing: verified.value };
  }
}
