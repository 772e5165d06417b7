// Every operation of the S3 API (the service model of the AWS SDKs) and how a request names it: method, scope,
// a sub-resource in the query, a header. The table decides routing (router.ts) and what docs/protocols/s3.md
// says; test/conformance/s3/operations.test.ts compares it with the model inside @aws-sdk/client-s3.
// The four operations that AWS renamed (GetBucketLifecycle, PutBucketLifecycle, GetBucketNotification,
// PutBucketNotification) share the request of their successors and are not listed apart.

export type Method = 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE' | 'OPTIONS';
export type Scope = 'service' | 'bucket' | 'object';

/** implemented: does what S3 does. truthful: nothing can be configured, and the answer says so as S3 does.
 *  notImplemented: answers 501. */
export type Status = 'implemented' | 'truthful' | 'notImplemented';

export interface Operation {
  readonly name: string;
  readonly method: Method;
  readonly scope: Scope;
  /** The query name that selects the operation, with or without a value. */
  readonly subResource?: string;
  /** Narrower than another operation with the same method, scope and selection. */
  readonly when?: {
    readonly header?: string;
    readonly query?: readonly [name: string, value?: string];
  };
  /** Further query names that the operation reads. */
  readonly parameters: readonly string[];
  readonly status: Status;
}

interface Row {
  readonly subResource?: string;
  readonly when?: Operation['when'];
  readonly parameters?: readonly string[];
  readonly status?: Status;
}

const row = <const More extends Row>(method: Method, scope: Scope, more: More = {} as More) => ({
  method,
  scope,
  ...more,
});

const done = 'implemented';
const truthful = 'truthful';
const listing = ['delimiter', 'encoding-type', 'max-keys', 'prefix'];
const overrides = [
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
  'response-content-language',
  'response-content-type',
  'response-expires',
];
const reading = [...overrides, 'versionId', 'partNumber'];
const version = ['versionId'];
const byId = { query: ['id'] } as const;
const copySource = { header: 'x-amz-copy-source' } as const;

