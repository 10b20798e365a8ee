/**
 * Key material that people can share by word of mouth: a passphrase or a place (design section 8; docs/protocol.md,
 * "Keys"). The result goes into `contentKey` (seal.ts).
 *
 * | made from  | scrypt password            | scrypt salt            | N    | r | p | bytes out |
 * |------------|----------------------------|------------------------|------|---|---|-----------|
 * | passphrase | its bytes, UTF-8 after NFKC | "smzd:ck:1 passphrase" | 2^17 | 8 | 1 | 32        |
 * | place      | its geohash cell, ASCII    | "smzd:ck:1 place"      | 2^17 | 8 | 1 | 32        |
 *
 * Why the salts are fixed: a passphrase is shared by people who never met, on machines that never speak before the
 * first Drop, so there is no place for a salt to travel in (a salt inside each Drop would cost every reader one scrypt
 * for each Drop it tries). The price: guesses may be computed once and tried on every Drop in the world. Only scrypt's
 * 128 MiB and about half a second stand before each guess, so a passphrase must be one that nobody has guessed before:
 * five random words, not a name. The two salts differ so that typing "u4pru" never opens the place of that name.
 *
 * A place hides nothing from whoever looks for it. A town has a few hundred cells at precision 6 and a few tens of
 * thousands at precision 7: minutes to hours of one laptop, and what was computed serves for every Drop ever left there.
 * Stretching makes a guess cost something; it does not make it hard. A place is an address ("to whoever stands here"),
 * not a secret.
 *
 * Refuses to: normalise text (the host does: NFKC, then UTF-8, so that one phrase on two keyboards is the same bytes),
 * trim it, or judge its strength. Takes 128 MiB: hosts only, never a board.
 */
import { scrypt } from "@noble/hashes/scrypt.js";
import { asciiBytes } from "./ascii.ts";
import { geohash } from "./geohash.ts";

export const KEY_MATERIAL_BYTES = 32;
/** scrypt's N at r = 8, p = 1: 128 MiB, the first of OWASP's settings for scrypt; about half a second on a laptop. */
export const SCRYPT_COST = 131072;
/** The block size and parallelism that RFC 7914 recommends; part of the format like everything in the table above. */
const SCRYPT_BLOCK_SIZE = 8;
const SCRYPT_PARALLELISM = 1;
const PASSPHRASE_SALT = "smzd:ck:1 passphrase";
const PLACE_SALT = "smzd:ck:1 place";

/**
 * Material of a passphrase, given as the UTF-8 bytes of its NFKC form. Throws a RangeError on an empty one.
 * `cost` is not a setting: it is the format's, and lower only in vectors that have to run on small engines.
 */
export function passphraseMaterial(utf8: Uint8Array, cost: number = SCRYPT_COST): Uint8Array {
  if (utf8.length === 0) throw new RangeError("The passphrase is empty.");
  return stretch(utf8, PASSPHRASE_SALT, cost);
}

/**
 * Material of the geohash cell with `precision` characters (1..12) that holds the point, in degrees. Throws geohash's
 * RangeErrors. `cost` as above.
 */
export function placeMaterial(
  latitude: number,
  longitude: number,
  precision: number,
  cost: number = SCRYPT_COST,
): Uint8Array {
  return stretch(geohash(latitude, longitude, precision), PLACE_SALT, cost);
}

function stretch(password: Uint8Array, salt: string, cost: number): Uint8Array {
  return scrypt(password, asciiBytes(salt), {
    N: cost,
    r: SCRYPT_BLOCK_SIZE,
    p: SCRYPT_PARALLELISM,
    dkLen: KEY_MATERIAL_BYTES,
  });
}
