// The S3 door as a role of the launcher (role.ts): object model over the core's RPC, gateway in front.

import { createHash } from 'node:crypto';
import { assert } from '../../core/base/assert.ts';
import { nodeClock } from '../../core/env/node/clock.ts';
import { nodeDisk } from '../../core/env/node/disk.ts';
import { nodeNet } from '../../core/env/node/net.ts';
import { nodeRng } from '../../core/env/node/rng.ts';
import { openCoreWriter } from '../../core/model/core-client.ts';
import { IdentityClient } from '../../core/model/identities/client.ts';
import type { HashContent } from '../../core/model/objects/hash-content.ts';
import { makeObjectStore } from '../../core/model/objects/object-store.ts';
import { type ChecksumAlgorithm, startChecksum } from '../../protocols/s3/checksums.ts';
import { openObjectGateway } from '../object/gateway.ts';
import type { StartRole } from './role.ts';

const native: ReadonlySet<string> = new Set(['MD5', 'SHA1', 'SHA256']);

/** Not the deferred hashes of protocols/s3, which keep a first piece: pieces of stored content are only lent. */
const hash: HashContent = (algorithm) =>
  native.has(algorithm) ? createHash(algorithm) : startChecksum(algorithm as ChecksumAlgorithm);

export const startObject: StartRole = async ({ config, events, metrics, listen: targets }) => {
  const listen = targets['s3'];
  assert(listen !== undefined, 'the object role has a socket for s3');
  const core = await openCoreWriter({
    net: nodeNet,
    clock: nodeClock,
    rng: nodeRng,
    events,
    address: config.coreAddress,
    role: config.role,
    token: Buffer.from(config.token),
    openDisk: (directory) => nodeDisk(directory),
    cluster: config.cluster !== undefined,
  });
  const gateway = await openObjectGateway({
    objects: makeObjectStore({ ...core, hash }),
    identities: new IdentityClient(core.rpc, nodeClock),
    listen,
    region: config.region,
    domains: config.s3Domains,
    events,
    metrics,
  });
  return {
    async drain() {
      await gateway.drain();
      await core.close();
    },
  };
};
