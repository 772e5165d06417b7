// The clients that carry a tree into a bucket and out again. Each is what its users run, with its defaults.

import { execFile } from 'node:child_process';
import { createReadStream, createWriteStream, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import {
  CreateBucketCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import type { Lampyr } from '../tools/lampyr.ts';
import { filesBelow } from './tree.ts';

const run = promisify(execFile);
const outputBytesMax = 64 * 1024 * 1024;

export interface SyncClient {
  readonly name: string;
  /** The command that must be on the PATH; undefined for what npm installs. */
  readonly command: string | undefined;
  /** Makes the bucket and uploads the tree. */
  up(lampyr: Lampyr, bucket: string, folder: string): Promise<void>;
  down(lampyr: Lampyr, bucket: string, folder: string): Promise<void>;
}

export const awsEnvironment = (lampyr: Lampyr): NodeJS.ProcessEnv => ({
  ...process.env,
  AWS_ACCESS_KEY_ID: lampyr.accessKey,
  AWS_SECRET_ACCESS_KEY: lampyr.secretKey,
  AWS_DEFAULT_REGION: 'us-east-1',
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CONFIG_FILE: '/dev/null',
  AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  // Another system's settings would otherwise reach clients that speak plain HTTP to loopback.
  AWS_CA_BUNDLE: undefined,
  AWS_ENDPOINT_URL: undefined,
  AWS_PROFILE: undefined,
});

async function command(
  lampyr: Lampyr,
  file: string,
  commandArguments: string[],
  extra: NodeJS.ProcessEnv = {},
): Promise<void> {
  await run(file, commandArguments, {
    env: { ...awsEnvironment(lampyr), ...extra },
    maxBuffer: outputBytesMax,
  });
}

const aws: SyncClient = {
  name: 'aws s3 sync',
  command: 'aws',
  async up(lampyr, bucket, folder) {
    const endpoint = ['--endpoint-url', lampyr.endpoints.s3];
    await command(lampyr, 'aws', [...endpoint, 's3', 'mb', `s3://${bucket}`]);
    await command(lampyr, 'aws', [
      ...endpoint,
      's3',
      'sync',
      '--only-show-errors',
      folder,
      `s3://${bucket}/`,
    ]);
  },
  async down(lampyr, bucket, folder) {
    await command(lampyr, 'aws', [
      '--endpoint-url',
      lampyr.endpoints.s3,
      's3',
      'sync',
      '--only-show-errors',
      `s3://${bucket}/`,
      folder,
    ]);
  },
};

const boto3Script = new URL('../../../test/e2e/boto3_sync.py', import.meta.url).pathname;
const boto3: SyncClient = {
  name: 'boto3',
  command: 'python3',
  up: (lampyr, bucket, folder) =>
    command(lampyr, 'python3', [boto3Script, 'up', lampyr.endpoints.s3, bucket, folder]),
  down: (lampyr, bucket, folder) =>
    command(lampyr, 'python3', [boto3Script, 'down', lampyr.endpoints.s3, bucket, folder]),
};

const rcloneEnvironment = (lampyr: Lampyr): NodeJS.ProcessEnv => ({
  RCLONE_CONFIG: '/dev/null',
  RCLONE_CONFIG_LAMPYR_TYPE: 's3',
  RCLONE_CONFIG_LAMPYR_PROVIDER: 'Other',
  RCLONE_CONFIG_LAMPYR_ENV_AUTH: 'true',
  RCLONE_CONFIG_LAMPYR_ENDPOINT: lampyr.endpoints.s3,
});
const rclone: SyncClient = {
  name: 'rclone',
  command: 'rclone',
  async up(lampyr, bucket, folder) {
    await command(lampyr, 'rclone', ['mkdir', `lampyr:${bucket}`], rcloneEnvironment(lampyr));
    await command(
      lampyr,
      'rclone',
      ['sync', '--transfers', '8', folder, `lampyr:${bucket}`],
      rcloneEnvironment(lampyr),
    );
    await command(
      lampyr,
      'rclone',
      ['check', folder, `lampyr:${bucket}`],
      rcloneEnvironment(lampyr),
    );
  },
  down: (lampyr, bucket, folder) =>
    command(
      lampyr,
      'rclone',
      ['sync', '--transfers', '8', `lampyr:${bucket}`, folder],
      rcloneEnvironment(lampyr),
    ),
};

function sdkClient(lampyr: Lampyr): S3Client {
  return new S3Client({
    endpoint: lampyr.endpoints.s3,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: lampyr.accessKey, secretAccessKey: lampyr.secretKey },
  });
}

/** Runs `task` for every item, eight at a time. */
async function eachOf<T>(items: readonly T[], task: (item: T) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await task(items[next++] as T);
  };
  await Promise.all(Array.from({ length: 8 }, worker));
}

const sdk: SyncClient = {
  name: 'aws-sdk-js v3',
  command: undefined,
  async up(lampyr, bucket, folder) {
    const client = sdkClient(lampyr);
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    await eachOf(filesBelow(folder), (file) => {
      const path = join(folder, file);
      // A stream: the SDK sends it aws-chunked with a trailing checksum.
      const input = {
        Bucket: bucket,
        Key: file,
        Body: createReadStream(path),
        ContentLength: statSync(path).size,
      };
      return client.send(new PutObjectCommand(input));
    });
    client.destroy();
  },
  async down(lampyr, bucket, folder) {
    const client = sdkClient(lampyr);
    const keys: string[] = [];
    for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket })) {
      for (const item of page.Contents ?? []) keys.push(item.Key as string);
    }
    await eachOf(keys, async (key) => {
      const target = join(folder, key);
      mkdirSync(dirname(target), { recursive: true });
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      await pipeline(Body as Readable, createWriteStream(target));
    });
    client.destroy();
  },
};

export const syncClients: readonly SyncClient[] = [aws, boto3, rclone, sdk];
