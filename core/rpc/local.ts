// Calls without a wire: caller and handlers in one process (tests, the library, all roles in one process).
// The same table and the same capability check; messages are encoded and decoded, so that what works here
// works between processes.

import { Buffer } from 'node:buffer';
import { toCoreError } from '../base/errors.ts';
import { asBuffer } from '../base/bytes.ts';
import type { Answer, Call, CallOptions, Capability, RpcClient } from './call.ts';
import { execute } from './call-table.ts';
import type { CallTable } from './call-table.ts';

export function localClient(calls: CallTable, capability: Capability, role: string): RpcClient {
  return {
    async call<Request extends object, Response extends object>(
      call: Call<Request, Response>,
      request: Request,
      options: CallOptions = {},
    ): Promise<Answer<Response>> {
      const registered = calls.admitted(call.id, capability);
      const control = call.request.encode(request);
      const context = { capability, peer: role };
      try {
        const answer = await execute(registered, control, joined(options.payload), context);
        const response = call.response.decode(call.response.encode(answer.response as Response));
        return { response, payload: joined(answer.payload) };
      } catch (error) {
        throw toCoreError(error);
      }
    },
  };
}

/** Always a copy: the other side owns what it gets. */
function joined(parts: readonly Uint8Array[] = []): Buffer {
  return Buffer.concat(parts.map((part) => asBuffer(part)));
}
