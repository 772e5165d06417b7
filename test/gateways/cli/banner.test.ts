import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { type BannerInput, banner } from '../../../gateways/cli/banner.ts';
import { temporaryDirectory } from '../../tools/temporary.ts';

function input(source: BannerInput['credentials']['source'], directory: string): BannerInput {
  return {
    version: '1.2.3',
    dataDir: directory,
    credentialsFile: join(directory, 'credentials.json'),
    endpoints: { s3: 'http://127.0.0.1:9000', admin: 'http://127.0.0.1:9300' },
    credentials: { accessKey: 'THEKEY', secretKey: 'thesecret', source },
  };
}

describe('banner', () => {
  test('shows the secret only at the start that made it, and ends with ready', () => {
    for (const source of ['generated', 'file', 'environment'] as const) {
      const text = banner(input(source, '/data'));
      assert.equal(text.includes('thesecret'), source === 'generated', source);
      assert.ok(text.endsWith('\nready\n'));
      assert.match(text, /S3 {5}http:\/\/127.0.0.1:9000\n/);
    }
  });

  test('the shell finds the secret in a directory of any name', (context) => {
    const directory = join(temporaryDirectory(context), `it's "odd" $HOME`);
    execFileSync('mkdir', [directory]);
    const values = input('file', directory);
    writeFileSync(values.credentialsFile, JSON.stringify(values.credentials));
    const line = banner(values)
      .split('\n')
      .find((text) => text.includes('export AWS_SECRET_ACCESS_KEY'));
    const out = execFileSync('bash', ['-c', `${line}; printf %s "$AWS_SECRET_ACCESS_KEY"`]);
    assert.equal(out.toString(), 'thesecret');
  });
});
