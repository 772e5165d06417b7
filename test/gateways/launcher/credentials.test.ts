import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { isCoreError } from '../../../core/base/errors.ts';
import { openCredentials, rootIdentity } from '../../../gateways/launcher/credentials.ts';
import { temporaryDirectory } from '../../tools/temporary.ts';

describe('root credentials', () => {
  test('are generated once, for their owner only', (context) => {
    const path = temporaryDirectory(context);
    const first = openCredentials(path, undefined);
    assert.equal(first.source, 'generated');
    assert.match(first.accessKey, /^[A-Z2-7]{20}$/);
    assert.match(first.secretKey, /^[A-Za-z0-9]{40}$/);
    const file = join(path, 'credentials.json');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    const { accessKey, secretKey } = first;
    const { checksum, ...stored } = JSON.parse(readFileSync(file, 'utf8')) as Record<
      string,
      unknown
    >;
    assert.deepEqual(stored, { accessKey, secretKey });
    assert.match(String(checksum), /^[0-9a-f]{8}$/);
    assert.deepEqual(openCredentials(path, undefined), { ...first, source: 'file' });
  });

  test('those of the environment are for one run and are not stored', (context) => {
    const path = temporaryDirectory(context);
    const keys = { accessKey: 'given', secretKey: 'given-secret' };
    assert.deepEqual(openCredentials(path, keys), { ...keys, source: 'environment' });
    assert.equal(existsSync(join(path, 'credentials.json')), false);
    assert.equal(openCredentials(path, undefined).source, 'generated');
  });

  test('a damaged file is refused, not replaced', (context) => {
    const path = temporaryDirectory(context);
    for (const text of ['', '{}', '{"accessKey":1,"secretKey":2}', 'null']) {
      writeFileSync(join(path, 'credentials.json'), text);
      assert.throws(
        () => openCredentials(path, undefined),
        (error) => isCoreError(error, 'DISK_REFUSED') && /credentials\.json/.test(error.message),
      );
      assert.equal(readFileSync(join(path, 'credentials.json'), 'utf8'), text);
    }
  });

  test('keys that do not match their checksum are refused; without one they are taken', (context) => {
    const path = temporaryDirectory(context);
    const file = join(path, 'credentials.json');
    const { accessKey, secretKey } = openCredentials(path, undefined);
    const stored = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
    writeFileSync(file, JSON.stringify({ ...stored, secretKey: `${secretKey}x` }));
    assert.throws(
      () => openCredentials(path, undefined),
      (error) =>
        isCoreError(error, 'DISK_REFUSED') && /its checksum: restore it/.test(error.message),
    );
    writeFileSync(file, JSON.stringify({ accessKey, secretKey: 'chosen-by-hand' }));
    assert.equal(openCredentials(path, undefined).secretKey, 'chosen-by-hand');
  });

  test('the root keeps its id under any keys', () => {
    const one = rootIdentity('00'.repeat(16), { accessKey: 'a', secretKey: 'b' });
    const other = rootIdentity('00'.repeat(16), { accessKey: 'c', secretKey: 'd' });
    assert.equal(one.id, other.id);
    assert.match(one.id, /^[0-9a-f]{64}$/);
    assert.notEqual(one.id, rootIdentity('11'.repeat(16), one).id);
  });
});
