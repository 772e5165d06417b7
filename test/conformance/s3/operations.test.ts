// The operation table of protocols/s3 against the service model inside the AWS SDK.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as sdk from '@aws-sdk/client-s3';
import { type Scope, operations } from '../../../protocols/s3/operations.ts';

interface ModelOperation {
  readonly name: string;
  readonly method: string;
  readonly scope: Scope;
  readonly subResource: string | undefined;
}

/** Operations of the SDK's schemas: [9, namespace, name, { http: [method, path, status] }, …]. */
function modelOperations(): ModelOperation[] {
  const schemas = Object.values(sdk as Record<string, unknown>).filter(
    (value): value is [number, string, string, { http: [string, string, number] }] =>
      Array.isArray(value) && value[0] === 9,
  );
  return schemas.map(([, , name, { http }]) => {
    const [method, path] = http;
    const [head = '', query = ''] = path.split('?');
    const selecting = query.split('&').map((pair) => pair.split('=')[0] as string);
    const subResource = selecting.find((key) => !['', 'x-id', 'list-type'].includes(key));
    const ofService = ['ListBuckets', 'ListDirectoryBuckets', 'WriteGetObjectResponse'];
    const scope = head.includes('{Key+}')
      ? 'object'
      : ofService.includes(name)
        ? 'service'
        : 'bucket';
    return { name, method, scope, subResource };
  });
}

/** The SDK puts the upload's id into the input shape, not into the path. */
const byUploadId = new Set([
  'AbortMultipartUpload',
  'CompleteMultipartUpload',
  'ListParts',
  'UploadPart',
  'UploadPartCopy',
]);
/** Not in the model: forms and preflights of browsers. */
const ofBrowsers = new Set(['PostObject', 'PreflightBucket', 'PreflightObject']);

test('the table lists every operation of the SDK model, and nothing else', () => {
  const model = modelOperations();
  assert.ok(model.length >= 112, `model has ${model.length} operations`);
  const expected = model
    .map(({ name, method, scope, subResource }) => ({
      name,
      method,
      scope,
      subResource: byUploadId.has(name) ? 'uploadId' : subResource,
    }))
    .toSorted((a, b) => a.name.localeCompare(b.name));
  const actual = operations
    .filter(({ name }) => !ofBrowsers.has(name))
    .map(({ name, method, scope, subResource }) => ({ name, method, scope, subResource }))
    .toSorted((a, b) => a.name.localeCompare(b.name));
  assert.deepEqual(actual, expected);
});
