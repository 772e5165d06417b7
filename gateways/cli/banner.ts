// What `lampyr start` prints when the system is ready: where the doors are, the root's keys at the first
// start, and commands to try that run as they stand (test/e2e/banner.test.ts runs them). Pure.

import type { Ready } from '../launcher/launcher.ts';

export interface BannerInput extends Ready {
  readonly version: string;
  readonly dataDir: string;
  readonly credentialsFile: string;
}

/** Ends with a line `ready`. The secret key is in it only when this start generated it. */
export function banner(input: BannerInput): string {
  const { endpoints, version, dataDir } = input;
  return [
    `Lampyr ${version} serves ${dataDir}`,
    '',
    `  S3     ${endpoints.s3}`,
    `  admin  ${endpoints.admin}  (/healthz /readyz /metrics)`,
    '',
    ...credentialLines(input),
    '',
    'Try it, with the AWS CLI:',
    ...tryAws(input),
    '',
    'or with boto3, in the same shell:',
    ...tryBoto3(endpoints.s3),
    '',
    `Stop with Ctrl-C. Another user: lampyr user add NAME --data ${shellQuote(dataDir)}`,
    'ready',
    '',
  ].join('\n');
}

function credentialLines({ credentials, credentialsFile }: BannerInput): string[] {
  const accessKey = `  access key  ${credentials.accessKey}`;
  switch (credentials.source) {
    case 'generated':
      return [
        `Root credentials, shown this once and kept in ${credentialsFile}:`,
        accessKey,
        `  secret key  ${credentials.secretKey}`,
      ];
    case 'file':
      return [`Root credentials are in ${credentialsFile}:`, accessKey];
    case 'environment':
      return ['Root credentials are LAMPYR_ACCESS_KEY and LAMPYR_SECRET_KEY:', accessKey];
  }
}

function tryAws(input: BannerInput): string[] {
  const aws = `aws --endpoint-url ${input.endpoints.s3}`;
  return [
    `  export AWS_ACCESS_KEY_ID=${input.credentials.accessKey}`,
    `  export AWS_SECRET_ACCESS_KEY=${secretForShell(input)}`,
    '  export AWS_DEFAULT_REGION=us-east-1',
    `  ${aws} s3 mb s3://demo`,
    `  echo hello | ${aws} s3 cp - s3://demo/hello.txt`,
    `  ${aws} s3 ls s3://demo`,
    `  ${aws} s3 cp s3://demo/hello.txt -`,
  ];
}

function tryBoto3(endpoint: string): string[] {
  const program = [
    'import boto3',
    `s3 = boto3.client("s3", endpoint_url="${endpoint}")`,
    's3.put_object(Bucket="demo", Key="from-python", Body=b"hello")',
    'print(s3.get_object(Bucket="demo", Key="from-python")["Body"].read())',
  ];
  return [`  python3 -c '${program.join('; ')}'`];
}

/** Never the secret itself: a banner may end up in a log. */
function secretForShell({ credentials, credentialsFile }: BannerInput): string {
  if (credentials.source === 'environment') return '"$LAMPYR_SECRET_KEY"';
  const program = `require(${JSON.stringify(credentialsFile)}).secretKey`;
  return `"$(node -p ${shellQuote(program)})"`;
}

function shellQuote(text: string): string {
  return /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
