/**
 * Since when a Drop is here, in the 21 bits that its record has for that (docs/store.md, "Bytes"). They count eight
 * units of heat time as one, and begin anew after 256 half-lives.
 */
import { half, SINCE_AT, SINCE_HIGH_AT } from "./layout.ts";

/** The record does not say since when the Drop is here. */
export const SINCE_UNKNOWN = 0x1f_ffff;
/** `since` counts so many units of heat time as one. */
const SINCE_SHIFT = 3;

/** The field `since` of a Drop that comes at this heat time. */
export function sinceAt(now: number): number {
  return Math.min((now >> SINCE_SHIFT) & SINCE_UNKNOWN, SINCE_UNKNOWN - 1);
}

/** The field `since` of the record of a Drop. */
export function sinceOf(record: Uint8Array): number {
  return half(record, SINCE_AT) | ((record[SINCE_HIGH_AT]! >> 3) << 16);
}

/**
 * How long before `time` the Drop came, by the field `since` of its record; undefined when the record does not say, or
 * says a later time: power failed before the later time was written.
 */
export function sinceBefore(since: number, time: number): number | undefined {
  const age = (((time >> SINCE_SHIFT) - since) << 11) >> 11;
  return since === SINCE_UNKNOWN || age < 0 ? undefined : age * 2 ** SINCE_SHIFT;
}
