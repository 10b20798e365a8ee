/**
 * The two marks of a record: since when its Drop is known to be right, and when and why it died (docs/store.md, "Marks").
 *
 * | mark | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 3 | time | low 24 bits of the heat time; VERIFIED: 0 when it is not known |
 * | 3 | 1 | | VERIFIED: 0. DEAD: cause in the low four bits, the same inverted in the high four |
 * | 4 | unit - 4 | | zeros |
 *
 * The DEAD marks of the log are the journal of deaths: they cost nothing that was not programmed anyway, outlive
 * restarts, and are bounded by the log. So that a mark that power cut short does not name a wrong cause, every cause
 * has four zeros among its eight bits: a program that stopped leaves fewer. Version 1 wrote zeros only: no time, and no
 * cause.
 */
import { blank } from "./layout.ts";

/** The record is not the Drop's newest any more; nobody died. */
export const SUPERSEDED = 0;
/** The store was full. */
export const COLDEST = 1;
/** Its hash is not what it was announced as, or bits flipped. */
export const CORRUPT = 2;
/** It was the oldest newcomer, and died for a newer one. */
export const FLOOD = 3;
/** Sectors wore out, and with them went the room for it. */
export const SECTOR_RETIRED = 4;
/** Power cuts during the log's cleaning had filled the log. */
export const LOG_FULL = 5;
/** Whoever owns the store asked for it. */
export const REMOVED = 6;
/** By cause, for people. */
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

/** Fill `into[at .. at + unitBytes)`. */
export function putVerified(into: Uint8Array, at: number, unitBytes: number, time: number): void {
  putTime(into, at, unitBytes, time & TIME_MASK || 1);
}

/** Fill `into[0 .. unitBytes)`. */
export function putDead(into: Uint8Array, unitBytes: number, time: number, cause: number): void {
  putTime(into, 0, unitBytes, time);
  into[3] = cause | ((~cause & 0xf) << 4);
}

/** Did the VERIFIED mark take? A part of its time may not have, which harms nobody. */
export function isVerified(bytes: Uint8Array, at: number, unitBytes: number): boolean {
  for (let i = at + 3; i < at + unitBytes; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Any bit at all: whoever began to mark it had good reason to. */
export function isDead(bytes: Uint8Array, at: number, unitBytes: number): boolean {
  return !blank(bytes, at, unitBytes);
}

/** Why the Drop died; -1 when the mark does not say: of version 1, or cut short. */
export function causeOf(bytes: Uint8Array, at: number): number {
  const cause = bytes[at + 3]! & 0xf;
  return bytes[at + 3]! >> 4 === (~cause & 0xf) && cause < CAUSE_NAMES.length ? cause : -1;
}

/** Does a VERIFIED mark say since when? One of version 1 does not, nor a copy of one. */
export function timeKnown(bytes: Uint8Array, at: number): boolean {
  return lowTime(bytes, at) !== 0;
}

/**
 * The time that the mark says, of all that have these low 24 bits the nearest to `now`: power may have failed before
 * `now` was written.
 */
export function timeOf(bytes: Uint8Array, at: number, now: number): number {
  return now + (((lowTime(bytes, at) - now) << 8) >> 8);
}

/** How long before `time` the mark was made. */
export function ageOf(bytes: Uint8Array, at: number, time: number): number {
  return (time - lowTime(bytes, at)) & TIME_MASK;
}

function lowTime(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
}

function putTime(into: Uint8Array, at: number, unitBytes: number, time: number): void {
  into[at] = time & 0xff;
  into[at + 1] = (time >>> 8) & 0xff;
  into[at + 2] = (time >>> 16) & 0xff;
  into.fill(0, at + 3, at + unitBytes);
}
