import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, after, before, describe, test } from 'node:test';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { requireCommand, requirePython } from '../tools/require.ts';
import { type Scope, temporaryDirectory } from '../tools/temporary.ts';
import { type Running, run, start } from './command.ts';

// The commands that the banner and README.md tell people to try, taken from there and run as they stand.

const checkout = new URL('../../../', import.meta.url).pathname;

/** What a person's shell has set for other services must not matter. */
const clean: NodeJS.ProcessEnv = {
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  AWS_ACCESS_KEY_ID: '',
  AWS_PAGER: '',
};

/** What ends with this file's tests: a hook that is registered inside `before` would run right after it. */
const ends: (() => void)[] = [];
const file: Scope = { after: (action) => ends.push(action) };

let system: Running;
let banner = '';
let dataDir = '';
let endpoint = '';

before(async () => {
  dataDir = join(temporaryDirectory(file), 'data');
  const args = ['start', '--data', dataDir, '--s3-port', '0', '--admin-port', '0'];
  system = start(file, args);
  banner = await system.until('\nready\n');
  endpoint = /S3 +(http:\S+)/.exec(banner)?.[1] ?? '';
});

after(async () => {
  system.process.kill('SIGTERM');
  const { code } = await system.ended;
  for (const end of ends.toReversed()) end();
  assert.equal(code, 0);
});

async function shell(context: TestContext, script: string): Promise<string> {
  const { code, out, err } = await run(context, ['-euo', 'pipefail', '-c', script], {
    program: ['bash'],
    cwd: checkout,
    environment: { ...clean, LAMPYR_DATA: dataDir },
  });
  assert.equal(code, 0, `${script}\n${out}${err}`);
  return out;
}

/** The indented lines of the banner below a heading. */
function underHeading(heading: string): string {
  const [, rest = ''] = banner.split(`${heading}\n`);
  const lines = rest.split('\n');
  return lines
    .slice(
      0,
      lines.findIndex((line) => !line.startsWith('  ')),
    )
    .join('\n');
}

/** The shell blocks of README.md's section, on this test's port and directory. */
function readmeBlocks(section: string): string[] {
  const text = readFileSync(join(checkout, 'README.md'), 'utf8');
  const [, rest = ''] = text.split(`## ${section}\n`);
  const [own = ''] = rest.split('\n## ');
  return [...own.matchAll(/```sh\n([\s\S]*?)```/g)].map((match) =>
    (match[1] as string)
      .replaceAll('./lampyr-data', dataDir)
      .replaceAll('http://127.0.0.1:9000', endpoint),
  );
}

async function makeBucket(name: string): Promise<void> {
  const { accessKey, secretKey } = JSON.parse(
    readFileSync(join(dataDir, 'credentials.json'), 'utf8'),
  ) as Record<string, string>;
  const credentials = { accessKeyId: accessKey as string, secretAccessKey: secretKey as string };
  const s3 = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  await s3.send(new CreateBucketCommand({ Bucket: name })).catch((error: Error) => {
    if (error.name !== 'BucketAlreadyOwnedByYou') throw error;
  });
}

describe('commands of the banner', () => {
  test('AWS CLI', async (context) => {
    if (!requireCommand(context, 'aws')) return;
    const out = await shell(context, underHeading('Try it, with the AWS CLI:'));
    assert.match(out, /hello\.txt\n/);
    assert.match(out, /^hello$/m);
  });

  test('boto3', async (context) => {
    if (!requirePython(context, 'boto3')) return;
    await makeBucket('demo');
    const exports = underHeading('Try it, with the AWS CLI:')
      .split('\n')
      .filter((line) => line.includes('export '));
    const script = [...exports, underHeading('or with boto3, in the same shell:')].join('\n');
    assert.equal(await shell(context, script), "b'hello'\n");
  });
});

describe('commands of README.md', () => {
  const section = 'First things to try';

  test('AWS CLI', async (context) => {
    if (!requireCommand(context, 'aws')) return;
    const [aws = ''] = readmeBlocks(section);
    const out = await shell(context, aws);
    assert.match(out, /docs\/architecture\.md/);
    assert.match(out, /^hello$/m);
  });

  test('boto3', async (context) => {
    if (!requirePython(context, 'boto3')) return;
    await makeBucket('first');
    const [aws = '', python = ''] = readmeBlocks(section);
    const exports = aws.split('\n').filter((line) => line.startsWith('export '));
    const one = 's3.put_object(Bucket="first", Key="docs/one", Body=b"")';
    const script = python.replace('for page', `${one}\nfor page`);
    const out = await shell(context, `${exports.join('\n')}\n${script}`);
    assert.match(out, /^b'hello again'\n[1-9]\d* documents\n$/);
  });

  test('lampyr itself', async (context) => {
    const [, , lampyr = ''] = readmeBlocks(section);
    const out = await shell(context, lampyr);
    assert.match(out, /^core .*SERVING/m);
    assert.match(out, /^user ann added/m);
    assert.match(out, /^clean: /m);
  });
});
