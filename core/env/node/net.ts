// Net on node:net. Reads through `onread` into reused memory, or straight into memory that the receiver
// names, instead of a fresh allocation per read (half the CPU on 4 MiB messages); writes of one turn leave
// in one writev.

import { chmod, unlink } from 'node:fs/promises';
import { connect, createServer, Socket } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { CoreError } from '../../base/errors.ts';
import { KiB, MiB } from '../../base/limits.ts';
import type { Address, Connection, Listener, Net } from '../net.ts';

const readBytes = 64 * KiB;
/** More than this unsent makes `write` answer false. */
const unsentBytesMax = 1 * MiB;
/** A connection that was ended is torn down after this, whether the peer took everything or not. */
const lingerMs = 5_000;
/** sockaddr_un.sun_path without its NUL, unix(7). */
const unixPathBytesMax = 107;

export const nodeNet: Net = { connect: connectTo, listen: listenOn };

/** So much leaves at the end of its turn; less waits while every further turn adds to it. A write wakes the peer, which
 *  costs as much as the work for two small requests: requests that arrive meanwhile go along. */
const promptBytesMin = 64 * KiB;
/** Turns that it waits at most: some hundred microseconds of work. */
const turnsMax = 4;

/** What leaves in one write: parts of one turn that lie next to each other in memory. */
interface Run {
  bytes: Uint8Array;
  /** Of the parts in it that wanted to know. */
  taken: (() => void)[] | undefined;
}

class SocketConnection implements Connection {
  onData: (bytes: Uint8Array) => void = () => undefined;
  readInto: () => Uint8Array | undefined = () => undefined;
  onDrain: () => void = () => undefined;
  onClose: (error?: Error) => void = () => undefined;
  private readonly socket: Socket;
  private failure: Error | undefined;
  /** Of this turn; the socket gets them when it is over. */
  private runs: Run[] = [];
  private runBytes = 0;
  /** Turns that they waited, and their bytes when the last one ended. */
  private turns = 0;
  private turnBytes = 0;
  private readonly onTurnEnd = (): void => {
    const grows = this.runBytes > this.turnBytes && this.runBytes < promptBytesMin;
    if (!grows || ++this.turns >= turnsMax) return this.flush();
    this.turnBytes = this.runBytes;
    setImmediate(this.onTurnEnd);
  };

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('drain', () => this.onDrain());
    socket.on('error', (error) => {
      this.failure = error;
    });
    // The peer's end is the end: this protocol has no half-open state.
    socket.on('end', () => socket.destroySoon());
    socket.on('close', () => this.onClose(this.failure));
  }

  write(parts: readonly Uint8Array[], onTaken?: () => void): boolean {
    if (!this.socket.writable) return true; // onClose says the rest
    // Behind all callbacks of this turn: a tick would come behind each of them, with a system call each.
    if (this.runs.length === 0) setImmediate(this.onTurnEnd);
    for (const part of parts) this.queue(part);
    const last = this.runs.at(-1);
    if (onTaken !== undefined && last !== undefined) (last.taken ??= []).push(onTaken);
    return this.queuedBytes < unsentBytesMax;
  }

  /** Frames of one turn lie one behind the other in their slab: one write, not a vector of small ones. */
  private queue(part: Uint8Array): void {
    this.runBytes += part.length;
    const last = this.runs.at(-1);
    if (last === undefined || !isNext(last.bytes, part)) {
      this.runs.push({ bytes: part, taken: undefined });
      return;
    }
    const { buffer, byteOffset, length } = last.bytes;
    last.bytes = new Uint8Array(buffer, byteOffset, length + part.length);
  }

  get queuedBytes(): number {
    return this.runBytes + this.socket.writableLength;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    const { socket } = this;
    this.flush();
    // Flushes what was written, then closes without waiting for the peer's end.
    socket.destroySoon();
    const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
    socket.once('close', () => clearTimeout(timer));
  }

  destroy(): void {
    this.socket.destroy();
  }

  private flush(): void {
    const { socket, runs } = this;
    if (runs.length === 0) return;
    this.runs = [];
    this.runBytes = 0;
    this.turns = 0;
    this.turnBytes = 0;
    if (!socket.writable) return;
    if (runs.length > 1) socket.cork();
    for (const { bytes, taken } of runs) {
      if (taken === undefined) socket.write(bytes);
      else
        socket.write(bytes, (error) => {
          if (!error) for (const onTaken of taken) onTaken();
        });
    }
    if (runs.length > 1) socket.uncork();
  }
}

