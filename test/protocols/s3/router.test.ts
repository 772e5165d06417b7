// Routing: requests of AWS's documentation examples, sub-resources nobody knows, names that do not fit the operation.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { S3Error } from '../../../protocols/s3/errors.ts';
import type { Scope } from '../../../protocols/s3/operations.ts';
import { route } from '../../../protocols/s3/router.ts';

function routed(scope: Scope, method: string, query: string, headers: string[] = []): string {
  const pairs = [...new URLSearchParams(query)].map(([name, value]) => ({ name, value }));
  const header = (name: string): string | undefined => (headers.includes(name) ? 'x' : undefined);
  return route({ method, query: pairs, header }, scope).name;
}

function refusal(scope: Scope, method: string, query: string): string {
  try {
    return `routed to ${routed(scope, method, query)}`;
  } catch (error) {
    assert.ok(error instanceof S3Error);
    return `${error.status} ${error.code}`;
  }
}

test('requests of the documentation examples', () => {
  const examples: [Scope, string, string, string[], string][] = [
    ['service', 'GET', '', [], 'ListBuckets'],
    ['service', 'GET', 'x-id=ListBuckets&max-buckets=10', [], 'ListBuckets'],
    ['bucket', 'GET', '', [], 'ListObjects'],
    ['bucket', 'GET', 'prefix=N&marker=Ned&max-keys=40', [], 'ListObjects'],
    ['bucket', 'GET', 'list-type=2', [], 'ListObjectsV2'],
    ['bucket', 'GET', 'list-type=2&delimiter=/&encoding-type=url', [], 'ListObjectsV2'],
    ['bucket', 'GET', 'list-type=2&prefix=', [], 'ListObjectsV2'],
    ['bucket', 'GET', 'list-type=1', [], 'ListObjects'],
    ['bucket', 'GET', 'versions&key-marker=', [], 'ListObjectVersions'],
    ['bucket', 'GET', 'uploads&max-uploads=3', [], 'ListMultipartUploads'],
    ['bucket', 'GET', 'uploads=&prefix=a', [], 'ListMultipartUploads'],
    ['bucket', 'GET', 'location', [], 'GetBucketLocation'],
    ['bucket', 'POST', 'delete', [], 'DeleteObjects'],
    ['bucket', 'POST', '', [], 'PostObject'],
    ['bucket', 'PUT', '', [], 'CreateBucket'],
    ['bucket', 'GET', 'analytics&id=list1', [], 'GetBucketAnalyticsConfiguration'],
    ['bucket', 'GET', 'analytics', [], 'ListBucketAnalyticsConfigurations'],
    ['object', 'GET', '', [], 'GetObject'],
    ['object', 'GET', 'versionId=3HL4kqtJlcpXroDTDmjVBH40Nrjfkd', [], 'GetObject'],
    ['object', 'GET', 'response-content-type=image/png&x-id=GetObject', [], 'GetObject'],
    ['object', 'GET', 'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0', [], 'GetObject'],
    ['object', 'GET', 'partNumber=2', [], 'GetObject'],
    ['object', 'GET', 'attributes', [], 'GetObjectAttributes'],
    ['object', 'GET', 'uploadId=XX&max-parts=2', [], 'ListParts'],
    ['object', 'PUT', 'x-id=PutObject', [], 'PutObject'],
    ['object', 'PUT', '', ['x-amz-copy-source'], 'CopyObject'],
    ['object', 'PUT', 'partNumber=1&uploadId=X', [], 'UploadPart'],
    ['object', 'PUT', 'partNumber=1&uploadId=X', ['x-amz-copy-source'], 'UploadPartCopy'],
    ['object', 'POST', 'uploads', [], 'CreateMultipartUpload'],
    ['object', 'POST', 'uploadId=X', [], 'CompleteMultipartUpload'],
    ['object', 'DELETE', 'uploadId=X', [], 'AbortMultipartUpload'],
    ['object', 'DELETE', 'versionId=null', [], 'DeleteObject'],
    ['object', 'POST', 'select&select-type=2', [], 'SelectObjectContent'],
    ['object', 'OPTIONS', 'X-Amz-Signature=0&uploads', [], 'PreflightObject'],
  ];
  for (const [scope, method, query, headers, name] of examples)
    assert.equal(routed(scope, method, query, headers), name, `${method} ${scope} ?${query}`);
});

test('nothing falls through to a listing, a read or a write', () => {
  const examples: [Scope, string, string, string][] = [
    ['bucket', 'GET', 'nobody-knows-this', '501 NotImplemented'],
    ['object', 'GET', 'nobody-knows-this=', '501 NotImplemented'],
    ['object', 'PUT', 'nobody', '501 NotImplemented'],
    ['bucket', 'DELETE', 'nobody', '501 NotImplemented'],
    ['service', 'GET', 'usage', '501 NotImplemented'],
    ['object', 'PUT', 'lifecycle=1', '501 NotImplemented'],
    ['object', 'DELETE', 'versioning=x', '501 NotImplemented'],
    ['bucket', 'DELETE', 'legal-hold=1', '501 NotImplemented'],
    ['bucket', 'PUT', 'uploadId=X', '501 NotImplemented'],
    ['service', 'GET', 'acl=1', '501 NotImplemented'],
    ['bucket', 'DELETE', 'location', '405 MethodNotAllowed'],
    ['bucket', 'POST', 'tagging', '405 MethodNotAllowed'],
    ['object', 'GET', 'uploads', '405 MethodNotAllowed'],
    ['object', 'POST', '', '405 MethodNotAllowed'],
    ['service', 'PUT', '', '405 MethodNotAllowed'],
    ['service', 'POST', '', '405 MethodNotAllowed'],
    ['object', 'PATCH', '', '405 MethodNotAllowed'],
    ['bucket', 'GET', 'location&tagging', '400 InvalidRequest'],
    ['object', 'PUT', 'partNumber=1', '400 InvalidArgument'],
    ['object', 'PUT', 'versionId=null', '400 InvalidArgument'],
    ['bucket', 'DELETE', 'prefix=a', '400 InvalidArgument'],
  ];
  for (const [scope, method, query, expected] of examples)
    assert.equal(refusal(scope, method, query), expected, `${method} ${scope} ?${query}`);
});

test('unknown names with a value and names for logs do not route', () => {
  assert.equal(routed('object', 'GET', 'cache-buster=17'), 'GetObject');
  assert.equal(routed('object', 'PUT', 'x-user=johndoe&X-trace='), 'PutObject');
});
