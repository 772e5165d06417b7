// A process's way to the core: one RPC connection, and over it the blob client, the writer session and the
// read lease that the models need. The ports here are the only link between core/client, which knows nothing
// of the namespace, and the namespace's session calls.

import { asBuffer } from '../base/bytes.ts';
import { CoreError } from '../base/errors.ts';
import { id } from '../base/ids.ts';
import type { ChainVer, TargetId } from '../base/ids.ts';
import { ChunkBlobClient } from '../client/blob-client.ts';
import { DirectReader } from '../client/direct-reader.ts';
import { HeartbeatLease } from '../client/read-lease.ts';
import type { LeasePort } from '../client/read-lease.ts';
import { ChainChunks } from '../client/chain-chunks.ts';
import type { ChunkClient } from '../client/chunk-client.ts';
import { RoutingCache } from '../client/routing-cache.ts';
import { singleTargetChunks } from '../client/single-target-chunks.ts';
import type { BlobClient, ReadLease, WriterSession } from '../client/types.ts';
import { RenewedSession } from '../client/writer-session.ts';
import type { FreshBlob, SessionPort } from '../client/writer-session.ts';
import { RoutingWatch } from '../cluster/routing-watch.ts';
import { StorePeers } from '../cluster/store-peers.ts';
import type { Clock } from '../env/clock.ts';
import type { Disk } from '../env/disk.ts';
import type { Events } from '../env/events.ts';
import type { Address, Net } from '../env/net.ts';
import type { Rng } from '../env/rng.ts';
import * as calls from '../meta/calls.ts';
import type { RpcClient } from '../rpc/call.ts';
import { ReconnectingClient } from '../rpc/client.ts';

/** The target of an embedded system, and the version of its chain, which never changes. */
export const embeddedTarget = {
  target: id<TargetId>(1),
  chainVersion: id<ChainVer>(1),
} as const;

export interface CoreClientOptions {
  readonly net: Net;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly events: Events;
  readonly address: Address;
  /** Name of this role, for the core's logs and for its session. */
  readonly role: string;
  readonly token: Uint8Array;
  /** Directories of this machine: content that a core here stores is read past its process. */
  readonly openDisk?: (directory: string) => Disk;
  /** Chunks are on chains of store processes, not in the core. */
  readonly cluster?: boolean;
}

export interface CoreReader {
  readonly rpc: RpcClient;
  readonly blobs: BlobClient;
  readonly lease: ReadLease;
  /** Ends lease and session, then the connection. */
  close(): Promise<void>;
}

export interface CoreWriter extends CoreReader {
  readonly session: WriterSession;
}

/** For a process whose token carries `write`. @throws CoreError UNAVAILABLE, ACCESS_DENIED */
export async function openCoreWriter(options: CoreClientOptions): Promise<CoreWriter> {
  return withConnection(options, async ({ rpc, lease, ...direct }) => {
    const { clock, events, role } = options;
    const session = await RenewedSession.open(sessionPort(rpc, role), clock, events);
    const { chunks, close } = openChunks(options, rpc);
    const takeBlob = (): Promise<FreshBlob> => session.takeBlob();
    const blobs = new ChunkBlobClient({ chunks, takeBlob, ...direct });
    const end = async (): Promise<void> => {
      close();
      await session.close();
    };
    return { rpc, blobs, lease, session, end };
  });
}

/** For a process whose token carries `read`. @throws CoreError UNAVAILABLE, ACCESS_DENIED */
export async function openCoreReader(options: CoreClientOptions): Promise<CoreReader> {
  return withConnection(options, async ({ rpc, lease, ...direct }) => {
    const { chunks, close } = openChunks(options, rpc);
    const blobs = new ChunkBlobClient({ chunks, takeBlob: refuseToWrite, ...direct });
    return { rpc, blobs, lease, end: async () => close() };
  });
}

/** The way to the chunks: the core itself, or the stores that it names. */
function openChunks(
  options: CoreClientOptions,
  rpc: RpcClient,
): { readonly chunks: ChunkClient; readonly close: () => void } {
  const { clock, events } = options;
  if (options.cluster !== true)
    return {
      chunks: singleTargetChunks({ rpc, clock, ...embeddedTarget }),
      close: () => undefined,
    };
  const peers = new StorePeers(options);
  const routing = new RoutingCache(clock);
  const watch = new RoutingWatch({
    rpc,
    clock,
    events,
    onStores: (stores) => peers.learn(stores),
    onRouting: (newest) => routing.update(newest),
  });
  const close = (): void => {
    watch.close();
    peers.close();
  };
  return { chunks: new ChainChunks({ clock, routing, peer: (store) => peers.to(store) }), close };
}

async function refuseToWrite(): Promise<never> {
  throw new CoreError('ACCESS_DENIED', 'this process may only read');
}

interface Connected {
  readonly rpc: RpcClient;
  readonly lease: ReadLease;
  readonly direct?: DirectReader;
}

/** Connects and takes the read lease; undone when `open` fails. */
async function withConnection<Parts extends object>(
  options: CoreClientOptions,
  open: (connected: Connected) => Promise<Parts & { end(): Promise<void> }>,
): Promise<Parts & { close(): Promise<void> }> {
  const { clock, events, role } = options;
  let lease: HeartbeatLease | undefined;
  let connections = 0;
  const onConnected = (): void => {
    connections++;
    // A core that restarted knows no leases: state ours before it collects anything.
    void lease?.restate();
  };
  const rpc = new ReconnectingClient({ ...options, onConnected });
  const direct = directReader(options, () => (rpc.connected ? connections : undefined));
  try {
    const reader = `${role}-${asBuffer(options.rng.bytes(8)).toString('hex')}`;
    lease = await HeartbeatLease.open(reader, leasePort(rpc, reader), clock, events);
    const held = lease;
    const parts = await open({ rpc, lease: held, ...(direct && { direct }) });
    const close = async (): Promise<void> => {
      await Promise.all([parts.end(), held.close()]);
      direct?.close();
      rpc.close();
    };
    return { ...parts, close };
  } catch (error) {
    await lease?.close();
    rpc.close();
    throw error;
  }
}

/** A unix socket is on this machine; over another one the core's directories are elsewhere. */
function directReader(
  { openDisk, clock, events, address, cluster }: CoreClientOptions,
  link: () => number | undefined,
): DirectReader | undefined {
  // Places are told of one store's files; a replica may be read only while its lease holds.
  if (openDisk === undefined || address.kind !== 'unix' || cluster === true) return undefined;
  return new DirectReader({ openDisk, clock, events, link });
}

function sessionPort(rpc: RpcClient, role: string): SessionPort {
  return {
    async open() {
      const { response } = await rpc.call(calls.openSession, { role });
      return { ...response, session: id(response.session) };
    },
    async renew(session) {
      return (await rpc.call(calls.renewSession, { session })).response;
    },
    async end(session) {
      await rpc.call(calls.endSession, { session }, { deadlineMs: endMs });
    },
    async grant(session) {
      return (await rpc.call(calls.grantBlobs, { session })).response.blobs;
    },
    async discard(session, blobs) {
      await rpc.call(calls.discardBlobs, { session, blobs: [...blobs] });
    },
  };
}

function leasePort(rpc: RpcClient, reader: string): LeasePort {
  return {
    async renew(oldestEpoch) {
      return (await rpc.call(calls.renewReadLease, { reader, oldestEpoch })).response;
    },
    async end() {
      await rpc.call(calls.endReadLease, { reader }, { deadlineMs: endMs });
    },
  };
}

/** A process that stops does not wait long to say so: leases end by themselves. */
const endMs = 2_000;
