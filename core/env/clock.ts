// Time as a dependency. Cores get `nowMs` as a parameter; only drivers hold a Clock.

export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds with a fraction; stands still while the machine is suspended. */
  now(): number;
  /** Milliseconds since 1970 by the wall clock; may jump. For timestamps that people see, never for leases. */
  wallMs(): number;
  /** Runs `callback` once after `delayMs`; does not keep the process alive by itself. */
  after(delayMs: number, callback: () => void): Timer;
}
