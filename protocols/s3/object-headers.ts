// What request headers say about an object beside its bytes, and the headers of an answer that describe it.
// Values pass through unchanged: Node gives header bytes as latin1 strings and writes them back as such, so
// that metadata in UTF-8, in latin1 or RFC 2047 encoded comes back byte for byte as it was sent.

import { limits } from '../../core/base/limits.ts';
import { S3Error, invalidArgument, notImplemented } from './errors.ts';
import type { HeaderSource } from './conditions.ts';
import { quotedETag } from './conditions.ts';
import { httpDate } from './http-date.ts';

/** Stored and returned verbatim; a name that was not sent is absent. */
export interface ContentHeaders {
  contentType?: string;
  contentEncoding?: string;
  contentLanguage?: string;
  contentDisposition?: string;
  cacheControl?: string;
  expires?: string;
  websiteRedirect?: string;
}

type UserMetadata = (readonly [name: string, value: string])[];

export interface RequestHeaders extends HeaderSource {
  /** Lower-case names, each once. */
  headerNames(): Iterable<string>;
}

const metadataPrefix = 'x-amz-meta-';

/** Content-Type of an object that was stored without one. */
export const defaultContentType = 'binary/octet-stream';

export function contentHeaders(request: HeaderSource): ContentHeaders {
  const found: ContentHeaders = {};
  const type = request.header('content-type');
  if (type !== undefined && type !== '') found.contentType = type;
  const encoding = request.header('content-encoding');
  if (encoding !== undefined) {
    const stored = withoutAwsChunked(encoding);
    if (stored !== '') found.contentEncoding = stored;
  }
  const language = request.header('content-language');
  if (language !== undefined) found.contentLanguage = language;
  const disposition = request.header('content-disposition');
  if (disposition !== undefined) found.contentDisposition = disposition;
  const cacheControl = request.header('cache-control');
  if (cacheControl !== undefined) found.cacheControl = cacheControl;
  const expires = request.header('expires');
  if (expires !== undefined) found.expires = expires;
  const redirect = request.header('x-amz-website-redirect-location');
  if (redirect !== undefined) found.websiteRedirect = checkRedirect(redirect);
  return found;
}

/** `aws-chunked` is the framing of the request, not an encoding of the object: it goes, wherever it stands
 *  and however often. What else was sent stays as it was. */
function withoutAwsChunked(encoding: string): string {
  if (!/aws-chunked/i.test(encoding)) return encoding;
  const kept = encoding.split(',').filter((name) => name.trim().toLowerCase() !== 'aws-chunked');
  return kept.join(',').trim();
}

function checkRedirect(location: string): string {
  if (/^(?:\/|https?:\/\/)/.test(location) && location.length <= limits.userMetadataBytesMax)
    return location;
  throw invalidArgument(
    'x-amz-website-redirect-location',
    location,
    'The website redirect location must have a prefix of http://, https:// or /.',
  );
}

/** @throws S3Error MetadataTooLarge */
export function userMetadata(request: RequestHeaders): UserMetadata {
  const found: UserMetadata = [];
  let bytes = 0;
  for (const header of request.headerNames()) {
    if (!header.startsWith(metadataPrefix)) continue;
    const name = header.slice(metadataPrefix.length);
    const value = request.header(header) ?? '';
    bytes += name.length + value.length;
    found.push([name, value]);
  }
  if (bytes > limits.userMetadataBytesMax) {
    throw new S3Error('MetadataTooLarge', undefined, {
      Size: String(bytes),
      MaxSizeAllowed: String(limits.userMetadataBytesMax),
    });
  }
  return found;
}

const storageClasses: ReadonlySet<string> = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'OUTPOSTS',
  'GLACIER_IR',
  'SNOW',
  'EXPRESS_ONEZONE',
]);

/** The class is stored and shown; all have the same durability and speed. @throws S3Error InvalidStorageClass */
export function storageClass(request: HeaderSource): string | undefined {
  const name = request.header('x-amz-storage-class');
  if (name !== undefined && !storageClasses.has(name)) throw new S3Error('InvalidStorageClass');
  return name;
}

/** Headers that ask for what is not offered; ignoring one would be a success that does less than asked. */
const unsupported: readonly (readonly [prefix: string, feature: string])[] = [
  ['x-amz-server-side-encryption', 'Server-side encryption'],
  ['x-amz-copy-source-server-side-encryption', 'Server-side encryption'],
  ['x-amz-object-lock-', 'Object lock'],
  ['x-amz-grant-', 'Granting by ACL headers'],
  ['x-amz-write-offset-bytes', 'Appending to an object'],
];

/** Canned ACLs that are taken. Objects are private to their owner; `public-read` grants nothing more (GetObjectAcl
 *  says so) and is taken because clients send it by habit. */
const takenAcls: ReadonlySet<string> = new Set([
  'private',
  'public-read',
  'bucket-owner-read',
  'bucket-owner-full-control',
]);
const otherAcls: ReadonlySet<string> = new Set([
  'public-read-write',
  'authenticated-read',
  'aws-exec-read',
  'log-delivery-write',
]);

