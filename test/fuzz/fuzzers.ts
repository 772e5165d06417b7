// All fuzzers, in the order of `npm run fuzz -- all`.

import { diskFuzzer } from './disk.ts';
import { doorFuzzer } from './door.ts';
import type { Fuzzer } from './fuzzer.ts';
import { metadataFuzzer } from './metadata.ts';
import { rpcFuzzer } from './rpc.ts';
import { bodyFuzzer } from './s3-body.ts';
import { requestFuzzer } from './s3-request.ts';
import { xmlFuzzer } from './s3-xml.ts';

export const fuzzers: readonly Fuzzer[] = [
  bodyFuzzer,
  requestFuzzer,
  xmlFuzzer,
  doorFuzzer,
  rpcFuzzer,
  metadataFuzzer,
  diskFuzzer,
];
