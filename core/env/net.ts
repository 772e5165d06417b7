// Byte streams between processes: unix sockets and TCP in core/env/node, a simulated network in test/sim.

export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export interface Connection {
  /** Queues the parts in order; false when the peer is slow: wait for `onDrain`. */
  write(parts: readonly Uint8Array[]): boolean;
  /** Bytes queued and not yet taken by the kernel. */
  readonly queuedBytes: number;
  /** Chunks are owned by the receiver. Set before the first turn ends, or bytes are lost. */
  onData: (chunk: Uint8Array) => void;
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