/** @throws S3Error NotImplemented, InvalidArgument */
export function refuseUnsupported(request: RequestHeaders): void {
  for (const name of request.headerNames()) {
    if (!name.startsWith('x-amz-') || name.startsWith(metadataPrefix)) continue;
    for (const [prefix, feature] of unsupported)
      if (name.startsWith(prefix)) throw notImplemented(feature);
    if (name === 'x-amz-acl') checkAcl(request.header(name) ?? '');
    if (name === 'x-amz-object-ownership') checkOwnership(request.header(name) ?? '');
    if (name === 'x-amz-bucket-object-lock-enabled' && request.header(name) !== 'false')
      throw notImplemented('Object lock');
  }
}

function checkAcl(acl: string): void {
  if (takenAcls.has(acl)) return;
  if (otherAcls.has(acl)) throw notImplemented(`The canned ACL ${acl}`);
  throw invalidArgument('x-amz-acl', acl, 'The canned ACL is not known.');
}

/** The bucket's owner owns every object: the others grant by ACL. */
function checkOwnership(ownership: string): void {
  if (ownership === 'BucketOwnerEnforced') return;
  if (ownership === 'BucketOwnerPreferred' || ownership === 'ObjectWriter')
    throw notImplemented(`The object ownership ${ownership}`);
  throw invalidArgument('x-amz-object-ownership', ownership, 'The object ownership is not known.');
}

/** What the headers of an answer show of an object. */
export interface ShownObject {
  readonly headers: Readonly<ContentHeaders>;
  readonly userMetadata: readonly (readonly [name: string, value: string])[];
  readonly tags: readonly unknown[];
  readonly storageClass: string;
  readonly versionId: string;
  readonly etag: string;
  readonly lastModifiedMs: number;
}

/** ETag and Last-Modified: what a 304 must repeat, too (RFC 9110 section 15.4.5). Names and values in turn. */
export function validatorHeaders(object: ShownObject): string[] {
  const out = ['ETag', quotedETag(object.etag), 'Last-Modified', httpDate(object.lastModifiedMs)];
  if (object.headers.cacheControl !== undefined)
    out.push('Cache-Control', object.headers.cacheControl);
  if (object.headers.expires !== undefined) out.push('Expires', object.headers.expires);
  return out;
}

/** Headers of GetObject and HeadObject but for length, range and checksum. Names and values in turn. */
export function objectHeaders(
  object: ShownObject,
  overrides: HeaderOverrides | undefined,
): string[] {
  const { headers } = object;
  const out = [
    'Content-Type',
    overrides?.contentType ?? headers.contentType ?? defaultContentType,
    'ETag',
    quotedETag(object.etag),
    'Last-Modified',
    httpDate(object.lastModifiedMs),
    'Accept-Ranges',
    'bytes',
  ];
  const add = (name: string, value: string | undefined): void => {
    if (value !== undefined) out.push(name, value);
  };
  add('Cache-Control', overrides?.cacheControl ?? headers.cacheControl);
  add('Expires', overrides?.expires ?? headers.expires);
  add('Content-Encoding', overrides?.contentEncoding ?? headers.contentEncoding);
  add('Content-Language', overrides?.contentLanguage ?? headers.contentLanguage);
  add('Content-Disposition', overrides?.contentDisposition ?? headers.contentDisposition);
  add('x-amz-website-redirect-location', headers.websiteRedirect);
  if (object.storageClass !== 'STANDARD') out.push('x-amz-storage-class', object.storageClass);
  if (object.tags.length > 0) out.push('x-amz-tagging-count', String(object.tags.length));
  // Buckets without versioning answer without a version, though the only one is called `null`.
  if (object.versionId !== 'null') out.push('x-amz-version-id', object.versionId);
  for (const [name, value] of object.userMetadata) out.push(metadataPrefix + name, value);
  return out;
}

export type HeaderOverrides = Omit<ContentHeaders, 'websiteRedirect'>;

const overrideNames: Readonly<Record<string, keyof HeaderOverrides>> = {
  'response-cache-control': 'cacheControl',
  'response-content-disposition': 'contentDisposition',
  'response-content-encoding': 'contentEncoding',
  'response-content-language': 'contentLanguage',
  'response-content-type': 'contentType',
  'response-expires': 'expires',
};

// oxlint-disable-next-line no-control-regex -- header values must not hold them
const control = /[\u0000-\u0008\u000a-\u001f\u007f]/;

/** `response-*` of the query. Only signed requests come this far, so none can be forged onto a link.
 *  @throws S3Error InvalidArgument for a value that no header can hold */
export function headerOverrides(
  query: readonly { readonly name: string; readonly value: string }[],
): HeaderOverrides | undefined {
  let found: HeaderOverrides | undefined;
  for (const { name, value } of query) {
    // A name of every object (`constructor`) is none of ours.
    const field = Object.hasOwn(overrideNames, name) ? overrideNames[name] : undefined;
    if (field === undefined) continue;
    if (control.test(value))
      throw invalidArgument(name, value, 'Control characters are not allowed in a header.');
    found = { ...found, [field]: Buffer.from(value, 'utf8').toString('latin1') };
  }
  return found;
}
