// The identities of the system as rows of the metadata: one store of users and access keys for every door
// (design 10). Name, access key and id are each unique, decided inside the transaction that adds them. The
// root is not a row: it is given at start and cannot be removed, renamed or shadowed.

import { CoreError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Clock } from '../../env/clock.ts';
import type { Rng } from '../../env/rng.ts';
import type { MetaStore, MetaTransaction } from '../../meta/meta-store.ts';
import {
  type IdentityRow,
  accessKeyKey,
  decodeIdentity,
  decodeName,
  encodeIdentity,
  encodeName,
  idKey,
  identityRange,
  nameKey,
} from './rows.ts';
import { checked, newAccessKey, newId, newSecretKey } from './rules.ts';
import type { Identity, IdentityStore, ListedIdentity, NewIdentity } from './types.ts';

export interface IdentitiesOptions {
  readonly store: MetaStore;
  readonly rng: Rng;
  readonly clock: Clock;
  /** Who owns the system; its keys and its name are taken. */
  readonly root?: Omit<Identity, 'root'>;
}

/** Pages of the list, for the call that serves it. */
export interface PagedIdentities extends IdentityStore {
  /** In order of names after `after`, the root before all others; at most limits.identitiesPerPage. */
  page(after: string | undefined): Promise<ListedIdentity[]>;
}

export function openIdentities(options: IdentitiesOptions): PagedIdentities {
  return new Identities(options);
}

class Identities implements PagedIdentities {
  private readonly store: MetaStore;
  private readonly rng: Rng;
  private readonly clock: Clock;
  private readonly root: Identity | undefined;

  constructor(options: IdentitiesOptions) {
    this.store = options.store;
    this.rng = options.rng;
    this.clock = options.clock;
    this.root = options.root === undefined ? undefined : { ...options.root, root: true };
  }

  async byAccessKey(accessKey: string): Promise<Identity | undefined> {
    if (accessKey === this.root?.accessKey) return this.root;
    if (accessKey.length > limits.accessKeyBytesMax) return undefined;
    return this.store.transact(async (transaction) => {
      const name = await transaction.get(accessKeyKey(accessKey));
      return name === undefined ? undefined : identityNamed(transaction, decodeName(name));
    });
  }

  async add(request: NewIdentity): Promise<Identity> {
    const row: IdentityRow = {
      id: request.id === undefined ? newId(this.rng) : checked('id', request.id),
      name: checked('name', request.name),
      displayName: checked('displayName', request.displayName ?? request.name),
      accessKey:
        request.accessKey === undefined
          ? newAccessKey(this.rng)
          : checked('accessKey', request.accessKey),
      secretKey:
        request.secretKey === undefined
          ? newSecretKey(this.rng)
          : checked('secretKey', request.secretKey),
      createdMs: Math.floor(this.clock.wallMs()),
    };
    this.refuseRootsOwn(row);
    await this.store.transact((transaction) => insert(transaction, row));
    return identityOf(row);
  }

  async list(): Promise<ListedIdentity[]> {
    const all: ListedIdentity[] = [];
    let page = await this.page(undefined);
    while (page.length > 0) {
      all.push(...page);
      // oxlint-disable-next-line no-await-in-loop -- page after page
      page = await this.page((page.at(-1) as ListedIdentity).name);
    }
    return all;
  }

  async page(after: string | undefined): Promise<ListedIdentity[]> {
    if (after === undefined && this.root !== undefined) return [withoutSecret(this.root)];
    const from = after === undefined || after === this.root?.name ? '' : after;
    const rows = await this.store.range({
      ...identityRange(from),
      limit: limits.identitiesPerPage,
    });
    return rows.map(([, value]) => withoutSecret(identityOf(decodeIdentity(value))));
  }

  async remove(name: string): Promise<void> {
    if (name === this.root?.name) {
      throw new CoreError('INVALID_ARGUMENT', `${name} owns the system and cannot be removed`);
    }
    await this.store.transact(async (transaction) => {
      const found = await identityNamed(transaction, name);
      if (found === undefined) {
        throw new CoreError('IDENTITY_NOT_FOUND', `no identity is named ${name}`);
      }
      transaction.delete(nameKey(found.name));
      transaction.delete(accessKeyKey(found.accessKey));
      transaction.delete(idKey(found.id));
    });
  }

  private refuseRootsOwn(row: IdentityRow): void {
    for (const field of ['name', 'accessKey', 'id'] as const) {
      if (row[field] === this.root?.[field]) throw taken(field, row[field]);
    }
  }
}

async function identityNamed(
  transaction: MetaTransaction,
  name: string,
): Promise<Identity | undefined> {
  const value = await transaction.get(nameKey(name));
  return value === undefined ? undefined : identityOf(decodeIdentity(value));
}

async function insert(transaction: MetaTransaction, row: IdentityRow): Promise<void> {
  const keys = [nameKey(row.name), accessKeyKey(row.accessKey), idKey(row.id)];
  const [name, accessKey, id] = await transaction.getMany(keys);
  if (name !== undefined) throw taken('name', row.name);
  if (accessKey !== undefined) throw taken('accessKey', row.accessKey);
  if (id !== undefined) throw taken('id', row.id);
  // Counted without a conflict: two adds at the limit may both pass, others are not held up.
  const everyone = { ...identityRange(''), limit: limits.identitiesMax };
  const { length } = await transaction.snapshot.range(everyone);
  if (length >= limits.identitiesMax) {
    throw new CoreError('LIMIT_EXCEEDED', `there are ${length} identities; remove some first`);
  }
  transaction.set(nameKey(row.name), encodeIdentity(row));
  transaction.set(accessKeyKey(row.accessKey), encodeName(row.name));
  transaction.set(idKey(row.id), encodeName(row.name));
}

function taken(field: 'name' | 'accessKey' | 'id', value: string): CoreError {
  return new CoreError('IDENTITY_EXISTS', `an identity with the ${field} ${value} exists`);
}

function identityOf({ id, name, displayName, accessKey, secretKey }: IdentityRow): Identity {
  return { id, name, displayName, accessKey, secretKey, root: false };
}

function withoutSecret({ id, name, displayName, accessKey, root }: Identity): ListedIdentity {
  return { id, name, displayName, accessKey, root };
}
