// /v1/users: list, add, remove identities. Secret keys leave the system once, in the answer to `add`.

import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import { CoreError } from '../../core/base/errors.ts';
import type { IdentityStore } from '../../core/model/identities/types.ts';
import { userSchema } from '../config.ts';

export function userRoutes(identities: IdentityStore): (server: FastifyInstance) => Promise<void> {
  return async (server) => {
    server.get('/', async () => ({ users: await identities.list() }));
    server.post('/', async (request, reply) => {
      const body = userSchema.safeParse(request.body);
      if (!body.success) throw new CoreError('INVALID_ARGUMENT', z.prettifyError(body.error));
      const { name, id, displayName, accessKey, secretKey } = await identities.add(body.data);
      return reply.code(201).send({ name, id, displayName, accessKey, secretKey });
    });
    server.delete('/:name', async (request, reply) => {
      await identities.remove((request.params as { name: string }).name);
      return reply.code(204).send();
    });
  };
}
