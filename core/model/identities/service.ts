// Answers the identity calls from the store in the core process.

import type { RpcRegistry } from '../../rpc/call.ts';
import { addIdentity, identityByAccessKey, listIdentities, removeIdentity } from './calls.ts';
import type { PagedIdentities } from './identities.ts';

export function registerIdentityCalls(registry: RpcRegistry, store: PagedIdentities): void {
  registry.register(identityByAccessKey, async ({ accessKey }) => ({
    response: { identity: await store.byAccessKey(accessKey) },
  }));
  registry.register(addIdentity, async (request) => ({
    response: { identity: await store.add(request) },
  }));
  registry.register(listIdentities, async ({ after }) => ({
    response: { identities: await store.page(after) },
  }));
  registry.register(removeIdentity, async ({ name }) => {
    await store.remove(name);
    return { response: {} };
  });
}
