/** Makes a content key from `--passphrase` or `--place`. */
import process from "node:process";
import { placeMaterial } from "../../modules/drop/key.ts";
import { contentKey } from "../../modules/drop/seal.ts";
import { keyOfWords } from "../node/message.ts";

export interface KeyOptions {
  passphrase?: string;
  place?: string;
}

/** A cell of about 150 metres: a square or a courtyard. */
const PLACE_PRECISION_DEFAULT = 7;

/**
 * The content key that the options name. Throws a RangeError that says which option to give. Takes about a second,
 * because the key is stretched on purpose (modules/drop/key.ts).
 */
export function keyOf({ passphrase, place }: KeyOptions): Uint8Array {
  const words = passphrase ?? (place === undefined ? process.env.THROWIE_PASSPHRASE : undefined);
  if (words !== undefined && place !== undefined) throw new RangeError("Give a passphrase or a place, not both.");
  if (place !== undefined) return contentKey(placeMaterial(...coordinatesOf(place)));
  if (words === undefined) {
    throw new RangeError("Say who can read the message: --passphrase WORDS, or --place LATITUDE,LONGITUDE.");
  }
  return keyOfWords(words);
}

function coordinatesOf(text: string): [latitude: number, longitude: number, precision: number] {
  const parts = text.split(",").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  const [latitude, longitude, precision = PLACE_PRECISION_DEFAULT] = parts;
  if (parts.length < 2 || parts.length > 3 || parts.some(Number.isNaN)) {
    throw new RangeError(`${text} is not a place: give LATITUDE,LONGITUDE in degrees, like 57.649,10.407.`);
  }
  return [latitude!, longitude!, precision];
}
