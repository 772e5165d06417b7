// Configuration from humans: flags and environment through one zod schema per command. A flag wins over its
// environment variable, which wins over the default. Wrong values are named with the flag and what it
// accepts. The only place, beside the admin API's bodies, where zod is used.

import { resolve } from 'node:path';
import { z } from 'zod';
import { logFormats, logLevels } from './roles/role.ts';

const port = z.coerce
  .number('a port: 0 to 65535, 0 for any free one')
  .int('a port: 0 to 65535, 0 for any free one')
  .min(0, 'a port: 0 to 65535, 0 for any free one')
  .max(65_535, 'a port: 0 to 65535, 0 for any free one');

const dataDir = z
  .string()
  .min(1, 'a directory')
  .refine((path) => !path.includes('\0'), 'a directory')
  .transform((path) => resolve(path));

export const defaults = { data: './lampyr-data', host: '127.0.0.1', s3Port: 9000, adminPort: 9300 };

export const dataSchema = z.object({ data: dataDir.default(resolve(defaults.data)) });

export const accessKeySchema = z
  .string()
  .regex(/^[A-Za-z0-9_.-]{3,128}$/, '3 to 128 letters, digits, "_", "." or "-"');
export const secretKeySchema = z
  .string()
  .regex(/^[\x21-\x7e]{8,128}$/, '8 to 128 printable ASCII characters without blanks');

export const startSchema = dataSchema.extend({
  host: z
    .string()
    .regex(/^[A-Za-z0-9.:_-]{1,255}$/, 'an IP address or host name of this machine')
    .default(defaults.host),
  s3Port: port.default(defaults.s3Port),
  adminPort: port.default(defaults.adminPort),
  replicas: z
    .literal('1', '1 (chain replication is not built yet, see docs/roadmap.md)')
    .default('1'),
  logLevel: z.enum(logLevels, logLevels.join(', ')).default('info'),
  logFormat: z
    .enum([...logFormats, 'auto'], `${logFormats.join(', ')}, auto`)
    .default('auto')
    .transform((format) =>
      format !== 'auto' ? format : process.stderr.isTTY ? ('text' as const) : ('json' as const),
    ),
  accessKey: accessKeySchema.optional(),
  secretKey: secretKeySchema.optional(),
});
export type StartConfig = z.infer<typeof startSchema>;
