/**
 * HalfSipHash with a 64-bit key and a 64-bit result over exactly eight bytes: the keyed mix that every id passes before
 * it enters a sum (design section 5). Algorithm: J.-P. Aumasson and D. J. Bernstein, SipHash; the 32-bit variant of
 * the authors' reference code, here with the message length fixed at 8.
 *
 * Everything is two unsigned 32-bit halves: `low` is the little-endian word of bytes 0..3, `high` of bytes 4..7. Results
 * are left in a `Mix` that the caller owns and reuses, as signed 32-bit integers (what XS and V8 hold without boxing).
 *
 * Rounds are parameters so that the authors' published vectors (2 and 4 rounds) check the very code that runs with 1 and
 * 3, the numbers Linux uses for its hash tables. That is enough here: a key lives for one contact, is fresh from both
 * sides, and no output that depends on it is seen before the ids are fixed.
 *
 * The round stands five times below: on XS a call or a dispatch for each would add a tenth to the cost of an id.
 *
 * Refuses to be a message authentication code: 64-bit keys and 1-3 rounds hide collisions from those who must prepare
 * them in advance, and promise nothing more.
 */

/** The result of a hash: two 32-bit words, as signed integers. The caller owns a Mix and uses it again. */
export class Mix {
  /** Bytes 0..3, little-endian. */
  low = 0;
  /** Bytes 4..7, little-endian. */
  high = 0;
}

/** Rounds for each word of the message, for the mix in sets and fingerprints. */
export const MIX_COMPRESSION_ROUNDS = 1;
/** Rounds for each word of the result, for the mix in sets and fingerprints. */
export const MIX_FINALIZATION_ROUNDS = 3;

/** The session key costs one hash a contact, so it takes the full rounds. */
const KEY_COMPRESSION_ROUNDS = 2;
const KEY_FINALIZATION_ROUNDS = 4;

/** The length block: the message is always 8 bytes. */
const LENGTH_WORD = 8 << 24;

/**
 * HalfSipHash of the eight bytes `low`, `high` under the key `keyLow`, `keyHigh`, written to `out` (docs/protocol.md,
 * "The mix"). Words are 32-bit integers, signed or not. Makes no garbage and never throws.
 */
export function halfSipHash(
  keyLow: number,
  keyHigh: number,
  low: number,
  high: number,
  compressionRounds: number,
  finalizationRounds: number,
  out: Mix,
): void {
  let v0 = keyLow | 0;
  let v1 = keyHigh ^ 0xee;
  let v2 = 0x6c796765 ^ keyLow;
  let v3 = 0x74656462 ^ keyHigh;
  let rounds = 0;
  v3 ^= low;
  for (rounds = compressionRounds; rounds > 0; rounds -= 1) {
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
  for (rounds = compressionRounds; rounds > 0; rounds -= 1) {
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
  for (rounds = compressionRounds; rounds > 0; rounds -= 1) {
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
  for (rounds = finalizationRounds; rounds > 0; rounds -= 1) {
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
  out.low = v1 ^ v3;
  v1 ^= 0xdd;
  for (rounds = finalizationRounds; rounds > 0; rounds -= 1) {
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
  out.high = v1 ^ v3;
}

/**
 * The key of a session, from eight bytes that each side drew at random for it (as little-endian words, the initiator's
 * first). Neither side alone chooses it, so nobody can prepare Drops that collide under it: `set.begin(out.low, out.high)`.
 */
export function sessionKey(
  initiatorLow: number,
  initiatorHigh: number,
  responderLow: number,
  responderHigh: number,
  out: Mix,
): void {
  halfSipHash(
    initiatorLow,
    initiatorHigh,
    responderLow,
    responderHigh,
    KEY_COMPRESSION_ROUNDS,
    KEY_FINALIZATION_ROUNDS,
    out,
  );
}
