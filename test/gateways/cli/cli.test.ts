import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { makeCommands, runCli } from '../../../gateways/cli/cli.ts';
import { temporaryDirectory } from '../../tools/temporary.ts';

// The command line without a system: parsing, help, refusals.

const commands = makeCommands(() => {
  throw new Error('no test here comes as far as starting something');
});

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(line: string, environment: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  let out = '';
  let err = '';
  const io = { out: (text: string) => (out += text), err: (text: string) => (err += text) };
  const argv = line.split(' ').filter((word) => word !== '');
  return { code: await runCli(commands, argv, environment, io), out, err };
}

describe('command line', () => {
  test('help lists what exists and nothing else', async () => {
    const { code, out } = await run('--help');
    assert.equal(code, 0);
    for (const { name } of commands) assert.match(out, new RegExp(`^  ${name}\\b`, 'm'));
    const start = await run('start --help');
    assert.equal(start.code, 0);
    assert.match(start.out, /--s3-port PORT .*default 9000/);
    assert.match(start.out, /LAMPYR_SECRET_KEY/);
    assert.doesNotMatch(start.out, /kafka|resp|mount|s3-read/);
    const user = await run('user --help');
    assert.match(user.out, /user add NAME/);
    assert.doesNotMatch(user.out, /^ {2}start/m);
  });

  test('nothing given prints the overview and is wrong usage', async () => {
    const { code, out } = await run('');
    assert.equal(code, 2);
    assert.match(out, /Usage: lampyr COMMAND/);
  });

  for (const [line, pattern] of [
    ['frobnicate', /unknown command 'frobnicate'; commands: start, status/],
    ['user frob', /unknown command 'user frob'; commands: user add, user list, user remove/],
    ['start --frob', /unknown flag --frob; accepted: --data, --host, --s3-port/],
    ['start -x', /unknown flag -x/],
    ['start --s3-port', /--s3-port needs a value: --s3-port PORT/],
    ['start --data --json', /--data needs a value: --data DIR/],
    ['start --s3-port ninety', /--s3-port: got 'ninety', accepted: a port: 0 to 65535/],
    ['start --s3-port 65536', /--s3-port: got '65536', accepted: a port/],
    ['start --s3-port=1.5', /--s3-port: got '1.5', accepted: a port/],
    ['start --s3-domain 0.0.1', /--s3-domain: got '0.0.1', accepted: domain names/],
    ['start --s3-domain a..b', /--s3-domain: got 'a..b', accepted: domain names/],
    ['start --admin-port=', /--admin-port: got '', accepted: a port/],
    ['start --json=yes', /--json takes no value/],
    ['start --replicas 6', /--replicas: got '6', accepted: copies of every chunk: 1 to 5/],
    ['start --log-level loud', /--log-level: got 'loud', accepted: debug, info, warn, error/],
    [
      'start --kafka-port 9092',
      /--kafka-port does not work yet: this door is not built.*accepted: /,
    ],
    ['start --s3-read-port 1', /--s3-read-port does not work yet: reader processes/],
    ['start --mount /mnt', /--mount does not work yet: the file mount/],
    ['start extra', /unexpected argument 'extra'/],
    ['user add', /NAME is missing/],
    ['user add a b', /unexpected argument 'b'/],
    ['user add a/b', /NAME: got 'a\/b', accepted: 1 to 64/],
    ['user add a --id 12', /--id: got '12', accepted: 64 lower-case hex digits/],
    ['user add a --secret-key short', /--secret-key: .*accepted: 8 to 128/],
  ] as const)
    test(`refuses: lampyr ${line}`, async () => {
      const { code, out, err } = await run(line);
      assert.equal(code, 2, err);
      assert.equal(out, '');
      assert.match(err, pattern);
      assert.match(err, /see: lampyr/);
    });

  test('environment variables are checked like flags and named in the message', async () => {
    const wrong = await run('start', { LAMPYR_S3_PORT: 'x' });
    assert.equal(wrong.code, 2);
    assert.match(wrong.err, /LAMPYR_S3_PORT: got 'x', accepted: a port/);
    const half = await run('start', { LAMPYR_ACCESS_KEY: 'only-one' });
    assert.equal(half.code, 2);
    assert.match(half.err, /LAMPYR_ACCESS_KEY and LAMPYR_SECRET_KEY go together/);
  });

  test('a secret key is never repeated in a message', async () => {
    const { code, err } = await run('start', {
      LAMPYR_ACCESS_KEY: 'key',
      LAMPYR_SECRET_KEY: 'with blank',
    });
    assert.equal(code, 2);
    assert.match(err, /LAMPYR_SECRET_KEY: accepted: 8 to 128/);
    assert.doesNotMatch(err, /with blank/);
  });

  test('commands on a directory where nothing runs say how to start', async (context) => {
    const data = temporaryDirectory(context);
    for (const command of ['status', 'user list']) {
      // oxlint-disable-next-line no-await-in-loop -- one after another reads better on failure
      const { code, out, err } = await run(`${command} --data ${data}`);
      assert.equal(code, 1);
      assert.equal(out, '');
      assert.match(err, /no system runs on .*lampyr start --data/);
    }
    const fsck = await run(`fsck --data ${join(data, 'none')}`);
    assert.equal(fsck.code, 1);
    assert.match(fsck.err, /is no data directory/);
  });

  test('version', async () => {
    assert.match((await run('version')).out, /^\d+\.\d+\.\d+\n$/);
  });
});
