// Buckets and their settings through the door, on the real core.

import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { elementOf, main, other, outcome } from './door.ts';
import { type System, elementsOf, sharedSystem } from './system.ts';

let s3: System;

const placedAt = (place: string): string =>
  `<CreateBucketConfiguration><LocationConstraint>${place}</LocationConstraint></CreateBucketConfiguration>`;

describe('buckets', () => {
  before(async () => {
    s3 = await sharedSystem();
  });
  test('making, seeing, removing', async () => {
    const made = await s3.put('/first');
    assert.equal(made.status, 200);
    assert.equal(made.headers['location'], '/first');
    assert.equal((await s3.put('/first')).status, 200, 'again, by its owner, in us-east-1');
    assert.equal((await s3.head('/first')).headers['x-amz-bucket-region'], 'us-east-1');
    assert.equal(
      (await s3.get('/first?location')).body.toString().includes('></LocationConstraint>'),
      true,
    );
    await s3.put('/first/key', 'x');
    assert.equal(outcome(await s3.delete('/first')), '409 BucketNotEmpty');
    await s3.delete('/first/key');
    assert.equal(outcome(await s3.delete('/first')), '204');
    assert.equal(outcome(await s3.delete('/first')), '404 NoSuchBucket');
    assert.equal((await s3.head('/first')).status, 404);
  });

  test('names, locations and configuration', async () => {
    assert.equal(outcome(await s3.put('/xn--reserved')), '400 InvalidBucketName');
    assert.equal(outcome(await s3.put('/Upper')), '400 InvalidBucketName');
    assert.equal(
      outcome(await s3.put('/placed', placedAt('eu-west-1'))),
      '400 InvalidLocationConstraint',
    );
    assert.equal(outcome(await s3.put('/placed', placedAt('us-east-1'))), '200');
    assert.equal(outcome(await s3.put('/placed', '<Wrong/>')), '400 MalformedXML');
    const tags = '<Tags><Tag><Key>team</Key><Value>a</Value></Tag></Tags>';
    const tagged = `<CreateBucketConfiguration>${tags}</CreateBucketConfiguration>`;
    assert.equal(outcome(await s3.put('/tagged', tagged)), '200');
    assert.equal(elementOf(await s3.get('/tagged?tagging'), 'Value'), 'a');
    assert.equal(
      outcome(await s3.put('/locked', '', { 'x-amz-bucket-object-lock-enabled': 'true' })),
      '501 NotImplemented',
    );
  });

  test('a bucket belongs to who made it', async () => {
    await s3.put('/mine');
    const asOther = async (method: string, target: string): Promise<string> =>
      outcome(await s3.send({ method, target, who: other, body: '' }));
    assert.equal(await asOther('PUT', '/mine'), '409 BucketAlreadyExists');
    for (const [method, target] of [
      ['GET', '/mine'],
      ['GET', '/mine?acl'],
      ['DELETE', '/mine'],
      ['PUT', '/mine/k'],
    ] as const)
      assert.equal(await asOther(method, target), '403 AccessDenied', `${method} ${target}`);
    assert.equal((await s3.send({ method: 'PUT', target: '/theirs', who: other })).status, 200);
    const names = elementsOf(await s3.get('/'), 'Name');
    assert.ok(names.includes('mine') && !names.includes('theirs'), names.join());
  });

  test('ListBuckets in pages, by prefix and region', async () => {
    for (const name of ['page-a', 'page-b', 'page-c']) await s3.put(`/${name}`);
    const first = await s3.get('/?prefix=page-&max-buckets=2');
    assert.deepEqual(elementsOf(first, 'Name'), ['page-a', 'page-b']);
    assert.deepEqual(elementsOf(first, 'BucketRegion'), ['us-east-1', 'us-east-1']);
    assert.equal(elementOf(first, 'ID'), main.id);
    const token = elementOf(first, 'ContinuationToken') ?? '';
    const second = await s3.get(`/?prefix=page-&max-buckets=2&continuation-token=${token}`);
    assert.deepEqual(elementsOf(second, 'Name'), ['page-c']);
    assert.equal(elementOf(second, 'ContinuationToken'), undefined);
    assert.deepEqual(elementsOf(await s3.get('/?bucket-region=elsewhere'), 'Name'), []);
    assert.equal(outcome(await s3.get('/?max-buckets=0')), '400 InvalidArgument');
    assert.equal(outcome(await s3.get('/?continuation-token=made-up')), '400 InvalidArgument');
  });

  test('settings that no bucket has are told as S3 tells them', async () => {
    await s3.put('/plain');
    await s3.put('/plain/key', 'x');
    const absent: [string, string][] = [
      ['cors', 'NoSuchCORSConfiguration'],
      ['encryption', 'ServerSideEncryptionConfigurationNotFoundError'],
      ['lifecycle', 'NoSuchLifecycleConfiguration'],
      ['object-lock', 'ObjectLockConfigurationNotFoundError'],
      ['ownershipControls', 'OwnershipControlsNotFoundError'],
      ['policy', 'NoSuchBucketPolicy'],
      ['policyStatus', 'NoSuchBucketPolicy'],
      ['publicAccessBlock', 'NoSuchPublicAccessBlockConfiguration'],
      ['replication', 'ReplicationConfigurationNotFoundError'],
      ['website', 'NoSuchWebsiteConfiguration'],
    ];
    for (const [name, code] of absent) {
      assert.equal(outcome(await s3.get(`/plain?${name}`)), `404 ${code}`);
      assert.equal(outcome(await s3.get(`/no-bucket?${name}`)), '404 NoSuchBucket');
      assert.equal(
        outcome(await s3.put(`/plain?${name}`, '<X/>')).slice(0, 3),
        name === 'policyStatus' ? '405' : '501',
      );
    }
    const empty: [string, string][] = [
      [
        'accelerate',
        '<AccelerateConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></AccelerateConfiguration>',
      ],
      [
        'logging',
        '<BucketLoggingStatus xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></BucketLoggingStatus>',
      ],
      [
        'notification',
        '<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></NotificationConfiguration>',
      ],
      ['requestPayment', '<Payer>BucketOwner</Payer>'],
      [
        'versioning',
        '<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></VersioningConfiguration>',
      ],
    ];
    for (const [name, text] of empty) {
      const answer = await s3.get(`/plain?${name}`);
      assert.equal(answer.status, 200);
      assert.ok(answer.body.includes(text), answer.body.toString());
    }
    for (const target of ['/plain?acl', '/plain/key?acl']) {
      const acl = await s3.get(target);
      assert.deepEqual(
        [elementsOf(acl, 'ID'), elementsOf(acl, 'Permission')],
        [[main.id, main.id], ['FULL_CONTROL']],
      );
    }
    assert.equal(outcome(await s3.get('/plain/none?acl')), '404 NoSuchKey');
    for (const name of ['retention', 'legal-hold'])
      assert.equal(outcome(await s3.get(`/plain/key?${name}`)), '400 InvalidRequest');
  });

  test('virtual-host style', async () => {
    const host = `virtual.s3.localhost:${s3.host.split(':')[1]}`;
    const send = async (method: string, target: string, body?: string) =>
      s3.send({ method, target, headers: { host }, ...(body === undefined ? {} : { body }) });
    assert.equal((await send('PUT', '/', '')).status, 200);
    assert.equal((await send('PUT', '/a/b', 'hosted')).status, 200);
    assert.equal((await s3.get('/virtual/a/b')).body.toString(), 'hosted');
    assert.deepEqual(elementsOf(await send('GET', '/?list-type=2'), 'Key'), ['a/b']);
  });
});
