/**
 * HalfSipHash: the keyed mix that every id passes before it enters a sum (docs/protocol.md, "The mix").
 *
 * Sums and XORs of ids that an attacker chose can be made to collide, which would hide a Drop from reconciliation. So
 * each id first passes a hash under a key that nobody knew when the Drops were made. The algorithm is HalfSipHash with
 * a 64-bit key and a 64-bit result: J.-P. Aumasson and D. J. Bernstein, SipHash, the 32-bit variant of the authors'
 * reference code. Here the length of the message is fixed at eight bytes.
 *
 * Keys, messages and results are two 32-bit halves: `low` is the little-endian word of bytes 0..3, `high` that of bytes
 * 4..7. Key and result are in a `Mix` that the caller owns and reuses. The result is signed 32-bit integers, which XS
 * and V8 hold without boxing.
 *
 * Rounds are parameters so that the authors' published vectors (2 and 4 rounds) check the very code that runs with 1
 * and 3, the numbers Linux uses for its hash tables. These are enough here: a session's key lives for one contact, both
 * sides contribute to it, and no output that depends on it is seen before the ids are fixed.
 *
 * The round is written out five times below, because on XS a call or a dispatch for each would add a tenth to the cost
 * of an id.
 *
 * This is no message authentication code. A 64-bit key and 1 and 3 rounds hide collisions from an attacker that must
 * prepare them in advance, and promise nothing more.
 */
import { readWord } from "./message.ts";

/** A key, and the last hash that `halfSipHash` made under it. The caller owns a Mix and uses it again. */
export class Mix {
  /** Bytes 0..3 of the key, little-endian. */
  keyLow = 0;
  /** Bytes 4..7 of the key. */
  keyHigh = 0;
  /** Bytes 0..3 of the hash, little-endian, as a signed integer. */
  low = 0;
  /** Bytes 4..7 of the hash. */
  high = 0;
}

/** How many times the round runs. */
export interface Rounds {
  /** For each word of the message. */
  readonly compression: number;
  /** For each word of the result. */
  readonly finalization: number;
}

/** For the mix in sets and fingerprints. */
export const MIX_ROUNDS: Rounds = { compression: 1, finalization: 3 };
/** The session key costs only one hash a contact, so it takes the authors' rounds. */
const KEY_ROUNDS: Rounds = { compression: 2, finalization: 4 };

/** The last word of the padded message: its length, always 8 bytes. */
const LENGTH_WORD = 8 << 24;

/**
 * HalfSipHash of the eight bytes `low`, `high` under the key of `mix`, written to `mix.low` and `mix.high`
 * (docs/protocol.md, "The mix"). Words are 32-bit integers, signed or not. Makes no garbage and never throws.
 */
export function halfSipHash(mix: Mix, low: number, high: number, rounds: Rounds): void {
  let v0 = mix.keyLow | 0;
  let v3 = mix.keyHigh;
  let v1 = v3 ^ 0xee;
  let v2 = 0x6c796765 ^ v0;
  v3 ^= 0x74656462;
  let left = 0;
  v3 ^= low;
  for (left = rounds.compression; left > 0; left -= 1) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  v0 ^= low;
  v3 ^= high;
  for (left = rounds.compression; left > 0; left -= 1) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  v0 ^= high;
  v3 ^= LENGTH_WORD;
  for (left = rounds.compression; left > 0; left -= 1) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  v0 ^= LENGTH_WORD;
  v2 ^= 0xee;
  for (left = rounds.finalization; left > 0; left -= 1) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  mix.low = v1 ^ v3;
  v1 ^= 0xdd;
  for (left = rounds.finalization; left > 0; left -= 1) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
  }
  mix.high = v1 ^ v3;
}

/**
 * Make the key of a session from two nonces, eight random bytes of each side: the initiator's at `offset`, the
 * responder's at the beginning. The key is left in `out.low` and `out.high`. Neither side alone chooses the key, so
 * nobody can prepare Drops that collide under it.
 */
export function sessionKey(initiatorNonce: Uint8Array, offset: number, responderNonce: Uint8Array, out: Mix): void {
  out.keyLow = readWord(initiatorNonce, offset);
  out.keyHigh = readWord(initiatorNonce, offset + 4);
  halfSipHash(out, readWord(responderNonce, 0), readWord(responderNonce, 4), KEY_ROUNDS);
}
