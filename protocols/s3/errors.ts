// The errors of the S3 API: code, HTTP status and default message. One table, so that a code that is not
// documented cannot be answered. Messages follow Amazon's error code list; clients look at status and code
// only, people at the message. Typed extra elements (Key, BucketName, …) go into the XML body as children.
// Source of codes and statuses: S3 API reference, "Error responses"; rows that must tests pin down say so.

interface ErrorRow {
  readonly status: number;
  readonly message: string;
}

export const s3ErrorTable = {
  // --- who calls -----------------------------------------------------------------------------------
  AccessDenied: { status: 403, message: 'Access Denied' },
  AuthorizationHeaderMalformed: {
    status: 400,
    message: 'The authorization header that you provided is not valid.',
  },
  AuthorizationQueryParametersError: {
    status: 400,
    message: 'The authorization query parameters that you provided are not valid.',
  },
  ExpiredToken: { status: 400, message: 'The provided token has expired.' },
  InvalidAccessKeyId: {
    status: 403,
    message: 'The AWS access key ID that you provided does not exist in our records.',
  },
  InvalidSecurity: { status: 403, message: 'The provided security credentials are not valid.' },
  InvalidToken: {
    status: 400,
    message: 'The provided token is malformed or otherwise not valid.',
  },
  MissingSecurityHeader: { status: 400, message: 'Your request is missing a required header.' },
  RequestTimeTooSkewed: {
    status: 403,
    message: "The difference between the request time and the server's time is too large.",
  },
  SignatureDoesNotMatch: {
    status: 403,
    message:
      'The request signature that the server calculated does not match the signature that you provided. Check your secret access key and signing method.',
  },
  UnauthorizedAccess: { status: 403, message: 'Access Denied' },

  // --- the request as a whole ----------------------------------------------------------------------
  BadRequest: { status: 400, message: 'The request is not valid.' },
  InvalidArgument: { status: 400, message: 'Invalid Argument' },
  InvalidHost: { status: 400, message: 'The Host header names no valid host.' },
  InvalidRequest: { status: 400, message: 'The request is not valid.' },
  InvalidURI: { status: 400, message: "Couldn't parse the specified URI." },
  KeyTooLongError: { status: 400, message: 'Your key is too long' },
  MethodNotAllowed: {
    status: 405,
    message: 'The specified method is not allowed against this resource.',
  },
  MissingContentLength: {
    status: 411,
    message: 'You must provide the Content-Length HTTP header.',
  },
  NotImplemented: {
    status: 501,
    message: 'A header or query you provided implies functionality that is not implemented.',
  },
  RequestHeaderSectionTooLarge: {
    status: 400,
    message: 'Your request header section exceeds the maximum allowed size.',
  },
  RequestTimeout: {
    status: 400,
    message:
      'Your socket connection to the server was not read from or written to within the timeout period.',
  },
  ExpectationFailed: {
    status: 417,
    message: 'The server does not support the expectation of the request.',
  },
  URITooLong: { status: 414, message: 'The request URI is too long.' },
  UserKeyMustBeSpecified: {
    status: 400,
    message:
      'The bucket POST must contain the specified field name. If it is specified, check the order of the fields.',
  },

  // --- bodies --------------------------------------------------------------------------------------
  BadDigest: {
    status: 400,
    message:
      'The Content-MD5 or checksum value that you specified did not match what the server received.',
  },
  EntityTooLarge: {
    status: 400,
    message: 'Your proposed upload exceeds the maximum allowed object size.',
  },
  EntityTooSmall: {
    status: 400,
    message: 'Your proposed upload is smaller than the minimum allowed object size.',
  },
  IncompleteBody: {
    status: 400,
    message: 'You did not provide the number of bytes specified by the Content-Length HTTP header.',
  },
  InvalidChunkSizeError: {
    status: 403,
    message: 'Only the last chunk is allowed to have a size less than 8192 bytes',
  },
  InvalidDigest: {
    status: 400,
    message: 'The Content-MD5 or checksum value that you specified is not valid.',
  },
  MalformedTrailerError: {
    status: 400,
    message:
      'The request contained trailing data that was not well-formed or did not conform to our published schema.',
  },
  MalformedXML: {
    status: 400,
    message:
      'The XML that you provided was not well formed or did not validate against our published schema.',
  },
  MaxMessageLengthExceeded: { status: 400, message: 'Your request was too large.' },
  MetadataTooLarge: {
    status: 400,
    message: 'Your metadata headers exceed the maximum allowed metadata size.',
  },
  MissingRequestBodyError: { status: 400, message: 'Request body is empty.' },
  XAmzContentChecksumMismatch: {
    status: 400,
    message: 'The provided checksum does not match what was computed.',
  },
  XAmzContentSHA256Mismatch: {
    status: 400,
    message: "The provided 'x-amz-content-sha256' header does not match what was computed.",
  },

  // --- buckets -------------------------------------------------------------------------------------
  AccessControlListNotSupported: { status: 400, message: 'The bucket does not allow ACLs' },
  AccessForbidden: {
    status: 403,
    message: 'CORSResponse: CORS is not enabled for this bucket.',
  },
  BucketAlreadyExists: {
    status: 409,
    message:
      'The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again.',
  },
  BucketAlreadyOwnedByYou: {
    status: 409,
    message: 'Your previous request to create the named bucket succeeded and you already own it.',
  },
  BucketNotEmpty: { status: 409, message: 'The bucket you tried to delete is not empty' },
  IllegalVersioningConfigurationException: {
    status: 400,
    message: 'The Versioning element must be specified',
  },
  IllegalLocationConstraintException: {
    status: 400,
    message:
      'The specified location constraint is incompatible for the region specific endpoint this request was sent to.',
  },
  InvalidBucketName: { status: 400, message: 'The specified bucket is not valid.' },
  InvalidLocationConstraint: {
    status: 400,
    message: 'The specified location constraint is not valid.',
  },
  NoSuchBucket: { status: 404, message: 'The specified bucket does not exist' },
  NoSuchBucketPolicy: { status: 404, message: 'The bucket policy does not exist' },
  NoSuchCORSConfiguration: { status: 404, message: 'The CORS configuration does not exist' },
  NoSuchLifecycleConfiguration: {
    status: 404,
    message: 'The lifecycle configuration does not exist',
  },
  NoSuchPublicAccessBlockConfiguration: {
    status: 404,
    message: 'The public access block configuration was not found',
  },
  NoSuchTagSet: { status: 404, message: 'The TagSet does not exist' },
  NoSuchWebsiteConfiguration: {
    status: 404,
    message: 'The specified bucket does not have a website configuration',
  },
  ObjectLockConfigurationNotFoundError: {
    status: 404,
    message: 'Object Lock configuration does not exist for this bucket',
  },
  OwnershipControlsNotFoundError: {
    status: 404,
    message: 'The bucket ownership controls were not found',
  },
  ReplicationConfigurationNotFoundError: {
    status: 404,
    message: 'The replication configuration was not found',
  },
  ServerSideEncryptionConfigurationNotFoundError: {
    status: 404,
    message: 'The server side encryption configuration was not found',
  },
  TooManyBuckets: {
    status: 400,
    message: 'You have attempted to create more buckets than allowed',
  },

  // --- objects and uploads -------------------------------------------------------------------------
  ConditionalRequestConflict: {
    status: 409,
    message:
      'The conditional request cannot succeed due to a conflicting operation against this resource.',
  },
  InvalidObjectState: {
    status: 403,
    message: 'The operation is not valid for the current state of the object.',
  },
  InvalidPart: {
    status: 400,
    message:
      "One or more of the specified parts could not be found. The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.",
  },
  InvalidPartOrder: {
    status: 400,
    message:
      'The list of parts was not in ascending order. The parts list must be specified in order by part number.',
  },
  InvalidRange: { status: 416, message: 'The requested range is not satisfiable' },
  InvalidStorageClass: {
    status: 400,
    message: 'The storage class that you specified is not valid',
  },
  InvalidTag: { status: 400, message: 'The tag provided was not a valid tag.' },
  NoSuchKey: { status: 404, message: 'The specified key does not exist.' },
  NoSuchObjectLockConfiguration: {
    status: 404,
    message: 'The specified object does not have a ObjectLock configuration',
  },
  NoSuchUpload: {
    status: 404,
    message:
      'The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.',
  },
  NoSuchVersion: { status: 404, message: 'The specified version does not exist.' },
  NotModified: { status: 304, message: 'Not Modified' },
  OperationAborted: {
    status: 409,
    message:
      'A conflicting conditional operation is currently in progress against this resource. Try again.',
  },
  PreconditionFailed: {
    status: 412,
    message: 'At least one of the pre-conditions you specified did not hold',
  },

  // --- the server ----------------------------------------------------------------------------------
  InsufficientStorage: {
    status: 507,
    message: 'The storage is full; it takes no new data until space is freed.',
  },
  InternalError: { status: 500, message: 'We encountered an internal error. Please try again.' },
  ServiceUnavailable: { status: 503, message: 'Service is unable to handle request.' },
  SlowDown: { status: 503, message: 'Please reduce your request rate.' },
} as const satisfies Record<string, ErrorRow>;

