/**
 * The bytes of a reconciliation message, and how they are read and written (docs/protocol.md holds the same tables).
 *
 * A message must be small, and it names nothing that both sides can infer. So every message answers, in order, each
 * **element** that the peer's last message opened: the summary of a range, a list of tags, or a list of whole mixes.
 * The first message answers one element: an unstated summary of the whole space.
 *
 * | part   | size                   | meaning                                                                           |
 * |--------|------------------------|-----------------------------------------------------------------------------------|
 * | bits   | sum over the elements, | summary: 2 bits, an op. List of n tags: n wanted bits, then 1 bit, "doubt".       |
 * |        | whole bytes            | List of n mixes: n wanted bits. Lowest bit first; the rest of the last byte is 0. |
 * | bodies | the rest               | in the order of the elements that have one                                        |
 *
 * | op | name   | body                                       | says of the range                               | opens       |
 * |----|--------|--------------------------------------------|-------------------------------------------------|-------------|
 * | 0  | CLOSED | none                                       | you hold nothing that I lack                    | nothing     |
 * | 1  | WANT   | tag, 4 bytes                               | of your items I lack one, with this tag         | nothing     |
 * | 2  | TAGS   | n varint, n tags of 4 bytes, ascending     | all my items                                    | 1 if n > 0  |
 * | 3  | SPLIT  | 2 f + asked varint, f summaries: count     | its f equal parts, and what I hold in each      | f summaries |
 * |    |        | varint, then, if count > 0, xor 4 bytes    |                                                 |             |
 * |    |        | and sum 4 bytes                            |                                                 |             |
 * | doubt bit | | n varint, n mixes: position 4, tag 4       | my items whose tags do not tell them apart      | 1           |
 *
 * `asked` = 1 means: most of this range differs, so list what cannot be decoded rather than divide it. This is advice,
 * and ignoring it is never wrong. Little-endian. A varint is base 128, lowest group first, at most 2^32 - 1, and as
 * short as possible.
 *
 * The reader never reads past the end of a message and never throws. It keeps the first refusal that it met, and reads
 * zeros from then on.
 */

export const CLOSED = 0;
export const WANT = 1;
export const TAGS = 2;
export const SPLIT = 3;
export const OP_BITS = 2;

export const ITEM_TAG_BYTES = 4;
export const MIX_BYTES = 8;
export const VARINT_BYTES_MAX = 5;
/** The body of a SPLIT into one part at its largest. Any op can be replaced by this SPLIT when room is short. */
export const SMALLEST_SPLIT_BYTES_MAX = 1 + VARINT_BYTES_MAX + 4 + 4;

/**
 * short: the message ends before what it states. trailing: bytes follow the last body. padding: an unused bit of the
 * bits is set. varint: a varint is not as short as possible, or is above 2^32 - 1.
 */
export type MalformedMessage = "short" | "trailing" | "padding" | "varint";

export class MessageReader {
  refusal: MalformedMessage | undefined = undefined;
  bytes: Uint8Array = new Uint8Array(0);
  /** Where the next byte of the bodies is. */
  at = 0;
  #end = 0;
  #bitsAt = 0;
  #bitNext = 0;
  #bitsEnd = 0;

  /** Read a message of `length` bytes at `offset`, of which the first hold `bits` bits. */
  begin(bytes: Uint8Array, offset: number, length: number, bits: number): void {
    this.bytes = bytes;
    this.refusal = undefined;
    this.#bitsAt = offset;
    this.#bitNext = 0;
    this.#bitsEnd = bits;
    this.#end = offset + length;
    this.at = offset + bitsToBytes(bits);
    if (this.at > this.#end) this.#refuse("short");
    else if ((bits & 7) !== 0 && bytes[this.at - 1]! >>> (bits & 7) !== 0) this.#refuse("padding");
  }

  bit(): number {
    const bit = this.#bitNext;
    if (this.refusal !== undefined || bit >= this.#bitsEnd) return 0;
    this.#bitNext = bit + 1;
    return (this.bytes[this.#bitsAt + (bit >>> 3)]! >>> (bit & 7)) & 1;
  }

  skipBits(bits: number): void {
    this.#bitNext += bits;
  }

  op(): number {
    const low = this.bit();
    return low | (this.bit() << 1);
  }

  varint(): number {
    let value = 0;
    let unit = 1;
    for (let group = 0; group < VARINT_BYTES_MAX; group += 1) {
      if (!this.skip(1)) return 0;
      const byte = this.bytes[this.at - 1]!;
      value += (byte & 0x7f) * unit;
      if (byte < 0x80) {
        if ((byte === 0 && group > 0) || value > 0xffffffff) break;
        return value;
      }
      unit *= 128;
    }
    this.#refuse("varint");
    return 0;
  }

  word(): number {
    return this.skip(4) ? readWord(this.bytes, this.at - 4) : 0;
  }

  /** Step over so many bytes of the bodies. False, and refused, when there are fewer. */
  skip(bytes: number): boolean {
    if (this.refusal !== undefined) return false;
    if (bytes > this.#end - this.at) {
      this.#refuse("short");
      return false;
    }
    this.at += bytes;
    return true;
  }

  /** After the last body: refuse a message that has more bytes. */
  finish(): void {
    if (this.refusal === undefined && this.at !== this.#end) this.#refuse("trailing");
  }

  #refuse(reason: MalformedMessage): void {
    this.refusal = reason;
    this.at = this.#end;
  }
}

export class MessageWriter {
  out: Uint8Array = new Uint8Array(0);
  /** Where the next byte of the bodies goes. At the end this is the length of the message. */
  at = 0;
  #bitNext = 0;

  /** Start a message at the beginning of `out`, whose first part holds `bits` bits. */
  begin(out: Uint8Array, bits: number): void {
    this.out = out;
    this.#bitNext = 0;
    this.at = bitsToBytes(bits);
    for (let byte = 0; byte < this.at; byte += 1) out[byte] = 0;
  }

  bit(value: number): void {
    const bit = this.#bitNext;
    this.out[bit >>> 3] = this.out[bit >>> 3]! | (value << (bit & 7));
    this.#bitNext = bit + 1;
  }

  op(op: number): void {
    this.bit(op & 1);
    this.bit(op >>> 1);
  }

  varint(value: number): void {
    this.at = writeVarint(this.out, this.at, value);
  }

  word(value: number): void {
    writeWord(this.out, this.at, value);
    this.at += 4;
  }
}

function bitsToBytes(bits: number): number {
  return (bits + 7) >>> 3;
}

/** Write `value` (an integer 0 .. 2^32 - 1) and return where the next byte goes. */
export function writeVarint(out: Uint8Array, at: number, value: number): number {
  let rest = value >>> 0;
  let next = at;
  while (rest > 0x7f) {
    out[next] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
    next += 1;
  }
  out[next] = rest;
  return next + 1;
}

/** Read a little-endian word as a signed 32-bit integer. */
export function readWord(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

export function writeWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