function isNext(before: Uint8Array, part: Uint8Array): boolean {
  return part.buffer === before.buffer && part.byteOffset === before.byteOffset + before.length;
}

type Reader = Pick<Connection, 'onData' | 'readInto'>;

/** The `onread` option, which must exist before the connection that it feeds. */
function onread(reader: () => Reader): {
  buffer: () => Uint8Array;
  callback: (bytes: number, buffer: Uint8Array) => boolean;
} {
  const own = Buffer.allocUnsafeSlow(readBytes);
  return {
    buffer: () => reader().readInto() ?? own,
    callback: (bytes, buffer) => {
      reader().onData(buffer.subarray(0, bytes));
      return true;
    },
  };
}

const nobody: Reader = { onData: () => undefined, readInto: () => undefined };

function connectTo(address: Address, deadlineMs: number): Promise<Connection> {
  return new Promise((resolve, reject) => {
    let connection: SocketConnection | undefined;
    const socket = connect({
      ...(address.kind === 'unix' ? { path: address.path } : address),
      onread: onread(() => connection ?? nobody),
    });
    const timer = setTimeout(() => socket.destroy(new Error('no answer in time')), deadlineMs);
    const onError = (error: Error): void => {
      clearTimeout(timer);
      const detail = `cannot connect to ${nameOf(address)}: ${error.message}`;
      reject(new CoreError('UNAVAILABLE', detail, { cause: error }));
    };
    socket.once('error', onError);
    socket.once('connect', () => {
      clearTimeout(timer);
      connection = new SocketConnection(socket);
      socket.off('error', onError);
      tune(socket, address);
      resolve(connection);
    });
  });
}

async function listenOn(
  address: Address,
  onConnection: (connection: Connection) => void,
): Promise<Listener> {
  if (address.kind === 'unix') await freePath(address.path);
  const server = createServer({ pauseOnConnect: true }, (accepted) => {
    let connection: SocketConnection | undefined;
    const socket = withOnread(accepted, () => connection ?? nobody);
    tune(socket, address);
    connection = new SocketConnection(socket);
    onConnection(connection);
  });
  await listening(server, address);
  server.on('error', () => undefined); // a failed accept (EMFILE): that peer tries again
  if (address.kind === 'unix') await chmod(address.path, 0o600);
  return {
    address: address.kind === 'unix' ? address : boundTo(server),
    // Connections outlive their listener: they belong to whoever got them.
    close: async () => void server.close(),
  };
}

/** An accepted socket has no `onread` option; the same handle in a socket of our own has. */
function withOnread(accepted: Socket, reader: () => Reader): Socket {
  const handle: unknown = Reflect.get(accepted, '_handle');
  Reflect.set(accepted, '_handle', null);
  accepted.destroy(); // leaves the handle alone and takes it off the server's count
  const options = { handle, readable: true, writable: true, onread: onread(reader) };
  return new Socket(options);
}

function tune(socket: Socket, address: Address): void {
  if (address.kind === 'unix') return;
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 10_000);
}

function listening(server: Server, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.kind === 'unix' ? { path: address.path } : address, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function boundTo(server: Server): Address {
  const { address, port } = server.address() as AddressInfo;
  return { kind: 'tcp', host: address, port };
}

/** Removes a socket file that nobody listens on. @throws CoreError INVALID_ARGUMENT, BUSY */
async function freePath(path: string): Promise<void> {
  if (Buffer.byteLength(path) > unixPathBytesMax) {
    const detail = `${path} is longer than the ${unixPathBytesMax} bytes of a unix socket path`;
    throw new CoreError('INVALID_ARGUMENT', detail);
  }
  const taken = await connectTo({ kind: 'unix', path }, 1_000).catch(() => undefined);
  taken?.destroy();
  if (taken !== undefined) throw new CoreError('BUSY', `another process listens on ${path}`);
  await unlink(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

function nameOf(address: Address): string {
  return address.kind === 'unix' ? address.path : `${address.host}:${address.port}`;
}
