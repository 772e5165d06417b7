// Configuration from humans: flags and environment through one zod schema per command. A flag wins over its
// environment variable, which wins over the default. Wrong values are named with the flag and what it
// accepts. The only place, beside the admin API's bodies, where zod is used.

import { resolve } from 'node:path';
import { z } from 'zod';
import { limits } from '../core/base/limits.ts';
import { rules } from '../core/model/identities/rules.ts';
import { logFormats, logLevels } from './roles/role.ts';

// Not z.coerce: it takes '' and blanks for 0.
const port = z
  .string()
  .refine((text) => /^\d{1,5}$/.test(text) && Number(text) <= 65_535, {
    error: 'a port: 0 to 65535, 0 for any free one',
  })
  .transform(Number);

const dataDir = z
  .string()
  .min(1, 'a directory')
  .refine((path) => !path.includes('\0'), 'a directory')
  .transform((path) => resolve(path));

export const defaults = {
  data: './lampyr-data',
  host: '127.0.0.1',
  s3Port: 9000,
  // Every resolver that follows RFC 6761 finds bucket.localhost here, and SDKs try it first.
  s3Domain: 'localhost',
  adminPort: 9300,
};

const domainsMax = 16;
// The last label holds a letter: below a suffix of an IP address every address would be a bucket.
const domainName =
  /^(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{0,62}[a-z][a-z0-9-]{0,62}$/;

const domains = z
  .string()
  .transform((text) =>
    text
      .toLowerCase()
      .split(',')
      .filter((name) => name !== ''),
  )
  .refine((names) => names.length <= domainsMax && names.every((name) => domainName.test(name)), {
    error: `domain names with commas between, at most ${domainsMax}`,
  });

export const dataSchema = z.object({ data: dataDir.default(resolve(defaults.data)) });

const startMembers = dataSchema.extend({
  host: z
    .string()
    .regex(/^[A-Za-z0-9.:_-]{1,255}$/, 'an IP address or host name of this machine')
    .default(defaults.host),
  s3Port: port.default(defaults.s3Port),
  s3Domain: domains.default([defaults.s3Domain]),
  adminPort: port.default(defaults.adminPort),
  replicas: z
    .string()
    .refine(
      (text) => /^\d$/.test(text) && Number(text) >= 1 && Number(text) <= limits.replicasMax,
      {
        error: `copies of every chunk: 1 to ${limits.replicasMax}`,
      },
    )
    .transform(Number)
    .optional(),
  disks: z
    .string()
    .transform((text) => text.split(',').filter((dir) => dir !== ''))
    .refine((dirs) => dirs.length > 0 && dirs.every((dir) => !dir.includes('\0')), {
      error: 'folders with commas between',
    })
    .transform((dirs) => dirs.map((dir) => resolve(dir)))
    .optional(),
  logLevel: z.enum(logLevels, logLevels.join(', ')).default('info'),
  logFormat: z
    .enum([...logFormats, 'auto'], `${logFormats.join(', ')}, auto`)
    .default('auto')
    .transform((format) =>
      format !== 'auto' ? format : process.stderr.isTTY ? ('text' as const) : ('json' as const),
    ),
  accessKey: ruled('accessKey').optional(),
  secretKey: ruled('secretKey').optional(),
});

export const startSchema = startMembers.refine(
  ({ accessKey, secretKey }) => (accessKey === undefined) === (secretKey === undefined),
  'LAMPYR_ACCESS_KEY and LAMPYR_SECRET_KEY go together: set both or none',
);
export type StartConfig = z.infer<typeof startSchema>;

/** A user's name and keys, with the rules of the identity store. */
export const userSchema = z.object({
  name: ruled('name'),
  displayName: ruled('displayName').optional(),
  id: ruled('id').optional(),
  accessKey: ruled('accessKey').optional(),
  secretKey: ruled('secretKey').optional(),
});

function ruled(field: keyof typeof rules): z.ZodString {
  const { pattern, meaning } = rules[field];
  return z.string(meaning).regex(pattern, meaning);
}
