// The admin API, in the launcher's process: health, readiness and metrics for machines (open), status, check
// and users for the operator (token of DIR/run/operator.json, or the root's keys by HTTP Basic). Answers are
// JSON; failures are {"error": {"code", "message"}} with the code of the core's error table.

import { type FastifyError, type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import { CoreError, toCoreError } from '../../core/base/errors.ts';
import type { Events } from '../../core/env/events.ts';
import { mergeMetrics } from '../roles/metrics.ts';
import type { RootIdentity } from '../roles/role.ts';
import { operatorCheck } from './auth.ts';
import { httpStatus } from './errors.ts';
import type { CoreOperator } from './operator.ts';
import { userRoutes } from './users.ts';

export interface AdminOptions {
  readonly host: string;
  readonly port: number;
  readonly events: Events;
  readonly operatorToken: string;
  readonly root: Pick<RootIdentity, 'accessKey' | 'secretKey'>;
  readonly core: CoreOperator;
  readonly roles: () => readonly RoleState[];
  readonly status: () => Promise<object>;
  /** Prometheus texts of all processes. */
  readonly metrics: () => Promise<readonly string[]>;
}

interface RoleState {
  readonly role: string;
  /** Which one of several; the role when absent. */
  readonly name?: string;
  readonly state: string;
}

export interface AdminServer {
  readonly url: string;
  close(): Promise<void>;
}

/** Requests are small: a name, some keys. */
const bodyBytesMax = 64 * 1024;

/** @throws Error with code EADDRINUSE and others of listen(2) */
export async function startAdmin(options: AdminOptions): Promise<AdminServer> {
  const server = fastify({
    logger: false,
    bodyLimit: bodyBytesMax,
    forceCloseConnections: true,
    return503OnClosing: false,
  });
  server.setErrorHandler((error, _request, reply) => sendError(reply, error, options.events));
  server.setNotFoundHandler((request, reply) =>
    reply.code(404).send(errorBody('NOT_IMPLEMENTED', `no ${request.method} ${request.url} here`)),
  );
  openRoutes(server, options);
  await server.register((scope) => operatorRoutes(scope, options));
  const url = await server.listen({ host: options.host, port: options.port });
  return { url, close: () => server.close() };
}

function openRoutes(server: FastifyInstance, options: AdminOptions): void {
  server.get('/healthz', () => ({ status: 'ok' }));
  server.get('/readyz', (_request, reply) => {
    const states = options.roles();
    const roles = states.map(({ role, name = role, state }) => ({ role: name, state }));
    const ready = isReady(states);
    return reply.code(ready ? 200 : 503).send({ ready, roles });
  });
  server.get('/metrics', async (_request, reply) =>
    reply
      .type('text/plain; version=0.0.4; charset=utf-8')
      .send(mergeMetrics(await options.metrics())),
  );
}

/** Every role serves; of several stores one is enough, since chains go on with it. */
function isReady(roles: readonly RoleState[]): boolean {
  const serves = ({ state }: RoleState): boolean => state === 'SERVING';
  const stores = roles.filter(({ role }) => role === 'store');
  const others = roles.filter(({ role }) => role !== 'store');
  return others.length > 0 && others.every(serves) && (stores.length === 0 || stores.some(serves));
}

async function operatorRoutes(server: FastifyInstance, options: AdminOptions): Promise<void> {
  const allowed = operatorCheck(options.operatorToken, options.root);
  server.addHook('onRequest', (request, reply, done) => {
    if (allowed(request.headers.authorization)) {
      done();
      return;
    }
    void reply.header('www-authenticate', 'Basic realm="lampyr", Bearer');
    void reply
      .code(401)
      .send(
        errorBody('ACCESS_DENIED', 'needs the operator token or the root access and secret key'),
      );
  });
  server.get('/v1/status', () => options.status());
  server.post('/v1/fsck', (request, reply) => {
    const { scrub } = request.query as { readonly scrub?: string };
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    return options.core.fsck({ scrub: scrub === 'true', signal: gone.signal });
  });
  await server.register(userRoutes(options.core.identities), { prefix: '/v1/users' });
}

function sendError(reply: FastifyReply, error: unknown, events: Events): FastifyReply {
  const status = (error as FastifyError).statusCode;
  // fastify's own refusals: malformed JSON, a body over the limit, an unknown content type.
  if (status !== undefined && status < 500)
    return reply.code(status).send(errorBody('INVALID_ARGUMENT', (error as Error).message));
  const known = error instanceof CoreError ? error : toCoreError(error);
  if (known.errorName === 'INTERNAL')
    events.emit('bug', 'admin-failed', { reason: known.message, stack: (error as Error).stack });
  return reply.code(httpStatus[known.errorName]).send(errorBody(known.errorName, known.message));
}

function errorBody(code: string, message: string): { error: { code: string; message: string } } {
  return { error: { code, message } };
}
