// Memory that begins on a page: what a file that bypasses the page cache is written from (O_DIRECT, open(2)).
// JavaScript promises an aligned address in one place only, the memory of WebAssembly. Such a memory takes
// 10 GiB of address space and of memory only the pages that were touched: for buffers that are used again.

import { Buffer } from 'node:buffer';
import { KiB } from './limits.ts';

/** Pages of files and of the kernel, and no smaller than the blocks of any disk. */
export const memoryPageBytes = 4 * KiB;
/** WebAssembly Core Specification 1.0, section 4.2.8. */
const wasmPageBytes = 64 * KiB;

/** What of the JavaScript API is used here (the compiler's library has it with the DOM only). */
declare const WebAssembly: {
  Memory: new (size: { initial: number }) => { readonly buffer: ArrayBuffer };
};

const aligned = new WeakSet<ArrayBufferLike>();

/** Zeroed memory of whole units of 64 KiB, at least `bytes`; on a page unless the address space is short. */
export function allocatePages(bytes: number): Buffer {
  const units = Math.ceil(bytes / wasmPageBytes);
  try {
    const { buffer } = new WebAssembly.Memory({ initial: units });
    aligned.add(buffer);
    return Buffer.from(buffer);
  } catch {
    // RangeError: a limit on address space (ulimit -v). Slower, not wrong.
    return Buffer.alloc(units * wasmPageBytes);
  }
}

/** Whether the view begins on a page; false when nobody can know. */
export function isPageAligned(view: Uint8Array): boolean {
  return view.byteOffset % memoryPageBytes === 0 && aligned.has(view.buffer);
}
