// RPC calls of the identity store, ids 400–499. A gateway reads identities to verify signatures; only the
// operator changes them. Declarations only; service.ts executes them.

import { bool, many, message, nested, optional, string } from '../../base/message.ts';
import { defineCall } from '../../rpc/call.ts';

const IdentityMessage = message('Identity', {
  id: string(1),
  name: string(2),
  displayName: string(3),
  accessKey: string(4),
  secretKey: string(5),
  root: bool(6),
});

/** Without the secret, which no list ever shows. */
const ListedIdentityMessage = message('ListedIdentity', {
  id: string(1),
  name: string(2),
  displayName: string(3),
  accessKey: string(4),
  root: bool(6),
});

/** Answers without an identity when nobody has the key. */
export const identityByAccessKey = defineCall({
  id: 400,
  name: 'identityByAccessKey',
  capability: 'read',
  lane: 'read',
  request: message('IdentityByAccessKeyRequest', { accessKey: string(1) }),
  response: message('IdentityByAccessKeyResponse', {
    identity: optional(nested(1, IdentityMessage)),
  }),
});

/** @throws IDENTITY_EXISTS, INVALID_ARGUMENT, LIMIT_EXCEEDED */
export const addIdentity = defineCall({
  id: 401,
  name: 'addIdentity',
  capability: 'operator',
  lane: 'write',
  request: message('AddIdentityRequest', {
    name: string(1),
    displayName: optional(string(2)),
    accessKey: optional(string(3)),
    secretKey: optional(string(4)),
    id: optional(string(5)),
  }),
  response: message('AddIdentityResponse', { identity: nested(1, IdentityMessage) }),
});

/** A page in order, after the one named `after`; an empty page ends the list. */
export const listIdentities = defineCall({
  id: 402,
  name: 'listIdentities',
  capability: 'operator',
  lane: 'read',
  request: message('ListIdentitiesRequest', { after: optional(string(1)) }),
  response: message('ListIdentitiesResponse', {
    identities: many(nested(1, ListedIdentityMessage)),
  }),
});

/** @throws IDENTITY_NOT_FOUND, INVALID_ARGUMENT */
export const removeIdentity = defineCall({
  id: 403,
  name: 'removeIdentity',
  capability: 'operator',
  lane: 'write',
  request: message('RemoveIdentityRequest', { name: string(1) }),
  response: message('RemoveIdentityResponse', {}),
});
