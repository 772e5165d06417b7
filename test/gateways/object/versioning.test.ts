// Versions through the door, over a real core: headers and documents as S3 has them.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CoreRig } from '../core/rig.ts';
import { type Answer, type Door, openDoor } from './door.ts';

const versionOf = ({ headers }: Answer): string => headers['x-amz-version-id'] ?? '';
const elements = (answer: Answer, name: string): string[] =>
  [...answer.body.toString().matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'gs'))].map(
    ([, text]) => text ?? '',
  );

describe('versioning', () => {
  let rig: CoreRig;
  let door: Door;
  before(async () => {
    rig = await CoreRig.open();
    door = await openDoor({ objects: rig.objects });
  });
  after(async () => {
    await door.close();
    await rig.close();
  });

  const send = (
    method: string,
    target: string,
    body?: string,
    headers: Record<string, string> = {},
  ): Promise<Answer> =>
    door.send({ method, target, headers, ...(body === undefined ? {} : { body }) });
  const setVersioning = (bucket: string, inside: string): Promise<Answer> =>
    send(
      'PUT',
      `/${bucket}?versioning`,
      `<VersioningConfiguration>${inside}</VersioningConfiguration>`,
    );
  async function versionedBucket(name: string): Promise<void> {
    await send('PUT', `/${name}`);
    assert.equal((await setVersioning(name, '<Status>Enabled</Status>')).status, 200);
  }

  test('the configuration: none, enabled, suspended, and what is refused', async () => {
    await send('PUT', '/conf');
    assert.deepEqual(elements(await send('GET', '/conf?versioning'), 'Status'), []);
    for (const status of ['Enabled', 'Suspended', 'Enabled']) {
      const set = `<MfaDelete>Disabled</MfaDelete><Status>${status}</Status>`;
      assert.equal((await setVersioning('conf', set)).status, 200);
      assert.deepEqual(elements(await send('GET', '/conf?versioning'), 'Status'), [status]);
    }
    const codeOf = async (inside: string): Promise<unknown[]> => {
      const answer = await setVersioning('conf', inside);
      return [answer.status, elements(answer, 'Code')[0]];
    };
    assert.deepEqual(await codeOf('<Status>On</Status>'), [400, 'MalformedXML']);
    assert.deepEqual(await codeOf(''), [400, 'IllegalVersioningConfigurationException']);
    const mfa = '<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>';
    assert.deepEqual(await codeOf(mfa), [501, 'NotImplemented']);
    assert.equal((await setVersioning('nobody', '<Status>Enabled</Status>')).status, 404);
  });

  test('put, read by version, delete, delete the marker', async () => {
    await versionedBucket('walk');
    const first = versionOf(await send('PUT', '/walk/k', 'first'));
    const second = versionOf(await send('PUT', '/walk/k', 'second'));
    assert.ok(first !== '' && second > first);
    const old = await send('GET', `/walk/k?versionId=${first}`);
    assert.equal(old.body.toString(), 'first');
    assert.equal(versionOf(old), first);
    assert.equal(versionOf(await send('HEAD', '/walk/k')), second);

    const removed = await send('DELETE', '/walk/k');
    assert.equal(removed.status, 204);
    assert.equal(removed.headers['x-amz-delete-marker'], 'true');
    const marker = versionOf(removed);
    const gone = await send('GET', '/walk/k');
    assert.deepEqual([gone.status, elements(gone, 'Code')], [404, ['NoSuchKey']]);
    assert.equal(gone.headers['x-amz-delete-marker'], 'true');
    assert.equal(versionOf(gone), marker);
    const named = await send('GET', `/walk/k?versionId=${marker}`);
    assert.deepEqual([named.status, elements(named, 'Code')], [405, ['MethodNotAllowed']]);
    assert.equal(named.headers['allow'], 'DELETE');
    assert.ok(named.headers['last-modified'] !== undefined);
    assert.equal((await send('DELETE', '/walk')).status, 409);

    const back = await send('DELETE', `/walk/k?versionId=${marker}`);
    assert.equal(back.headers['x-amz-delete-marker'], 'true');
    assert.equal(versionOf(back), marker);
    assert.equal((await send('GET', '/walk/k')).body.toString(), 'second');
    const wrong = await send('GET', '/walk/k?versionId=00000000000001');
    assert.deepEqual([wrong.status, elements(wrong, 'Code')], [404, ['NoSuchVersion']]);
  });

  test('copies of a version, and none of a delete marker', async () => {
    await versionedBucket('copies');
    const first = versionOf(await send('PUT', '/copies/k', 'first'));
    await send('PUT', '/copies/k', 'second');
    const copy = (versionId: string): Promise<Answer> =>
      send('PUT', '/copies/k', undefined, {
        'x-amz-copy-source': `/copies/k?versionId=${versionId}`,
      });
    const restored = await copy(first);
    assert.equal(restored.status, 200);
    assert.equal(restored.headers['x-amz-copy-source-version-id'], first);
    assert.ok(versionOf(restored) > first);
    assert.equal((await send('GET', '/copies/k')).body.toString(), 'first');
    const refused = await copy(versionOf(await send('DELETE', '/copies/k')));
    assert.deepEqual([refused.status, elements(refused, 'Code')], [400, ['InvalidRequest']]);
  });

  test('ListObjectVersions in pages, and DeleteObjects of what it lists', async () => {
    await versionedBucket('list');
    for (let at = 0; at < 3; at++) await send('PUT', '/list/k', `${at}`);
    await send('DELETE', '/list/k');
    await send('PUT', '/list/l', 'x');
    const seen: string[] = [];
    let marker = '';
    for (let pages = 0; pages < 10; pages++) {
      const page = await send('GET', `/list?max-keys=2&versions${marker}`);
      const items = [...elements(page, 'Version'), ...elements(page, 'DeleteMarker')];
      seen.push(...items);
      if (elements(page, 'IsTruncated')[0] === 'false') break;
      const [key] = elements(page, 'NextKeyMarker');
      const [version] = elements(page, 'NextVersionIdMarker');
      marker = `&key-marker=${key}&version-id-marker=${version}`;
    }
    const latest = seen.filter((item) => item.includes('<IsLatest>true</IsLatest>'));
    assert.deepEqual([seen.length, latest.length], [5, 2]);
    const objects = seen.map((item) => {
      const [, key] = /<Key>(.*)<\/Key>/.exec(item) ?? [];
      const [, version] = /<VersionId>(.*)<\/VersionId>/.exec(item) ?? [];
      return `<Object><Key>${key}</Key><VersionId>${version}</VersionId></Object>`;
    });
    const listed = await send('GET', '/list');
    assert.deepEqual(elements(listed, 'Key'), ['l']);
    const deleted = await send('POST', '/list?delete', `<Delete>${objects.join('')}</Delete>`);
    assert.equal(elements(deleted, 'Deleted').length, 5);
    assert.equal(elements(deleted, 'DeleteMarkerVersionId').length, 1);
    const added = await send(
      'POST',
      '/list?delete',
      '<Delete><Object><Key>n</Key></Object></Delete>',
    );
    assert.deepEqual(elements(added, 'DeleteMarker'), ['true']);
    const [version] = elements(added, 'DeleteMarkerVersionId');
    assert.equal((await send('DELETE', `/list/n?versionId=${version}`)).status, 204);
    assert.equal((await send('DELETE', '/list')).status, 204);
  });

  test('a suspended bucket answers without a version and keeps one null version', async () => {
    await versionedBucket('rest');
    const kept = versionOf(await send('PUT', '/rest/k', 'kept'));
    await setVersioning('rest', '<Status>Suspended</Status>');
    for (const text of ['one', 'two']) {
      assert.equal((await send('PUT', '/rest/k', text)).headers['x-amz-version-id'], undefined);
    }
    assert.equal((await send('GET', '/rest/k?versionId=null')).body.toString(), 'two');
    const removed = await send('DELETE', '/rest/k');
    assert.deepEqual(
      [removed.headers['x-amz-delete-marker'], versionOf(removed)],
      ['true', 'null'],
    );
    const page = await send('GET', '/rest?versions');
    assert.deepEqual(elements(page, 'VersionId').toSorted(), [kept, 'null'].toSorted());
    assert.equal(elements(page, 'DeleteMarker').length, 1);
  });
});