const rows = {
  // --- service -------------------------------------------------------------------------------------
  ListBuckets: row('GET', 'service', {
    parameters: ['bucket-region', 'continuation-token', 'max-buckets', 'prefix'],
    status: done,
  }),
  ListDirectoryBuckets: row('GET', 'service', {
    when: { query: ['max-directory-buckets'] },
    parameters: ['continuation-token'],
  }),
  WriteGetObjectResponse: row('POST', 'service', {
    when: { header: 'x-amz-request-route' },
  }),

  // --- buckets -------------------------------------------------------------------------------------
  CreateBucket: row('PUT', 'bucket', { status: done }),
  CreateSession: row('GET', 'bucket', { subResource: 'session' }),
  DeleteBucket: row('DELETE', 'bucket', { status: done }),
  HeadBucket: row('HEAD', 'bucket', { status: done }),
  GetBucketLocation: row('GET', 'bucket', { subResource: 'location', status: done }),
  ListObjects: row('GET', 'bucket', {
    parameters: [...listing, 'marker', 'allow-unordered'],
    status: done,
  }),
  ListObjectsV2: row('GET', 'bucket', {
    when: { query: ['list-type', '2'] },
    parameters: [...listing, 'allow-unordered', 'continuation-token', 'fetch-owner', 'start-after'],
    status: done,
  }),
  ListObjectVersions: row('GET', 'bucket', {
    subResource: 'versions',
    parameters: [...listing, 'key-marker', 'version-id-marker'],
    status: done,
  }),
  ListMultipartUploads: row('GET', 'bucket', {
    subResource: 'uploads',
    parameters: [
      'delimiter',
      'encoding-type',
      'key-marker',
      'max-uploads',
      'prefix',
      'upload-id-marker',
    ],
    status: done,
  }),
  DeleteObjects: row('POST', 'bucket', { subResource: 'delete', status: done }),
  PostObject: row('POST', 'bucket'),

  // --- settings of buckets -------------------------------------------------------------------------
  CreateBucketMetadataConfiguration: row('POST', 'bucket', {
    subResource: 'metadataConfiguration',
  }),
  CreateBucketMetadataTableConfiguration: row('POST', 'bucket', { subResource: 'metadataTable' }),
  DeleteBucketAnalyticsConfiguration: row('DELETE', 'bucket', {
    subResource: 'analytics',
    parameters: ['id'],
  }),
  DeleteBucketCors: row('DELETE', 'bucket', { subResource: 'cors' }),
  DeleteBucketEncryption: row('DELETE', 'bucket', { subResource: 'encryption' }),
  DeleteBucketIntelligentTieringConfiguration: row('DELETE', 'bucket', {
    subResource: 'intelligent-tiering',
    parameters: ['id'],
  }),
  DeleteBucketInventoryConfiguration: row('DELETE', 'bucket', {
    subResource: 'inventory',
    parameters: ['id'],
  }),
  DeleteBucketLifecycle: row('DELETE', 'bucket', { subResource: 'lifecycle' }),
  DeleteBucketMetadataConfiguration: row('DELETE', 'bucket', {
    subResource: 'metadataConfiguration',
  }),
  DeleteBucketMetadataTableConfiguration: row('DELETE', 'bucket', { subResource: 'metadataTable' }),
  DeleteBucketMetricsConfiguration: row('DELETE', 'bucket', {
    subResource: 'metrics',
    parameters: ['id'],
  }),
  DeleteBucketOwnershipControls: row('DELETE', 'bucket', { subResource: 'ownershipControls' }),
  DeleteBucketPolicy: row('DELETE', 'bucket', { subResource: 'policy' }),
  DeleteBucketReplication: row('DELETE', 'bucket', { subResource: 'replication' }),
  DeleteBucketTagging: row('DELETE', 'bucket', { subResource: 'tagging', status: done }),
  DeleteBucketWebsite: row('DELETE', 'bucket', { subResource: 'website' }),
  DeletePublicAccessBlock: row('DELETE', 'bucket', { subResource: 'publicAccessBlock' }),
  GetBucketAbac: row('GET', 'bucket', { subResource: 'abac' }),
  GetBucketAccelerateConfiguration: row('GET', 'bucket', {
    subResource: 'accelerate',
    status: truthful,
  }),
  GetBucketAcl: row('GET', 'bucket', { subResource: 'acl', status: truthful }),
  GetBucketAnalyticsConfiguration: row('GET', 'bucket', { subResource: 'analytics', when: byId }),
  GetBucketCors: row('GET', 'bucket', { subResource: 'cors', status: truthful }),
  GetBucketEncryption: row('GET', 'bucket', { subResource: 'encryption', status: truthful }),
  GetBucketIntelligentTieringConfiguration: row('GET', 'bucket', {
    subResource: 'intelligent-tiering',
    when: byId,
  }),
  GetBucketInventoryConfiguration: row('GET', 'bucket', { subResource: 'inventory', when: byId }),
  GetBucketLifecycleConfiguration: row('GET', 'bucket', {
    subResource: 'lifecycle',
    status: truthful,
  }),
  GetBucketLogging: row('GET', 'bucket', { subResource: 'logging', status: truthful }),
  GetBucketMetadataConfiguration: row('GET', 'bucket', { subResource: 'metadataConfiguration' }),
  GetBucketMetadataTableConfiguration: row('GET', 'bucket', { subResource: 'metadataTable' }),
  GetBucketMetricsConfiguration: row('GET', 'bucket', { subResource: 'metrics', when: byId }),
  GetBucketNotificationConfiguration: row('GET', 'bucket', {
    subResource: 'notification',
    status: truthful,
  }),
  GetBucketOwnershipControls: row('GET', 'bucket', {
    subResource: 'ownershipControls',
    status: truthful,
  }),
  GetBucketPolicy: row('GET', 'bucket', { subResource: 'policy', status: truthful }),
  GetBucketPolicyStatus: row('GET', 'bucket', { subResource: 'policyStatus', status: truthful }),
  GetBucketReplication: row('GET', 'bucket', { subResource: 'replication', status: truthful }),
  GetBucketRequestPayment: row('GET', 'bucket', {
    subResource: 'requestPayment',
    status: truthful,
  }),
  GetBucketTagging: row('GET', 'bucket', { subResource: 'tagging', status: done }),
  GetBucketVersioning: row('GET', 'bucket', { subResource: 'versioning', status: done }),
  GetBucketWebsite: row('GET', 'bucket', { subResource: 'website', status: truthful }),
  GetObjectLockConfiguration: row('GET', 'bucket', {
    subResource: 'object-lock',
    status: truthful,
  }),
  GetPublicAccessBlock: row('GET', 'bucket', {
    subResource: 'publicAccessBlock',
    status: truthful,
  }),
  ListBucketAnalyticsConfigurations: row('GET', 'bucket', {
    subResource: 'analytics',
    parameters: ['continuation-token'],
  }),
  ListBucketIntelligentTieringConfigurations: row('GET', 'bucket', {
    subResource: 'intelligent-tiering',
    parameters: ['continuation-token'],
  }),
  ListBucketInventoryConfigurations: row('GET', 'bucket', {
    subResource: 'inventory',
    parameters: ['continuation-token'],
  }),
  ListBucketMetricsConfigurations: row('GET', 'bucket', {
    subResource: 'metrics',
    parameters: ['continuation-token'],
  }),
  PutBucketAbac: row('PUT', 'bucket', { subResource: 'abac' }),
  PutBucketAccelerateConfiguration: row('PUT', 'bucket', { subResource: 'accelerate' }),
  PutBucketAcl: row('PUT', 'bucket', { subResource: 'acl' }),
  PutBucketAnalyticsConfiguration: row('PUT', 'bucket', {
    subResource: 'analytics',
    parameters: ['id'],
  }),
  PutBucketCors: row('PUT', 'bucket', { subResource: 'cors' }),
  PutBucketEncryption: row('PUT', 'bucket', { subResource: 'encryption' }),
  PutBucketIntelligentTieringConfiguration: row('PUT', 'bucket', {
    subResource: 'intelligent-tiering',
    parameters: ['id'],
  }),
  PutBucketInventoryConfiguration: row('PUT', 'bucket', {
    subResource: 'inventory',
    parameters: ['id'],
  }),
  PutBucketLifecycleConfiguration: row('PUT', 'bucket', { subResource: 'lifecycle' }),
  PutBucketLogging: row('PUT', 'bucket', { subResource: 'logging' }),
  PutBucketMetricsConfiguration: row('PUT', 'bucket', {
    subResource: 'metrics',
    parameters: ['id'],
  }),
  PutBucketNotificationConfiguration: row('PUT', 'bucket', { subResource: 'notification' }),
  PutBucketOwnershipControls: row('PUT', 'bucket', { subResource: 'ownershipControls' }),
  PutBucketPolicy: row('PUT', 'bucket', { subResource: 'policy' }),
  PutBucketReplication: row('PUT', 'bucket', { subResource: 'replication' }),
  PutBucketRequestPayment: row('PUT', 'bucket', { subResource: 'requestPayment' }),
  PutBucketTagging: row('PUT', 'bucket', { subResource: 'tagging', status: done }),
  PutBucketVersioning: row('PUT', 'bucket', { subResource: 'versioning', status: done }),
  PutBucketWebsite: row('PUT', 'bucket', { subResource: 'website' }),
  PutObjectLockConfiguration: row('PUT', 'bucket', { subResource: 'object-lock' }),
  PutPublicAccessBlock: row('PUT', 'bucket', { subResource: 'publicAccessBlock' }),
  UpdateBucketMetadataAnnotationTableConfiguration: row('PUT', 'bucket', {
    subResource: 'metadataAnnotationTable',
  }),
  UpdateBucketMetadataInventoryTableConfiguration: row('PUT', 'bucket', {
    subResource: 'metadataInventoryTable',
  }),
  UpdateBucketMetadataJournalTableConfiguration: row('PUT', 'bucket', {
    subResource: 'metadataJournalTable',
  }),

  // --- objects -------------------------------------------------------------------------------------
  GetObject: row('GET', 'object', { parameters: reading, status: done }),
  HeadObject: row('HEAD', 'object', { parameters: reading, status: done }),
  PutObject: row('PUT', 'object', { status: done }),
  CopyObject: row('PUT', 'object', { when: copySource, status: done }),
  DeleteObject: row('DELETE', 'object', { parameters: version, status: done }),
  GetObjectAttributes: row('GET', 'object', {
    subResource: 'attributes',
    parameters: version,
    status: done,
  }),
  GetObjectTagging: row('GET', 'object', {
    subResource: 'tagging',
    parameters: version,
    status: done,
  }),
  PutObjectTagging: row('PUT', 'object', {
    subResource: 'tagging',
    parameters: version,
    status: done,
  }),
  DeleteObjectTagging: row('DELETE', 'object', {
    subResource: 'tagging',
    parameters: version,
    status: done,
  }),
  GetObjectAcl: row('GET', 'object', { subResource: 'acl', parameters: version, status: truthful }),
  PutObjectAcl: row('PUT', 'object', { subResource: 'acl', parameters: version }),
  GetObjectLegalHold: row('GET', 'object', {
    subResource: 'legal-hold',
    parameters: version,
    status: truthful,
  }),
  PutObjectLegalHold: row('PUT', 'object', { subResource: 'legal-hold', parameters: version }),
  GetObjectRetention: row('GET', 'object', {
    subResource: 'retention',
    parameters: version,
    status: truthful,
  }),
  PutObjectRetention: row('PUT', 'object', { subResource: 'retention', parameters: version }),
  GetObjectTorrent: row('GET', 'object', { subResource: 'torrent' }),
  RenameObject: row('PUT', 'object', { subResource: 'renameObject' }),
  RestoreObject: row('POST', 'object', { subResource: 'restore', parameters: version }),
  SelectObjectContent: row('POST', 'object', {
    subResource: 'select',
    parameters: ['select-type'],
  }),
  UpdateObjectEncryption: row('PUT', 'object', { subResource: 'encryption', parameters: version }),
  GetObjectAnnotation: row('GET', 'object', {
    subResource: 'annotation',
    when: { query: ['annotationName'] },
    parameters: version,
  }),
  ListObjectAnnotations: row('GET', 'object', { subResource: 'annotation', parameters: version }),
  PutObjectAnnotation: row('PUT', 'object', { subResource: 'annotation', parameters: version }),
  DeleteObjectAnnotation: row('DELETE', 'object', {
    subResource: 'annotation',
    parameters: version,
  }),

  // --- multipart uploads ---------------------------------------------------------------------------
  CreateMultipartUpload: row('POST', 'object', { subResource: 'uploads', status: done }),
  UploadPart: row('PUT', 'object', {
    subResource: 'uploadId',
    parameters: ['partNumber'],
    status: done,
  }),
  UploadPartCopy: row('PUT', 'object', {
    subResource: 'uploadId',
    when: copySource,
    parameters: ['partNumber'],
    status: done,
  }),
  ListParts: row('GET', 'object', {
    subResource: 'uploadId',
    parameters: ['max-parts', 'part-number-marker'],
    status: done,
  }),
  CompleteMultipartUpload: row('POST', 'object', { subResource: 'uploadId', status: done }),
  AbortMultipartUpload: row('DELETE', 'object', { subResource: 'uploadId', status: done }),

  // --- not in the model: what browsers ask before a request of another origin --------------------------
  PreflightBucket: row('OPTIONS', 'bucket', { status: truthful }),
  PreflightObject: row('OPTIONS', 'object', { status: truthful }),
} as const satisfies Record<string, Row & { method: Method; scope: Scope }>;

export type OperationName = keyof typeof rows;

/** Names of the operations that have a handler: the gateway's registry is total over them. */
export type OfferedName = {
  [Name in OperationName]: (typeof rows)[Name] extends {
    readonly status: 'implemented' | 'truthful';
  }
    ? Name
    : never;
}[OperationName];

export const operations: readonly (Operation & { readonly name: OperationName })[] = (
  Object.entries(rows) as [OperationName, Row & { method: Method; scope: Scope }][]
).map(([name, { method, scope, subResource, when, parameters, status }]) => ({
  name,
  method,
  scope,
  ...(subResource === undefined ? {} : { subResource }),
  ...(when === undefined ? {} : { when }),
  parameters: parameters ?? [],
  status: status ?? 'notImplemented',
}));
