// The calls that a process answers. `register` is the only way in; whoever may call what is decided here
// and nowhere else (default deny, P6).

import { assert } from '../base/assert.ts';
import { CoreError } from '../base/errors.ts';
import type {
  Call,
  CallContext,
  Capability,
  Handler,
  HandlerAnswer,
  HandlerOptions,
  RpcRegistry,
} from './call.ts';

/** What a token of each capability may call. */
const carried: Readonly<Record<Capability, readonly Capability[]>> = {
  read: ['read'],
  write: ['read', 'write'],
  store: ['read', 'store'],
  operator: ['read', 'write', 'store', 'operator'],
};

/** A call with its handler, types erased at this one border: register() takes them as a matching pair. */
export interface RegisteredCall {
  readonly call: Call<object, object>;
  readonly handler: Handler<object, object>;
  readonly borrowsPayload: boolean;
}

export class CallTable implements RpcRegistry {
  private readonly calls = new Map<number, RegisteredCall>();

  register<Request extends object, Response extends object>(
    call: Call<Request, Response>,
    handler: Handler<Request, Response>,
    { borrowsPayload = false }: HandlerOptions = {},
  ): void {
    assert(call.id > 0 && call.id <= 0xffff, `call id ${call.id} of ${call.name}`);
    assert(!this.calls.has(call.id), `call ${call.id} (${call.name}) is registered twice`);
    this.calls.set(call.id, { call, handler, borrowsPayload } as unknown as RegisteredCall);
  }

  /** Whether a payload of the call may come from memory that is used again. */
  borrowsPayload(id: number): boolean {
    return this.calls.get(id)?.borrowsPayload === true;
  }

  /** @throws CoreError NOT_IMPLEMENTED, ACCESS_DENIED */
  admitted(id: number, capability: Capability): RegisteredCall {
    const found = this.calls.get(id);
    if (found === undefined)
      throw new CoreError('NOT_IMPLEMENTED', `this process does not answer call ${id}`);
    if (!carried[capability].includes(found.call.capability)) {
      const { name, capability: needed } = found.call;
      throw new CoreError(
        'ACCESS_DENIED',
        `${name} needs ${needed}, the token carries ${capability}`,
      );
    }
    return found;
  }
}

/** Runs a handler on encoded input. @throws CoreError */
export async function execute(
  { call, handler }: RegisteredCall,
  control: Uint8Array,
  payload: Uint8Array,
  context: CallContext,
): Promise<HandlerAnswer<object>> {
  return await handler(call.request.decode(control), payload, context);
}
