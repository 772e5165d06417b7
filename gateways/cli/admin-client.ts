// How the command line reaches a running system: the admin API, with the operator token that the launcher
// left in DIR/run/operator.json (readable by its user only).

import { request } from 'node:http';
import { CoreError, type ErrorName, errorTable } from '../../core/base/errors.ts';
import { readFileIfAny } from '../launcher/files.ts';
import { operatorFile } from '../launcher/paths.ts';

export interface AdminClient {
  /** The answer's JSON; undefined when it has no body. @throws CoreError the server's, or UNAVAILABLE when
   *  nothing listens: the system stopped, or was killed and left its files */
  call(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<unknown>;
}

/** undefined when nothing was left by a launcher: the system is stopped.
 *  @throws CoreError ACCESS_DENIED when another user's system runs there */
export function adminClient(dataDir: string): AdminClient | undefined {
  const text = readOperatorFile(dataDir);
  if (text === undefined) return undefined;
  const { admin, token } = JSON.parse(text) as { admin: string; token: string };
  return { call: (method, path, body) => call(new URL(path, admin), method, token, body) };
}

/** @throws CoreError UNAVAILABLE when no system runs on the directory */
export function needAdminClient(dataDir: string): AdminClient {
  const client = adminClient(dataDir);
  if (client === undefined) throw notRunning(dataDir);
  return {
    async call(method, path, body) {
      try {
        return await client.call(method, path, body);
      } catch (error) {
        throw isRefused(error) ? notRunning(dataDir) : error;
      }
    },
  };
}

function notRunning(dataDir: string): CoreError {
  return new CoreError(
    'UNAVAILABLE',
    `no system runs on ${dataDir}: start it with \`lampyr start --data ${dataDir}\`, or name another --data`,
  );
}

/** True when the error says that nobody listens where the launcher did. */
export function isRefused(error: unknown): boolean {
  const cause = (error as { cause?: { code?: unknown } }).cause;
  return cause?.code === 'ECONNREFUSED';
}

function readOperatorFile(dataDir: string): string | undefined {
  try {
    return readFileIfAny(operatorFile(dataDir));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined;
    throw new CoreError(
      'ACCESS_DENIED',
      `cannot read ${operatorFile(dataDir)}: run this as the user who started the system`,
      { cause: error },
    );
  }
}

function call(url: URL, method: string, token: string, body?: object): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? '' : JSON.stringify(body);
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      'content-length': Buffer.byteLength(text),
    };
    const sent = request(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const answer = Buffer.concat(chunks).toString();
        const status = response.statusCode ?? 0;
        if (status >= 400) reject(serverError(status, answer));
        else resolve(answer === '' ? undefined : JSON.parse(answer));
      });
    });
    sent.on('error', (cause) =>
      reject(new CoreError('UNAVAILABLE', `${url.origin}: ${cause.message}`, { cause })),
    );
    sent.end(text);
  });
}

function serverError(status: number, answer: string): CoreError {
  try {
    const { error } = JSON.parse(answer) as { error: { code: string; message: string } };
    const name = error.code in errorTable ? (error.code as ErrorName) : 'INTERNAL';
    return new CoreError(name, error.message);
  } catch {
    return new CoreError('PROTOCOL', `the admin API answered ${status}: ${answer.slice(0, 200)}`);
  }
}
