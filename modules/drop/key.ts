/**
 * Key material that people can share by word of mouth: a passphrase or a place (docs/protocol.md, "Keys"). The result
 * goes into `contentKey` (seal.ts).
 *
 * | made from  | scrypt password            | scrypt salt            | N    | r | p | bytes out |
 * |------------|----------------------------|------------------------|------|---|---|-----------|
 * | passphrase | its bytes, UTF-8 after NFKC | "smzd:ck:1 passphrase" | 2^17 | 8 | 1 | 32        |
 * | place      | its geohash cell, ASCII    | "smzd:ck:1 place"      | 2^17 | 8 | 1 | 32        |
 *
 * Why the salts are fixed: a passphrase is shared by people who never met, on machines that do not communicate before
 * the first Drop. So no salt can travel between them. A salt inside each Drop would cost every reader one scrypt for
 * each Drop that it tries. The price of a fixed salt: an attacker can compute a guess once and try it on every Drop in
 * the world. Only scrypt's 128 MiB and about half a second protect against each guess, so nobody may have guessed the
 * passphrase before: use five random words, not a name. The two salts differ so that the passphrase "u4pru" never opens
 * the place of that name.
 *
 * A place is no protection against a person who searches for it. A town has a few hundred cells at precision 6 and a
 * few tens of thousands at precision 7. Trying them all takes one laptop minutes to hours, and the results open every
 * Drop that is ever left there. Stretching makes each guess cost something; it does not make guessing hard. A place is
 * an address ("to the people who stand here"), not a secret.
 *
 * This module does not normalise text: the host does (NFKC, then UTF-8, so that one phrase gives the same bytes on two
 * keyboards). It does not trim the text or judge its strength. It takes 128 MiB of memory, so it runs on hosts only,
 * never on a board.
 */
import { scrypt } from "@noble/hashes/scrypt.js";
import { asciiBytes } from "./ascii.ts";
import { geohash } from "./geohash.ts";

/** The size of the key material of a passphrase or a place. */
export const KEY_MATERIAL_BYTES = 32;
/** scrypt's N at r = 8, p = 1: 128 MiB, the first of OWASP's settings for scrypt; about half a second on a laptop. */
export const SCRYPT_COST = 131072;
/** The block size and parallelism that RFC 7914 recommends. They are part of the format, like the table above. */
const SCRYPT_BLOCK_SIZE = 8;
const SCRYPT_PARALLELISM = 1;
const PASSPHRASE_SALT = "smzd:ck:1 passphrase";
const PLACE_SALT = "smzd:ck:1 place";

/**
 * Key material, 32 bytes, from a passphrase that is given as the UTF-8 bytes of its NFKC form (docs/protocol.md,
 * "Keys"). Throws a RangeError when the passphrase is empty. `cost` is part of the format, not a setting. It is lower
 * only in vectors that must run on small engines.
 */
export function passphraseMaterial(utf8: Uint8Array, cost: number = SCRYPT_COST): Uint8Array {
  if (utf8.length === 0) throw new RangeError("The passphrase is empty.");
  return stretch(utf8, PASSPHRASE_SALT, cost);
}

/**
 * Key material, 32 bytes, from the geohash cell with `precision` characters (1..12) that holds the point, which is
 * given in degrees (docs/protocol.md, "Keys"). Throws the RangeErrors of `geohash`. For `cost` see
 * `passphraseMaterial`.
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
