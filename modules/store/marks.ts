/**
 * The two marks of a record: since when its Drop is known to be right, and when and why the Drop died (docs/store.md,
 * "Marks").
 *
 * A record is programmed once, but a Drop is verified later and dies later still. NOR flash can clear further bits
 * without an erase. So each record ends in two units that stay erased at first, and each is programmed once: VERIFIED
 * and DEAD.
 *
 * | mark | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 3 | time | low 24 bits of the heat time; VERIFIED: 0 when the time is not known |
 * | 3 | 1 | | VERIFIED: 0. DEAD: cause in the low four bits, the same inverted in the high four |
 * | 4 | unit - 4 | | zeros |
 *
 * The DEAD marks of the log are the journal of deaths (journal.ts). They cost no additional program, survive restarts,
 * and are bounded by the log.
 *
 * Invariants:
 * - A mark of which a power cut wrote any byte shows, so its unit is not programmed again. For that reason the first
 *   byte of a mark is never 0xff.
 * - A mark that a power cut interrupted does not name a wrong cause. Every cause has four zeros among its eight bits,
 *   and a program that stopped leaves fewer zeros.
 *
 * Version 1 wrote only zeros, so its marks say no time and no cause.
 */
import { blank } from "./layout.ts";

/** A newer record of the Drop took this record's place. No Drop died. */
export const SUPERSEDED = 0;
/** The store was full, and the Drop was the coldest. */
export const COLDEST = 1;
/** The Drop's hash is not the announced one, or bits flipped. */
export const CORRUPT = 2;
/** The Drop was the oldest newcomer, and died for a newer one. */
export const FLOOD = 3;
/** Sectors wore out, and the room for the Drop with them. */
export const SECTOR_RETIRED = 4;
/** Power cuts during the log's cleaning had filled the log. */
export const LOG_FULL = 5;
/** The owner of the store removed the Drop. */
export const REMOVED = 6;
/** The names of the causes for people, by cause. */
export const CAUSE_NAMES: readonly string[] = /* @__PURE__ */ Object.freeze([
  "superseded",
  "coldest",
  "corrupt",
  "flood",
  "sector retired",
  "log full",
  "removed",
]);

const TIME_MASK = 0xff_ffff;

/** Fill `into[at .. at + unitBytes)` with a VERIFIED mark. */
export function putVerified(into: Uint8Array, at: number, unitBytes: number, time: number): void {
  putTime(into, at, unitBytes, time & TIME_MASK || 1);
}

/** Fill `into[0 .. unitBytes)` with a DEAD mark. */
export function putDead(into: Uint8Array, unitBytes: number, time: number, cause: number): void {
  putTime(into, 0, unitBytes, time);
  into[3] = cause | ((~cause & 0xf) << 4);
}

/** Whether the VERIFIED mark counts. A power cut may have left a part of its time unwritten, which does no harm. */
export function isVerified(bytes: Uint8Array, at: number, unitBytes: number): boolean {
  for (let i = at + 3; i < at + unitBytes; i++) if (bytes[i] !== 0) return false;
  return true;
}

/**
 * Whether the DEAD mark counts. A single zero bit is enough: a program of the mark begins only when its record must
 * die.
 */
export function isDead(bytes: Uint8Array, at: number, unitBytes: number): boolean {
  return !blank(bytes, at, unitBytes);
}

/** Why the Drop died; -1 when the mark names no cause, because it is of version 1 or a power cut interrupted it. */
export function causeOf(bytes: Uint8Array, at: number): number {
  const cause = bytes[at + 3]! & 0xf;
  return bytes[at + 3]! >> 4 === (~cause & 0xf) && cause < CAUSE_NAMES.length ? cause : -1;
}

/** Whether a VERIFIED mark says the time. A mark of version 1 does not, and neither does a copy of such a mark. */
export function timeKnown(bytes: Uint8Array, at: number): boolean {
  return lowTime(bytes, at) !== 0;
}

/**
 * The time that the mark says: of all times with these low 24 bits, the time that is nearest to `now`. The mark's time
 * may be later than `now`, because power may have failed before the later time was written elsewhere.
 */
export function timeOf(bytes: Uint8Array, at: number, now: number): number {
  return now + (((lowTime(bytes, at) - now) << 8) >> 8);
}

/**
 * How long before `time` the mark was programmed; undefined when the mark says no time, or a later time. A mark may say
 * one unit more than was meant, because two of its values are taken.
 */
export function ageOf(bytes: Uint8Array, at: number, time: number): number | undefined {
  const age = time - timeOf(bytes, at, time);
  return timeKnown(bytes, at) && age >= -1 ? Math.max(0, age) : undefined;
}

function lowTime(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
}

function putTime(into: Uint8Array, at: number, unitBytes: number, time: number): void {
  into[at] = Math.min(time & 0xff, 0xfe);
  into[at + 1] = (time >>> 8) & 0xff;
  into[at + 2] = (time >>> 16) & 0xff;
  into.fill(0, at + 3, at + unitBytes);
}
