/** The record of one insert. Tests make a new one each time; what is not named is as `Insertion` has it. */
import { Insertion } from "../modules/store/insertion.ts";

export function insertion(
  shortIdLow: number,
  shortIdHigh: number,
  bytes: Uint8Array,
  rest: Partial<Insertion> = {},
): Insertion {
  return Object.assign(new Insertion(), { shortIdLow, shortIdHigh, bytes, lengthBytes: bytes.length, ...rest });
}
