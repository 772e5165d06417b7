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

export interface IdentityStore {
  /** Cached for a few seconds; undefined when no identity has the key. */
  byAccessKey(accessKey: string): Promise<Identity | undefined>;
  /** Generates id and keys that are not given. @throws IDENTITY_EXISTS, INVALID_ARGUMENT */
  add(request: {
    name: string;
    displayName?: string;
    accessKey?: string;
    secretKey?: string;
    id?: string;
  }): Promise<Identity>;
  list(): Promise<Omit<Identity, 'secretKey'>[]>;
  /** @throws IDENTITY_NOT_FOUND */
  remove(name: string): Promise<void>;
}
