/**
 * Deterministic CBOR (RFC 8949 section 4.2.1), the encoding of all bodies and records of distsoc/2.
 *
 * The problem: bytes are hashed, signed and compared in place of their meaning, so a value must have only one encoding.
 *
 * Invariant: `encodeCbor` gives back, byte for byte, all that `decodeCbor` accepts. The library cborg refuses most
 * other encodings itself. It accepts keys out of order, floats that are too long and ill-formed text. `decodeCbor`
 * finds these cases because it encodes the value again and compares the bytes.
 *
 * A protocol map is a Map from small unsigned integers to values. `ProtocolMap` reads one key at a time, and at the end
 * it tells whether the map has a key that was not read. A map with an unknown key is refused: a record is signed as a
 * whole, and a reader that skips unknown keys would pass on values that it cannot judge. New fields come with a new
 * version.
 *
 * It refuses tags, indefinite lengths, duplicate keys, undefined, infinities, integers above 2^53 - 1, and bytes after
 * the end. Malformed input gives a reason and never an exception.
 */
import { decodeFirst, encode, rfc8949EncodeOptions } from "cborg";

/**
 * - malformed: the bytes are not CBOR.
 * - trailing: bytes follow the end of the value.
 * - not-canonical: the bytes are not the deterministic encoding of their value.
 */
export type CborRefusal = "malformed" | "trailing" | "not-canonical";

const DECODE_OPTIONS = {
  strict: true,
  useMaps: true,
  rejectDuplicateMapKeys: true,
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  allowBigInt: false,
};

export function encodeCbor(value: unknown): Uint8Array {
  return Uint8Array.from(encode(value, rfc8949EncodeOptions));
}

/**
 * Returns the value inside an object, so that a value that is a string cannot be mistaken for a reason. `bytes` must be
 * a plain Uint8Array.
 */
export function decodeCbor(bytes: Uint8Array): { value: unknown } | CborRefusal {
  try {
    const [value, rest] = decodeFirst(bytes, DECODE_OPTIONS) as [unknown, Uint8Array];
    if (rest.length > 0) return "trailing";
    return equalBytes(encodeCbor(value), bytes) ? { value } : "not-canonical";
  } catch {
    return "malformed";
  }
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let index = 0; index < a.length; index += 1) if (a[index] !== b[index]) return false;
  return true;
}

/**
 * A decoded map that is read key by key. A getter returns undefined when the key is absent or its value has another
 * type.
 */
export class ProtocolMap {
  readonly #map: ReadonlyMap<unknown, unknown>;
  readonly #asked = new Set<number>();

  private constructor(map: ReadonlyMap<unknown, unknown>) {
    this.#map = map;
  }

  static of(value: unknown): ProtocolMap | undefined {
    return value instanceof Map ? new ProtocolMap(value) : undefined;
  }

  has(key: number): boolean {
    return this.#map.has(key);
  }

  /** Reads an unsigned integer of at most 2^53 - 1. */
  unsigned(key: number): number | undefined {
    const value = this.#take(key);
    return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  }

  /** Reads a byte string and returns a copy. */
  bytes(key: number, sizeBytesMin: number, sizeBytesMax: number = sizeBytesMin): Uint8Array | undefined {
    const value = this.#take(key);
    if (!(value instanceof Uint8Array) || value.length < sizeBytesMin || value.length > sizeBytesMax) return undefined;
    return Uint8Array.from(value);
  }

  /** Whether every key of the map was read. */
  get exhausted(): boolean {
    return this.#asked.size === this.#map.size;
  }

  #take(key: number): unknown {
    if (this.#map.has(key)) this.#asked.add(key);
    return this.#map.get(key);
  }
}
