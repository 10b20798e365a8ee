/**
 * An insertion: what `Store.insert` takes, which is one Drop, and the Drop that dies for it.
 *
 * An insert has nine arguments, and an object for each insert would be garbage on a board. So the caller makes one
 * record, and fills all of it anew for each Drop, so that no value from an earlier insert remains. The store reads the
 * record, and the bytes that the record names, only during the call, and changes neither.
 */
import { COLDEST } from "./causes.ts";

/** No slot. As a victim: no Drop is named to die. */
export const NOBODY = -1;

/** A Drop for `Store.insert`. */
export class Insertion {
  /** The low word of the Drop's ShortId, unsigned. */
  shortIdLow = 0;
  /** The high word of the Drop's ShortId, unsigned. */
  shortIdHigh = 0;
  /** The Drop is `bytes[offset .. offset + lengthBytes)`: 1 to DROP_SIZE_BYTES_MAX bytes. */
  bytes: Uint8Array | undefined = undefined;
  /** Where the Drop begins in `bytes`. */
  offset = 0;
  /** The size of the Drop. */
  lengthBytes = 0;
  /** A signed 32-bit integer (modules/temperature/temperature.ts). */
  heatKey = 0;
  /** Whether the owner of the store wrote the Drop. */
  own = false;
  /** Heat time, in units of 1/65,536 half-life. */
  now = 0;
  /** Slot of the Drop that dies if the store is full, whatever its heat. */
  victim = NOBODY;
  /** What the victim dies of: a cause of causes.ts. */
  cause = COLDEST;
}
