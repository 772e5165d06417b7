// The one table of core errors. Codes are stable: they travel in RPC answers and appear in logs and in
// docs/operations/errors.md. Every gateway maps every code to its own protocol in a total table
// (`satisfies Record<ErrorName, …>`), so a new code does not compile until each door has an answer.

/** What a caller may do after the error: nothing, ask the same node again, or refresh routing first. */
export type RetryClass = 'no' | 'same-node' | 'refresh-routing';

interface ErrorRow {
  readonly code: number;
  readonly retry: RetryClass;
  readonly meaning: string;
}

// 1xxx general · 2xxx chunk store · 3xxx metadata and namespace · 4xxx rpc, sessions, capability
export const errorTable = {
  INTERNAL: { code: 1000, retry: 'no', meaning: 'a bug: an unexpected exception reached the edge' },
  INVALID_ARGUMENT: { code: 1001, retry: 'no', meaning: 'a request field is outside its limits' },
  LIMIT_EXCEEDED: { code: 1002, retry: 'no', meaning: 'a named limit does not admit the request' },
  BUSY: { code: 1003, retry: 'same-node', meaning: 'a bounded queue is full; try again later' },
  CANCELLED: { code: 1004, retry: 'no', meaning: 'the caller gave the operation up' },
  NOT_IMPLEMENTED: { code: 1005, retry: 'no', meaning: 'the operation is not offered' },

  CHUNK_NOT_FOUND: { code: 2000, retry: 'no', meaning: 'no such chunk on the target' },
  CORRUPT: { code: 2001, retry: 'no', meaning: 'stored bytes do not match their checksum' },
  DISK_OFFLINE: {
    code: 2002,
    retry: 'refresh-routing',
    meaning: 'the disk failed a sync or a write and serves no more',
  },
  DISK_FULL: {
    code: 2003,
    retry: 'no',
    meaning: 'the watermark refuses new data; reads and deletes go on',
  },
  DISK_REFUSED: {
    code: 2004,
    retry: 'no',
    meaning: 'the disk or data directory may not be used as it is',
  },
  CHECKSUM_MISMATCH: {
    code: 2005,
    retry: 'no',
    meaning: 'bytes in transit do not match the checksum that came with them',
  },
  CHUNK_SEALED: { code: 2006, retry: 'no', meaning: 'the chunk is sealed and refuses writes' },
  CHUNK_VERSION_MISMATCH: {
    code: 2007,
    retry: 'no',
    meaning: 'the update does not follow the stored version',
  },

  CONFLICT: {
    code: 3000,
    retry: 'same-node',
    meaning: 'a concurrent transaction won; run it again',
  },
  COMMIT_UNKNOWN: {
    code: 3001,
    retry: 'same-node',
    meaning: 'the transaction may or may not have committed',
  },
  TRANSACTION_TOO_LARGE: {
    code: 3002,
    retry: 'no',
    meaning: 'a transaction exceeds the limits of MetaStore',
  },
  TRANSACTION_TOO_OLD: {
    code: 3003,
    retry: 'same-node',
    meaning: 'a transaction ran longer than 5 s',
  },
  BUCKET_NOT_FOUND: { code: 3100, retry: 'no', meaning: 'no such bucket' },
  BUCKET_EXISTS: { code: 3101, retry: 'no', meaning: 'the bucket name is taken by another owner' },
  BUCKET_OWNED_BY_YOU: { code: 3102, retry: 'no', meaning: 'the caller already owns the bucket' },
  BUCKET_NOT_EMPTY: { code: 3103, retry: 'no', meaning: 'the bucket still holds objects' },
  TOO_MANY_BUCKETS: {
    code: 3104,
    retry: 'no',
    meaning: 'the owner has as many buckets as allowed',
  },
  KEY_NOT_FOUND: { code: 3110, retry: 'no', meaning: 'no such object' },
  VERSION_NOT_FOUND: { code: 3111, retry: 'no', meaning: 'no such version of the object' },
  DELETE_MARKER: { code: 3112, retry: 'no', meaning: 'the named version is a delete marker' },
  UPLOAD_NOT_FOUND: { code: 3120, retry: 'no', meaning: 'no such multipart upload' },
  PART_INVALID: {
    code: 3121,
    retry: 'no',
    meaning: 'a named part is missing or its ETag or checksum differs',
  },
  PART_ORDER_INVALID: { code: 3122, retry: 'no', meaning: 'the parts are not in ascending order' },
  PART_TOO_SMALL: {
    code: 3123,
    retry: 'no',
    meaning: 'a part other than the last is under the minimum',
  },
  UPLOAD_SIZE_MISMATCH: {
    code: 3124,
    retry: 'no',
    meaning: 'the stated object size differs from the sum of the parts',
  },
  PART_NUMBER_INVALID: {
    code: 3125,
    retry: 'no',
    meaning: 'the object has no part of that number',
  },
  CONDITION_FAILED: {
    code: 3130,
    retry: 'no',
    meaning: 'a condition of the request does not hold',
  },
  CONDITION_CONFLICT: {
    code: 3131,
    retry: 'no',
    meaning: 'a concurrent write decided the condition; start over',
  },
  NOT_MODIFIED: {
    code: 3132,
    retry: 'no',
    meaning: 'a read condition says the caller already has it',
  },
  RANGE_NOT_SATISFIABLE: { code: 3140, retry: 'no', meaning: 'the range lies outside the object' },
  DIGEST_MISMATCH: {
    code: 3150,
    retry: 'no',
    meaning: 'content does not match the digest that the client stated',
  },
  BODY_INCOMPLETE: { code: 3151, retry: 'no', meaning: 'the body ended before its stated length' },
  NO_TAGS: { code: 3160, retry: 'no', meaning: 'no tag set is stored' },
  IDENTITY_EXISTS: { code: 3170, retry: 'no', meaning: 'an identity of that name or key exists' },
  IDENTITY_NOT_FOUND: { code: 3171, retry: 'no', meaning: 'no such identity' },

  UNAVAILABLE: {
    code: 4000,
    retry: 'refresh-routing',
    meaning: 'the peer is not reachable or is stopping',
  },
  DEADLINE_EXCEEDED: {
    code: 4001,
    retry: 'same-node',
    meaning: 'no answer in time; the outcome is unknown',
  },
  PROTOCOL: {
    code: 4002,
    retry: 'no',
    meaning: 'the peer sent what the RPC protocol does not allow',
  },
  ACCESS_DENIED: { code: 4003, retry: 'no', meaning: 'the token or identity may not do this' },
  SESSION_ENDED: {
    code: 4004,
    retry: 'no',
    meaning: 'the writer session was ended; its work is fenced',
  },
  VERSION_UNSUPPORTED: {
    code: 4005,
    retry: 'no',
    meaning: 'format or protocol version is newer than this build',
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorName = keyof typeof errorTable;

const nameByCode = new Map<number, ErrorName>(
  (Object.keys(errorTable) as ErrorName[]).map((name) => [errorTable[name].code, name]),
);

/** An expected failure. `detail` is for people and never holds a secret or object content. */
export class CoreError extends Error {
  override readonly name = 'CoreError';
  readonly errorName: ErrorName;

  constructor(errorName: ErrorName, detail: string, options?: { cause?: unknown }) {
    super(detail, options);
    this.errorName = errorName;
  }

  get code(): number {
    return errorTable[this.errorName].code;
  }

  get retry(): RetryClass {
    return errorTable[this.errorName].retry;
  }
}

/** Name of a code received from a peer; INTERNAL when this build does not know it. */
export function errorNameOf(code: number): ErrorName {
  return nameByCode.get(code) ?? 'INTERNAL';
}

export function isCoreError(error: unknown, name?: ErrorName): error is CoreError {
  return error instanceof CoreError && (name === undefined || error.errorName === name);
}

/** Wraps anything thrown into a CoreError, so that edges handle one type. */
export function toCoreError(error: unknown): CoreError {
  if (error instanceof CoreError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new CoreError('INTERNAL', detail, { cause: error });
}
