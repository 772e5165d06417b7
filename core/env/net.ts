// Byte streams between processes: unix sockets and TCP in core/env/node, a simulated network in test/sim.

export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export interface Connection {
  /** Queues the parts in order; they must not change until the kernel has them. False when the peer is slow:
   *  wait for `onDrain`. What is written in one turn of the event loop goes out in one system call, with
   *  what the few turns after it write.
   *  @param onTaken called once, when the kernel has the parts; never when the connection ends before */
  write(parts: readonly Uint8Array[], onTaken?: () => void): boolean;
  /** Bytes queued and not yet taken by the kernel. */
  readonly queuedBytes: number;
  /** Set before the first turn ends, or bytes are lost. The bytes are valid until the callback returns:
   *  copy what outlives it. */
  onData: (bytes: Uint8Array) => void;
  /** Asked before each read: memory that the next bytes should be read into, so that a large payload is
   *  received without a copy. `onData` then gets the filled part of it. Undefined: the connection's own. */
  readInto: () => Uint8Array | undefined;
  onDrain: () => void;
  /** Called once; the error is absent after an orderly end. */
  onClose: (error?: Error) => void;
  pause(): void;
  resume(): void;
  end(): void;
  destroy(): void;
}

export interface Listener {
  readonly address: Address;
  close(): Promise<void>;
}

export interface Net {
  connect(address: Address, deadlineMs: number): Promise<Connection>;
  listen(address: Address, onConnection: (connection: Connection) => void): Promise<Listener>;
}
