/**
 * Sealing, `smzd:ck:1` (docs/protocol.md, "Sealed Drops").
 *
 *   content key = BLAKE3 derive_key(context "smzd:ck:1", key material)
 *   sealed Drop = nonce || ciphertext || tag
 *
 * | offset | size       | field      | meaning                                                                    |
 * |--------|------------|------------|----------------------------------------------------------------------------|
 * | 0      | 24         | nonce      | random for each Drop; long enough that chance alone never repeats one      |
 * | 24     | n <= 2008  | ciphertext | XChaCha20 of the plaintext, of the plaintext's length                       |
 * | 24+n   | 16         | tag        | Poly1305 over the ciphertext; associated data is empty                      |
 *
 * Invariant: `open` returns exactly the bytes that were sealed under that key, or nothing. No byte of plaintext is
 * returned before the tag was checked. Everyone who holds the key can write as well as read: a tag proves that some
 * holder of the key sealed the Drop, but not which holder.
 *
 * Sealing does not hide the length of a message and does not name a sender. `open` does not say why a Drop did not
 * open: a wrong key, a flipped bit and a Drop that was never sealed look the same, so a reader tries each of its keys
 * on each Drop. This module draws no nonce, because randomness belongs to the host. Throwies never call this module; a
 * board holds no key.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { asciiBytes } from "./ascii.ts";
import { DROP_SIZE_BYTES_MAX } from "./drop.ts";

/** A key of XChaCha20-Poly1305. */
export const CONTENT_KEY_BYTES = 32;
/** A nonce of XChaCha20-Poly1305, long enough to be drawn at random. A sealed Drop begins with its nonce. */
export const NONCE_BYTES = 24;
/** A tag of Poly1305. A sealed Drop ends with its tag. */
export const TAG_BYTES = 16;
/** A sealed Drop is this many bytes longer than its plaintext. */
export const SEAL_OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES;
/** The longest plaintext that fits into a Drop: 2,008 bytes. */
export const PLAINTEXT_SIZE_BYTES_MAX = DROP_SIZE_BYTES_MAX - SEAL_OVERHEAD_BYTES;

/** The name of the scheme. The derivation makes it the version too: another context gives another key. */
export const CONTENT_KEY_CONTEXT = "smzd:ck:1";

/**
 * The content key, 32 bytes, of some key material (docs/protocol.md, "Sealed Drops"). key.ts makes material that people
 * can share; any 32 random bytes serve too. Throws an Error when the material is empty.
 */
export function contentKey(material: Uint8Array): Uint8Array {
  if (material.length === 0) throw new Error("drop: key material is empty");
  return blake3(material, { context: asciiBytes(CONTENT_KEY_CONTEXT) });
}

/**
 * Seal `plaintext` (0 .. 2,008 bytes) into a new Drop (docs/protocol.md, "Sealed Drops"). `key` is 32 bytes, of
 * `contentKey`. `nonce` is 24 random bytes that were never used with this key before. A longer plaintext throws a
 * RangeError with a sentence for the person who wrote it. A key or nonce of another size throws an Error.
 */
export function seal(plaintext: Uint8Array, key: Uint8Array, nonce: Uint8Array): Uint8Array {
  if (plaintext.length > PLAINTEXT_SIZE_BYTES_MAX) {
    throw new RangeError(`The message is ${plaintext.length} bytes; a Drop holds at most ${PLAINTEXT_SIZE_BYTES_MAX}.`);
  }
  if (key.length !== CONTENT_KEY_BYTES) throw new Error("drop: a content key is 32 bytes");
  if (nonce.length !== NONCE_BYTES) throw new Error("drop: a nonce is 24 bytes");
  const drop = new Uint8Array(plaintext.length + SEAL_OVERHEAD_BYTES);
  drop.set(nonce);
  drop.set(xchacha20poly1305(key, nonce).encrypt(plaintext), NONCE_BYTES);
  return drop;
}

/**
 * The plaintext in a new array, or undefined when the Drop was not sealed under this key of 32 bytes (docs/protocol.md,
 * "Sealed Drops"). A key of another size throws an Error. Nothing else throws, whatever the Drop's bytes are.
 */
export function open(drop: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  if (key.length !== CONTENT_KEY_BYTES) throw new Error("drop: a content key is 32 bytes");
  if (drop.length < SEAL_OVERHEAD_BYTES || drop.length > DROP_SIZE_BYTES_MAX) return undefined;
  try {
    return xchacha20poly1305(key, drop.subarray(0, NONCE_BYTES)).decrypt(drop.subarray(NONCE_BYTES));
  } catch {
    // The lengths were checked above, so the only error that noble can still throw is a tag that does not match.
    return undefined;
  }
}
