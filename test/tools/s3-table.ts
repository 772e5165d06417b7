// docs/protocols/s3.md from the operation table: `npm run conformance:table` writes it, and a test fails when it
// differs from what the code registers.

import { mkdirSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type Operation, type Scope, operations } from '../../protocols/s3/operations.ts';

export const tablePath = new URL('../../../docs/protocols/s3.md', import.meta.url);

const intro = `# S3: what is offered

Generated from \`protocols/s3/operations.ts\` by \`npm run conformance:table\`; a test fails when it differs. The table lists every
operation of the service model in the AWS SDKs, and browsers' form uploads and preflights beside.

- **yes**: does what S3 does.
- **empty**: the setting cannot be made yet; reading it answers what S3 answers when nothing was configured.
- **501**: answers \`NotImplemented\` in XML. So does every sub-resource that no row names; nothing falls through to another operation.

## Choices

- Signature Version 4 in header or query, every payload mode; anonymous requests and Signature Version 2 are refused. The system's
  region and \`us-east-1\` are accepted in signatures.
- Path style always; virtual-host style below the domains of \`--s3-domain\`, which is \`localhost\` when not given.
- Objects are private to the owner of their bucket. The canned ACLs \`private\`, \`public-read\`, \`bucket-owner-read\` and
  \`bucket-owner-full-control\` are accepted and grant nothing more (GetObjectAcl says so); other ACLs and grants answer 501.
- Headers that ask for encryption, object lock or appends answer 501; none is ignored.
- CreateBucket of a bucket that one owns answers 200 in us-east-1 and 409 BucketAlreadyOwnedByYou elsewhere, as S3 does.
- Storage classes are stored and shown, and change nothing. Tags are a set, kept sorted by key.
- User metadata comes back byte for byte, also when it is not ASCII.
- Multi-range requests answer the whole object, as S3 does. A part number that an object does not have is 400 InvalidPart.
- Buckets may be versioned: \`Enabled\` and \`Suspended\`, delete markers, every call by version id. MFA delete answers 501.
`;

const shown = { implemented: 'yes', truthful: 'empty', notImplemented: '501' } as const;
const paths: Record<Scope, string> = { service: '/', bucket: '/bucket', object: '/bucket/key' };

function requestOf({ method, scope, subResource, when }: Operation): string {
  const [name, value] = when?.query ?? [];
  const query = [
    ...(subResource === undefined ? [] : [subResource]),
    ...(name === undefined ? [] : [value === undefined ? name : `${name}=${value}`]),
  ];
  const target = query.length === 0 ? paths[scope] : `${paths[scope]}?${query.join('&')}`;
  const header = when?.header === undefined ? '' : ` with \`${when.header}\``;
  return `\`${method} ${target}\`${header}`;
}

const count = (status: Operation['status']): number =>
  operations.filter((operation) => operation.status === status).length;

export function s3Table(): string {
  const rows = operations.map(
    (operation) => `| ${operation.name} | ${requestOf(operation)} | ${shown[operation.status]} |`,
  );
  return `${intro}
## Operations

${count('implemented')} yes, ${count('truthful')} empty, ${count('notImplemented')} answered by 501.

| operation | request | offered |
|---|---|---|
${rows.join('\n')}
`;
}

const entry = process.argv[1];
if (entry !== undefined && import.meta.url === pathToFileURL(entry).href) {
  mkdirSync(new URL('.', tablePath), { recursive: true });
  writeFileSync(tablePath, s3Table());
}
