// Identities: one store of users and access keys for every door (design 10).

export interface Identity {
  /** 64 hex digits, stable for the life of the identity: S3's canonical Owner id. */
  readonly id: string;
  readonly name: string;
  readonly displayName: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly root: boolean;
}

export type ListedIdentity = Omit<Identity, 'secretKey'>;

/** What is not given is generated; the display name is the name. Rules: docs/internals/identities.md. */
export interface NewIdentity {
  readonly name: string;
  readonly displayName?: string | undefined;
  readonly accessKey?: string | undefined;
  readonly secretKey?: string | undefined;
  readonly id?: string | undefined;
}

export interface IdentityStore {
  /** What `byAccessKey` would answer from memory; undefined when it has to ask. */
  cached?(accessKey: string): Identity | undefined;
  /** Cached for a few seconds; undefined when no identity has the key. */
  byAccessKey(accessKey: string): Promise<Identity | undefined>;
  /** @throws IDENTITY_EXISTS, INVALID_ARGUMENT, LIMIT_EXCEEDED */
  add(request: NewIdentity): Promise<Identity>;
  /** The root first, then by name. */
  list(): Promise<ListedIdentity[]>;
  /** @throws IDENTITY_NOT_FOUND, INVALID_ARGUMENT for the root */
  remove(name: string): Promise<void>;
}
