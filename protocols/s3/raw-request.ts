// The request as it was sent: raw target and raw headers, never a parsed or normalised URL, because the
// signature covers what was sent (dots, double slashes and escapes included). Decodes the query once and
// gives headers by lower-case name with their duplicates. Pure; holds strings of the caller.
//
// Node hands over request targets and header values as latin1 strings, one character a byte. Bytes above
// 0x7f in a target are escaped here (HTTP forbids them, some clients send them), so that a raw path or
// query is always ASCII; header values stay latin1, and signatures hash them as such.

import { err, ok, type Result } from '../../core/base/result.ts';
import { S3Error } from './errors.ts';

export interface QueryPair {
  readonly name: string;
  /** '' for a name without `=`. */
  readonly value: string;
}

/** Headers whose repetition makes a request ambiguous: two readers could follow different ones. */
const singleHeaders: ReadonlySet<string> = new Set([
  'authorization',
  'content-length',
  'content-md5',
  'host',
  'x-amz-content-sha256',
  'x-amz-date',
  'x-amz-decoded-content-length',
  'x-amz-sdk-checksum-algorithm',
  'x-amz-security-token',
]);

export class RawRequest {
  readonly method: string;
  /** From the first `/` up to `?`, exactly as sent. */
  readonly rawPath: string;
  /** After the first `?`, exactly as sent; '' without one. */
  readonly rawQuery: string;
  /** Decoded, in the order sent. */
  readonly query: readonly QueryPair[];
  private readonly headers: ReadonlyMap<string, readonly string[]>;

  constructor(
    method: string,
    target: { readonly rawPath: string; readonly rawQuery: string },
    query: readonly QueryPair[],
    headers: ReadonlyMap<string, readonly string[]>,
  ) {
    this.method = method;
    this.rawPath = target.rawPath;
    this.rawQuery = target.rawQuery;
    this.query = query;
    this.headers = headers;
  }

  /** Value of a header by lower-case name; repeated ones joined by `,` in the order sent. */
  header(name: string): string | undefined {
    const values = this.headers.get(name);
    return values === undefined || values.length === 1 ? values?.[0] : values.join(',');
  }

  headerValues(name: string): readonly string[] {
    return this.headers.get(name) ?? [];
  }

  /** Lower-case names, each once. */
  headerNames(): IterableIterator<string> {
    return this.headers.keys();
  }

  /** The first value of a query parameter; names are case-sensitive. */
  queryFirst(name: string): string | undefined {
    for (const pair of this.query) if (pair.name === name) return pair.value;
    return undefined;
  }

  queryAll(name: string): string[] {
    return this.query.filter((pair) => pair.name === name).map((pair) => pair.value);
  }

  hasQuery(name: string): boolean {
    return this.queryFirst(name) !== undefined;
  }
}

/**
 * @param rawTarget request target of the request line (`req.url`): origin-form or absolute-form.
 * @param rawHeaders names and values in turn (`req.rawHeaders`), values without surrounding blanks.
 * @returns InvalidURI for a target or an escape that cannot be parsed, InvalidRequest for ambiguous headers.
 */
export function parseRawTarget(
  method: string,
  rawTarget: string,
  rawHeaders: readonly string[],
): Result<RawRequest, S3Error> {
  const headers = new Map<string, string[]>();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase();
    const value = rawHeaders[at + 1] as string;
    const known = headers.get(name);
    if (known === undefined) headers.set(name, [value]);
    else if (singleHeaders.has(name))
      return err(new S3Error('InvalidRequest', `The header ${name} must be sent only once.`));
    else known.push(value);
  }
  const split = splitTarget(rawTarget);
  if (split === undefined) return err(new S3Error('InvalidURI'));
  if (split.authority !== undefined && !sameHost(split.authority, headers.get('host')?.[0])) {
    const message = 'The host of the absolute request target differs from the Host header.';
    return err(new S3Error('InvalidRequest', message));
  }
  // The path must decode, so that every later reader of it may rely on that.
  if (decodeEscapes(split.rawPath) === undefined) return err(new S3Error('InvalidURI'));
  const query = parseQuery(split.rawQuery);
  if (query === undefined) return err(new S3Error('InvalidURI'));
  return ok(new RawRequest(method, split, query, headers));
}

/** UTF-8 text of a percent-encoded string (`+` stays); undefined for a bad escape or bytes not UTF-8. */
export function decodeEscapes(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Pairs of a raw query, decoded; `+` is a space, as in forms. Empty pieces (`a&&b`) are no pairs. */
export function parseQuery(rawQuery: string): QueryPair[] | undefined {
  const pairs: QueryPair[] = [];
  if (rawQuery === '') return pairs;
  for (const piece of rawQuery.split('&')) {
    if (piece === '') continue;
    const at = piece.indexOf('=');
    const name = decodeFormText(at < 0 ? piece : piece.slice(0, at));
    const value = at < 0 ? '' : decodeFormText(piece.slice(at + 1));
    if (name === undefined || value === undefined) return undefined;
    pairs.push({ name, value });
  }
  return pairs;
}

function decodeFormText(text: string): string | undefined {
  return decodeEscapes(text.includes('+') ? text.replaceAll('+', ' ') : text);
}

interface SplitTarget {
  readonly authority: string | undefined;
  readonly rawPath: string;
  readonly rawQuery: string;
}

// Control characters, blanks and `#` never belong in a target; above 0xff is no byte.
// oxlint-disable-next-line no-control-regex -- they are what is looked for
const forbidden = /[\u0000-\u0020\u007f#\u0100-\uffff]/;
const highBytes = /[\u0080-\u00ff]/g;
/** Nearly every target: a path of ASCII without any of these. */
const plain = /^\/[!"$-~]*$/;

function splitTarget(rawTarget: string): SplitTarget | undefined {
  if (plain.test(rawTarget)) return { authority: undefined, ...splitQuery(rawTarget) };
  if (forbidden.test(rawTarget)) return undefined;
  const target = rawTarget.replace(highBytes, escapeHighByte);
  if (target.startsWith('/')) return { authority: undefined, ...splitQuery(target) };
  const absolute = /^https?:\/\/([^/?]*)(.*)$/i.exec(target);
  if (absolute === null) return undefined;
  const [, authority = '', rest = ''] = absolute;
  return { authority, ...splitQuery(rest.startsWith('/') ? rest : `/${rest}`) };
}

function splitQuery(target: string): { rawPath: string; rawQuery: string } {
  const at = target.indexOf('?');
  if (at < 0) return { rawPath: target, rawQuery: '' };
  return { rawPath: target.slice(0, at), rawQuery: target.slice(at + 1) };
}

function escapeHighByte(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

function sameHost(authority: string, host: string | undefined): boolean {
  return host !== undefined && authority.toLowerCase() === host.toLowerCase();
}
