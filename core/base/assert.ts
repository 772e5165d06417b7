// Assertions for programmer errors. They stay on in production: a violated invariant must stop the
// process before it can write a wrong byte. Expected failures are CoreErrors, never assertions.

export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** @throws AssertionError when `condition` is false: a bug in Lampyr, never bad input. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Marks a branch that the type system proves unreachable. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}