export type S3ErrorCode = keyof typeof s3ErrorTable;

/** Further elements of the Error document, in the order given. They may hold what the client sent, never a
 *  secret, and are for the answer only, never for logs. */
export type ErrorFields = Readonly<Record<string, string>>;

/** An answer other than success. Codecs return it in a Result where the caller decides what is next, and
 *  throw it where a stream must end. */
export class S3Error extends Error {
  override readonly name = 'S3Error';
  readonly code: S3ErrorCode;
  readonly fields: ErrorFields;
  /** Response headers that belong to the error, such as Content-Range of a 416. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: S3ErrorCode,
    message?: string,
    fields: ErrorFields = none,
    headers: Readonly<Record<string, string>> = none,
  ) {
    super(message ?? s3ErrorTable[code].message);
    this.code = code;
    this.fields = fields;
    this.headers = headers;
  }

  get status(): number {
    return s3ErrorTable[this.code].status;
  }
}

const none: Readonly<Record<string, string>> = {};

export function isS3Error(error: unknown, code?: S3ErrorCode): error is S3Error {
  return error instanceof S3Error && (code === undefined || error.code === code);
}

/** InvalidArgument with the argument named, as S3 does. */
export function invalidArgument(argument: string, value: string, message: string): S3Error {
  return new S3Error('InvalidArgument', message, { ArgumentName: argument, ArgumentValue: value });
}

/** What asks for something that Lampyr does not offer: 501, never a success that does less than asked. */
export function notImplemented(what: string): S3Error {
  return new S3Error('NotImplemented', `${what} is not implemented.`);
}
