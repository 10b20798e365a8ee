/**
 * The bytes of a Negentropy message (Negentropy Protocol V1; docs/negentropy.md holds the same table).
 *
 * | part        | bytes                          | meaning                                                               |
 * |-------------|--------------------------------|-----------------------------------------------------------------------|
 * | Message     | version 1, Range ...           | 0x61; ranges follow each other from zero; the rest is skipped         |
 * | Range       | Bound, mode varint, payload    | up to, not including, the bound; 0 Skip, 1 Fingerprint, 2 IdList      |
 * | Bound       | timestamp varint, size varint, | 0 is infinity, else 1 + the difference to the bound before; the first |
 * |             | prefix 0..32                   | bytes of an id, zeros after them                                      |
 * | Fingerprint | 16                             | first bytes of SHA-256(sum of the ids modulo 2^256, count varint)     |
 * | IdList      | count varint, ids of 32        | all ids of the sender in the range                                    |
 *
 * A varint is base 128, **highest** group first, at most 2^64 - 1, and as short as possible. modules/rbsr has another
 * varint (lowest group first, at most 2^32 - 1) and other ranges (equal parts without bounds). The two protocols share
 * an idea but no bytes, so their codecs share no code.
 *
 * The reader never reads past its end and never throws. It keeps the first reason for a refusal, and reads zeros from
 * then on. It refuses a bound below the bound before. A bound equal to the bound before is an empty range; a message
 * that was cut at its frame limit contains such ranges.
 */
import { compareRecords, ID_BYTES, INFINITY, RECORD_BYTES, TIMESTAMP_BYTES, viewOf } from "./record.ts";

export const PROTOCOL_VERSION = 0x61;
export const SKIP = 0;
export const FINGERPRINT = 1;
export const ID_LIST = 2;
export const FINGERPRINT_BYTES = 16;
export const VARINT_BYTES_MAX = 10;

/**
 * short: the message ends within a field. varint: longer than necessary, or above 2^64 - 1. timestamp: a sum at or
 * above infinity. prefix: longer than an id, or given to infinity. order: a bound below the bound before. mode: an
 * unknown mode. count: more ids than the remaining bytes can hold.
 */
export type MalformedMessage = "short" | "varint" | "timestamp" | "prefix" | "order" | "mode" | "count";

export interface Bound {
  /** A record: the timestamp and the prefix, with zeros after it. */
  readonly record: DataView;
  readonly prefixBytes: number;
}

export function boundAt(timestamp: bigint, prefix: Uint8Array): Bound {
  const bytes = new Uint8Array(RECORD_BYTES);
  const record = viewOf(bytes);
  record.setBigUint64(0, timestamp);
  bytes.set(prefix, TIMESTAMP_BYTES);
  return { record, prefixBytes: prefix.length };
}

const ZERO_BOUND: Bound = boundAt(0n, new Uint8Array(0));
export const INFINITE_BOUND: Bound = boundAt(INFINITY, new Uint8Array(0));

export function writeVarint(value: bigint): Uint8Array {
  const bytes = new Uint8Array(VARINT_BYTES_MAX);
  let at = VARINT_BYTES_MAX - 1;
  bytes[at] = Number(value & 0x7fn);
  for (let rest = value >> 7n; rest > 0n; rest >>= 7n) {
    at -= 1;
    bytes[at] = Number(rest & 0x7fn) | 0x80;
  }
  return bytes.subarray(at);
}

export class MessageReader {
  refusal: MalformedMessage | undefined = undefined;
  readonly #bytes: Uint8Array;
  #at = 0;
  #last: Bound = ZERO_BOUND;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get exhausted(): boolean {
    return this.#at === this.#bytes.length;
  }

  byte(): number {
    return this.bytes(1)[0] ?? 0;
  }

  /** The next `size` bytes, as a view. Empty when the message has fewer bytes left. */
  bytes(size: number): Uint8Array {
    if (size > this.#bytes.length - this.#at) {
      this.#refuse("short");
      return new Uint8Array(0);
    }
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  varint(): bigint {
    let value = 0n;
    for (let group = 0; group < VARINT_BYTES_MAX; group += 1) {
      const byte = this.byte();
      if (this.refusal !== undefined) return 0n;
      if (group === 0 && byte === 0x80) break;
      value = (value << 7n) | BigInt(byte & 0x7f);
      if (byte < 0x80) {
        if (value > INFINITY) break;
        return value;
      }
    }
    this.#refuse("varint");
    return 0n;
  }

  bound(): Bound {
    const last = this.#last;
    const encoded = this.varint();
    const size = this.varint();
    if (size > BigInt(ID_BYTES) || (encoded === 0n && size > 0n)) this.#refuse("prefix");
    const prefix = this.bytes(this.refusal === undefined ? Number(size) : 0);
    const timestamp = encoded === 0n ? INFINITY : last.record.getBigUint64(0) + encoded - 1n;
    if (encoded !== 0n && last.record.getBigUint64(0) === INFINITY) this.#refuse("order");
    if (encoded !== 0n && timestamp >= INFINITY) this.#refuse("timestamp");
    const bound = boundAt(timestamp, prefix);
    if (compareRecords(bound.record, 0, last.record, 0) < 0) this.#refuse("order");
    if (this.refusal !== undefined) return last;
    this.#last = bound;
    return bound;
  }

  mode(): number {
    const mode = this.varint();
    if (mode > BigInt(ID_LIST)) this.#refuse("mode");
    return Number(mode);
  }

  /** The payload that follows a mode, as a view: nothing, a fingerprint, or the ids one after the other. */
  payload(mode: number): Uint8Array {
    if (mode === SKIP) return this.bytes(0);
    if (mode === FINGERPRINT) return this.bytes(FINGERPRINT_BYTES);
    const count = this.varint();
    if (count * BigInt(ID_BYTES) > BigInt(this.#bytes.length - this.#at)) this.#refuse("count");
    return this.bytes(this.refusal === undefined ? Number(count) * ID_BYTES : 0);
  }

  #refuse(reason: MalformedMessage): void {
    this.refusal ??= reason;
    this.#at = this.#bytes.length;
  }
}

export class MessageWriter {
  /** The number of bytes written so far, with the version. */
  length = 1;
  #bytes = new Uint8Array(1024);
  #lastTimestamp = 0n;

  constructor() {
    this.#bytes[0] = PROTOCOL_VERSION;
  }

  /** Begin a range: write its bound and its mode. The payload follows by `bytes`, or by `count` and `bytes`. */
  range(bound: Bound, mode: number): void {
    const timestamp = bound.record.getBigUint64(0);
    this.#varint(timestamp === INFINITY ? 0n : timestamp - this.#lastTimestamp + 1n);
    this.#lastTimestamp = timestamp;
    this.#varint(BigInt(bound.prefixBytes));
    const { buffer, byteOffset } = bound.record;
    this.bytes(new Uint8Array(buffer, byteOffset + TIMESTAMP_BYTES, bound.prefixBytes));
    this.#varint(BigInt(mode));
  }

  count(value: number): void {
    this.#varint(BigInt(value));
  }

  bytes(bytes: Uint8Array): void {
    const needed = this.length + bytes.length;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.length);
    this.length = needed;
  }

  /**
   * Remove everything after the first `length` bytes. Only a range with an infinite bound may follow, because the
   * writer still computes timestamp differences from the last bound that was removed.
   */
  rewind(length: number): void {
    this.length = length;
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  #varint(value: bigint): void {
    this.bytes(writeVarint(value));
  }
}
