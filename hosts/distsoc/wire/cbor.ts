/**
 * Deterministic CBOR (RFC 8949 section 4.2.1), as all bodies and records of distsoc/2 are written.
 *
 * Invariant: a value has one encoding. What `decodeCbor` accepts, `encodeCbor` gives back byte for byte, so bytes can be
 * hashed, signed and compared in place of their meaning. cborg is strict about most of it; what it lets by (keys out of
 * order, floats longer than needed, ill-formed text) is caught by encoding again and comparing.
 *
 * A protocol map is a Map from small unsigned integers to values; `ProtocolMap` reads one key at a time and at the end
 * tells whether there was a key that nobody asked for. Unknown keys are refused: a record is signed as a whole, and a
 * reader that skips what it does not know would pass on what it cannot judge. New fields come with a new version.
 *
 * Refuses: tags, indefinite lengths, duplicate keys, undefined, infinities, integers above 2^53 - 1, bytes after the end.
 * Malformed input is a reason, never an exception.
 */
import { decodeFirst, encode, rfc8949EncodeOptions } from "cborg";

/** malformed: not CBOR. trailing: something follows it. not-canonical: not the one encoding of what it says. */
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

/** The value in an object of its own, so that it cannot be taken for a reason. `bytes` must be a plain Uint8Array. */
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

/** A decoded map, read by key. A getter answers undefined when the key is absent or its value is of another kind. */
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

  /** An unsigned integer of at most 2^53 - 1. */
  unsigned(key: number): number | undefined {
    const value = this.#take(key);
    return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  }

  /** A byte string in an array of its own. */
  bytes(key: number, sizeBytesMin: number, sizeBytesMax: number = sizeBytesMin): Uint8Array | undefined {
    const value = this.#take(key);
    if (!(value instanceof Uint8Array) || value.length < sizeBytesMin || value.length > sizeBytesMax) return undefined;
    return Uint8Array.from(value);
  }

  /** Whether every key of the map was asked for. */
  get exhausted(): boolean {
    return this.#asked.size === this.#map.size;
  }

  #take(key: number): unknown {
    if (this.#map.has(key)) this.#asked.add(key);
    return this.#map.get(key);
  }
}
