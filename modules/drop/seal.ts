/**
 * Sealing, `smzd:ck:1` (design section 8; docs/protocol.md, "Sealed Drops").
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
 * Invariant: `open` gives back exactly what was sealed under that key, or nothing at all; no byte of plaintext is
 * handed out before its tag was checked. Whoever holds the key may write as well as read: a tag proves that some
 * holder of the key sealed the Drop, not which one.
 *
 * Refuses to: hide the length of a message, name a sender, or say why a Drop did not open. A wrong key, a flipped bit
 * and a Drop that was never sealed look alike, so a reader tries each key it has on each Drop it meets. Draws no nonce:
 * chance belongs to the host. Throwies never call this; a board holds no key.
 */
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { asciiBytes } from "./ascii.ts";
import { DROP_SIZE_BYTES_MAX } from "./drop.ts";

export const CONTENT_KEY_BYTES = 32;
export const NONCE_BYTES = 24;
export const TAG_BYTES = 16;
export const SEAL_OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES;
export const PLAINTEXT_SIZE_BYTES_MAX = DROP_SIZE_BYTES_MAX - SEAL_OVERHEAD_BYTES;

/** The scheme's name and, through the derivation, its version: under another context no key is ever the same. */
export const CONTENT_KEY_CONTEXT = "smzd:ck:1";

/** The content key of some key material (key.ts makes material that people can share; other 32 random bytes do too). */
export function contentKey(material: Uint8Array): Uint8Array {
  if (material.length === 0) throw new Error("drop: key material is empty");
  return blake3(material, { context: asciiBytes(CONTENT_KEY_CONTEXT) });
}

/**
 * Seal `plaintext` (0 .. 2,008 bytes) into a new Drop. `nonce` is 24 bytes that were never used with this key before:
 * random ones. A longer plaintext throws a RangeError with a sentence for the person who wrote it.
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

/** The plaintext in a new array, or undefined when these bytes were not sealed under this key. */
export function open(drop: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  if (key.length !== CONTENT_KEY_BYTES) throw new Error("drop: a content key is 32 bytes");
  if (drop.length < SEAL_OVERHEAD_BYTES || drop.length > DROP_SIZE_BYTES_MAX) return undefined;
  try {
    return xchacha20poly1305(key, drop.subarray(0, NONCE_BYTES)).decrypt(drop.subarray(NONCE_BYTES));
  } catch {
    // Lengths were checked above: the one error noble has left is a tag that does not match.
    return undefined;
  }
}
