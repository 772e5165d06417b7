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
import { singleTargetChunks } from '../client/single-target-chunks.ts';
import type { BlobClient, ReadLease, WriterSession } from '../client/types.ts';
import { RenewedSession } from '../client/writer-session.ts';
import type { FreshBlob, SessionPort } from '../client/writer-session.ts';
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
    const chunks = singleTargetChunks({ rpc, clock, ...embeddedTarget });
    const takeBlob = (): Promise<FreshBlob> => session.takeBlob();
    const blobs = new ChunkBlobClient({ chunks, takeBlob, ...direct });
    return { rpc, blobs, lease, session, end: () => session.close() };
  });
}

/** For a process whose token carries `read`. @throws CoreError UNAVAILABLE, ACCESS_DENIED */
export async function openCoreReader(options: CoreClientOptions): Promise<CoreReader> {
  return withConnection(options, async ({ rpc, lease, ...direct }) => {
    const { clock } = options;
    const chunks = singleTargetChunks({ rpc, clock, ...embeddedTarget });
    const blobs = new ChunkBlobClient({ chunks, takeBlob: refuseToWrite, ...direct });
    return { rpc, blobs, lease, end: async () => undefined };
  });
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
  { openDisk, clock, events, address }: CoreClientOptions,
  link: () => number | undefined,
): DirectReader | undefined {
  if (openDisk === undefined || address.kind !== 'unix') return undefined;
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
