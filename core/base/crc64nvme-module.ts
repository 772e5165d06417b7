// A WebAssembly module for CRC64NVME, assembled here from named instructions, so that no opaque binary
// sits in the repository. It exports
//
//   memory                       tables (32 KiB) at 0, input (64 KiB) at 64 KiB
//   update(crc, at, end) -> crc  the register over the bytes [at, end) of memory: slicing by 16, each
//                                step looks 16 bytes up in 16 tables
//   multiply(a, b) -> product    a(x) * b(x) modulo the polynomial, both reflected
//
// The caller fills the tables (table t of byte b: the register b after t further zero bytes).
// Encoding: WebAssembly Core Specification 1.0, section 5 (Binary Format).

export const tableCount = 16;
export const inputAt = 64 * 1024;
export const inputBytesMax = 64 * 1024;

type Code = readonly number[];

const i32 = 0x7f;
const i64 = 0x7e;

function unsigned(value: number): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

function signed(value: bigint): Code {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>= 7n) {
    const byte = Number(rest & 0x7fn);
    const last = rest >> 6n === 0n || rest >> 6n === -1n;
    bytes.push(last ? byte : byte | 0x80);
    if (last) return bytes;
  }
}

const vector = (items: readonly Code[]): Code => [...unsigned(items.length), ...items.flat()];
const section = (number: number, content: Code): Code => [
  number,
  ...unsigned(content.length),
  ...content,
];
const name = (text: string): Code => vector(Array.from(text, (c) => [c.charCodeAt(0)]));

// --- instructions
const get = (local: number): Code => [0x20, ...unsigned(local)];
const set = (local: number): Code => [0x21, ...unsigned(local)];
const i32Const = (value: number): Code => [0x41, ...signed(BigInt(value))];
const i64Const = (value: bigint): Code => [0x42, ...signed(BigInt.asIntN(64, value))];
/** Operand on the stack: the address. */
const i64Load = (offset: number): Code => [0x29, 0, ...unsigned(offset)];
const i64Load8 = (offset: number): Code => [0x31, 0, ...unsigned(offset)];
const block = (body: Code): Code => [0x02, 0x40, ...body, 0x0b];
const loop = (body: Code): Code => [0x03, 0x40, ...body, 0x0b];
const branch = (depth: number): Code => [0x0c, depth];
const branchIf = (depth: number): Code => [0x0d, depth];
const i32Add = 0x6a;
const i32Sub = 0x6b;
const i32LessUnsigned = 0x49;
const i32GreaterOrEqualUnsigned = 0x4f;
const i64EqualsZero = 0x50;
const i64Sub = 0x7d;
const i64And = 0x83;
const i64Xor = 0x85;
const i64ShiftLeft = 0x86;
const i64ShiftRightUnsigned = 0x88;
const i32Wrap = 0xa7;

/** Table `table` looked up at byte `index` of the i64 in `local`. An entry is 8 bytes: index << 3. */
function lookUp(table: number, local: number, index: number): Code {
  const shift: Code =
    index === 0
      ? [...i64Const(3n), i64ShiftLeft]
      : [...i64Const(BigInt(8 * index - 3)), i64ShiftRightUnsigned];
  return [
    ...get(local),
    ...shift,
    ...i64Const(0x7f8n),
    i64And,
    i32Wrap,
    ...i64Load(table * 256 * 8),
  ];
}

/** (crc: i64, at: i32, end: i32) -> i64, locals x and y: i64 */
function updateBody(): Code {
  const [crc, at, end, x, y] = [0, 1, 2, 3, 4] as const;
  const sixteen: number[] = [...lookUp(15, x, 0)];
  for (let index = 1; index < 8; index++) sixteen.push(...lookUp(15 - index, x, index), i64Xor);
  for (let index = 0; index < 8; index++) sixteen.push(...lookUp(7 - index, y, index), i64Xor);
  const bulk = loop([
    ...get(end),
    ...get(at),
    i32Sub,
    ...i32Const(16),
    i32LessUnsigned,
    ...branchIf(1),
    ...get(at),
    ...i64Load(0),
    ...get(crc),
    i64Xor,
    ...set(x),
    ...get(at),
    ...i64Load(8),
    ...set(y),
    ...sixteen,
    ...set(crc),
    ...get(at),
    ...i32Const(16),
    i32Add,
    ...set(at),
    ...branch(0),
  ]);
  const rest = loop([
    ...get(at),
    ...get(end),
    i32GreaterOrEqualUnsigned,
    ...branchIf(1),
    ...get(at),
    ...i64Load8(0),
    ...get(crc),
    i64Xor,
    ...set(x),
    ...lookUp(0, x, 0),
    ...get(crc),
    ...i64Const(8n),
    i64ShiftRightUnsigned,
    i64Xor,
    ...set(crc),
    ...get(at),
    ...i32Const(1),
    i32Add,
    ...set(at),
    ...branch(0),
  ]);
  return [...block(bulk), ...block(rest), ...get(crc)];
}

/** (a: i64, b: i64) -> i64, local product: i64 */
function multiplyBody(polynomial: bigint): Code {
  const [a, b, product] = [0, 1, 2] as const;
  /** All ones when the bit on the stack is 1. */
  const mask = (bit: Code): Code => [...i64Const(0n), ...bit, i64Sub];
  const steps = loop([
    ...get(a),
    i64EqualsZero,
    ...branchIf(1),
    ...mask([...get(a), ...i64Const(63n), i64ShiftRightUnsigned]),
    ...get(b),
    i64And,
    ...get(product),
    i64Xor,
    ...set(product),
    ...get(a),
    ...i64Const(1n),
    i64ShiftLeft,
    ...set(a),
    ...mask([...get(b), ...i64Const(1n), i64And]),
    ...i64Const(polynomial),
    i64And,
    ...get(b),
    ...i64Const(1n),
    i64ShiftRightUnsigned,
    i64Xor,
    ...set(b),
    ...branch(0),
  ]);
  return [...block(steps), ...get(product)];
}

function functionBody(locals: Code, code: Code): Code {
  const body = [...vector(locals.length === 0 ? [] : [locals]), ...code, 0x0b];
  return [...unsigned(body.length), ...body];
}

/** Magic number and version 1. */
const preamble: Code = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** The module's bytes for a reflected polynomial. */
export function assembleModule(polynomial: bigint): Uint8Array {
  const pages = (inputAt + inputBytesMax) / (64 * 1024);
  return Uint8Array.from([
    ...preamble,
    ...section(
      1,
      vector([
        [0x60, ...vector([[i64], [i32], [i32]]), ...vector([[i64]])],
        [0x60, ...vector([[i64], [i64]]), ...vector([[i64]])],
      ]),
    ),
    ...section(3, vector([[0], [1]])),
    ...section(5, vector([[0, ...unsigned(pages)]])),
    ...section(
      7,
      vector([
        [...name('memory'), 2, 0],
        [...name('update'), 0, 0],
        [...name('multiply'), 0, 1],
      ]),
    ),
    ...section(
      10,
      vector([
        functionBody([2, i64], updateBody()),
        functionBody([1, i64], multiplyBody(polynomial)),
      ]),
    ),
  ]);
}
