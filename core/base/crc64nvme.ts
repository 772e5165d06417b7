// CRC64NVME (NVM Express Base Specification, "64b CRC"; polynomial 0xad93d23594c93659), the checksum that
// AWS computes by default and that some clients send. Node has no native code for it: the work per byte
// runs in WebAssembly (crc64nvme-module.ts), through a 64 KiB window into which input is copied.
// Synchronous; the window is reused, so nothing is kept between calls.

import { assembleModule, inputAt, inputBytesMax, tableCount } from './crc64nvme-module.ts';

/** Reflected. */
const polynomial = 0x9a6c9329ac4bc9b5n;
const allOnes = 0xffff_ffff_ffff_ffffn;

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly update: (crc: bigint, at: number, end: number) => bigint;
  readonly multiply: (a: bigint, b: bigint) => bigint;
}

/** What is needed of the global, which the types of Node 20 lack. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

interface Machine extends Exports {
  readonly input: Uint8Array;
}

let machine: Machine | undefined;

/** Assembled at first use: a process that sees no such checksum does not pay for it. */
function use(): Machine {
  if (machine !== undefined) return machine;
  const module = new WebAssembly.Module(assembleModule(polynomial));
  const { memory, update, multiply } = new WebAssembly.Instance(module).exports as Exports;
  fillTables(new BigUint64Array(memory.buffer, 0, tableCount * 256));
  const input = new Uint8Array(memory.buffer, inputAt, inputBytesMax);
  machine = { memory, update, multiply, input };
  return machine;
}

/** Entry t * 256 + b: the register b after 8 + 8t steps. */
function fillTables(tables: BigUint64Array): void {
  for (let byte = 0; byte < 256; byte++) {
    let register = BigInt(byte);
    for (let bit = 0; bit < 8; bit++) {
      register = register & 1n ? (register >> 1n) ^ polynomial : register >> 1n;
    }
    tables[byte] = register;
  }
  for (let at = 256; at < tables.length; at++) {
    const before = tables[at - 256] as bigint;
    tables[at] = (before >> 8n) ^ (tables[Number(before & 0xffn)] as bigint);
  }
}

/** CRC64NVME of `bytes` as a u64; `seed` is the CRC of what came before. */
export function crc64nvme(bytes: Uint8Array, seed = 0n): bigint {
  const { input, update } = use();
  let register = seed ^ allOnes;
  for (let at = 0; at < bytes.length; at += inputBytesMax) {
    const piece = bytes.subarray(at, at + inputBytesMax);
    input.set(piece);
    register = update(register, inputAt, inputAt + piece.length);
  }
  return BigInt.asUintN(64, register) ^ allOnes;
}

/** x^(2^k) modulo the polynomial, grown as needed. */
const squares: bigint[] = [1n << 62n];
/** Parts of an upload mostly have one length. */
let lastShift = { bytes: 0, operator: 1n << 63n };

/** x^(8 * bytes) modulo the polynomial. */
function shiftOperator(bytes: number): bigint {
  if (lastShift.bytes === bytes) return lastShift.operator;
  const { multiply } = use();
  let operator = 1n << 63n;
  let rest = bytes;
  for (let k = 3; rest > 0; k++) {
    while (squares.length <= k) {
      const last = squares.at(-1) as bigint;
      squares.push(multiply(last, last));
    }
    if (rest % 2 === 1) operator = multiply(squares[k] as bigint, operator);
    rest = Math.floor(rest / 2);
  }
  lastShift = { bytes, operator };
  return operator;
}

/** CRC64NVME of A followed by B, from crc(A), crc(B) and the length of B in bytes. */
export function crc64nvmeCombine(crcA: bigint, crcB: bigint, bytesB: number): bigint {
  if (bytesB === 0) return crcA;
  return BigInt.asUintN(64, use().multiply(shiftOperator(bytesB), crcA)) ^ crcB;
}
