/**
 * The trace: everything that happened in a simulation, as one BLAKE3 hash (docs/simulator.md, "Trace").
 *
 * Each event is a record of 24 bytes, little-endian. After a `sent` record come the bytes of the frame:
 *
 * | offset | size | field  | meaning                                                                    |
 * |--------|------|--------|----------------------------------------------------------------------------|
 * | 0      | 1    | kind   | index in KINDS                                                             |
 * | 1      | 1    | detail | index of the cause or reason in its list below, 0 when there is none       |
 * | 2      | 2    | node   | station index of the node of the event; of the sender for frames           |
 * | 4      | 2    | other  | station index of the other node, 0xffff for none or for all                |
 * | 6      | 2    | amount | bytes of a frame or Drop, session id of a contact, Drops offered           |
 * | 8      | 8    | time   | simulated microseconds                                                     |
 * | 16     | 8    | value  | transmission number, or ShortId                                            |
 *
 * Invariant: equal hashes mean equal histories, frame for frame. So one hash shows that a seed replays on another
 * machine or engine, and that a change which was meant to change nothing did so. The trace keeps no history itself.
 */
import { blake3 } from "@noble/hashes/blake3.js";
import type { MacAddress } from "../modules/throwie/ports.ts";
import type { FrameTap } from "./frame-tap.ts";
import type { LossCause } from "./loss.ts";
import type { Station } from "./station.ts";

const KINDS = [
  "sent",
  "delivered",
  "lost",
  "started",
  "stopped",
  "contactOpened",
  "reconciled",
  "dropSent",
  "dropStored",
  "dropVerified",
  "dropLost",
  "contactClosed",
  "dropCreated",
] as const;
export type TraceKind = (typeof KINDS)[number];

const DETAILS = [
  ["noise", "distance", "burst", "collision", "deaf", "off", "cut", "queue", "range", "long"],
  ["done", "silent", "superseded", "restarted", "unanswered", "refused", "flash", "yielded"],
  ["evicted", "corrupt"],
] as const;

const RECORD_BYTES = 24;
/** Records are hashed in blocks, because one call of the hash costs more than one record. */
const BLOCK_BYTES = 8_192;
const NOBODY = 0xffff;
const U32_COUNT = 2 ** 32;
const HEX = "0123456789abcdef";

export class Trace implements FrameTap {
  readonly #hash = blake3.create();
  readonly #block = new Uint8Array(BLOCK_BYTES);
  #filled = 0;
  /** The number of records so far. */
  records = 0;

  sent(timeUs: number, transmission: number, from: Station, to: MacAddress | undefined, frame: Uint8Array): void {
    this.#write("sent", 0, from.index, to === undefined ? NOBODY : indexOf(to), frame.length, timeUs);
    this.#u32(transmission % U32_COUNT);
    this.#u32(Math.floor(transmission / U32_COUNT));
    if (this.#filled + frame.length > BLOCK_BYTES) this.#flush();
    this.#block.set(frame, this.#filled);
    this.#filled += frame.length;
  }

  delivered(timeUs: number, transmission: number, from: Station, at: Station, frame: Uint8Array): void {
    this.#write("delivered", 0, from.index, at.index, frame.length, timeUs);
    this.#u32(transmission % U32_COUNT);
    this.#u32(Math.floor(transmission / U32_COUNT));
  }

  lost(timeUs: number, transmission: number, from: Station, at: Station | undefined, cause: LossCause): void {
    this.#write("lost", detail(0, cause), from.index, at === undefined ? NOBODY : at.index, 0, timeUs);
    this.#u32(transmission % U32_COUNT);
    this.#u32(Math.floor(transmission / U32_COUNT));
  }

  /** Records an event between a node and a peer. */
  contact(kind: TraceKind, timeUs: number, node: number, peer: MacAddress, amount: number, reason?: string): void {
    this.#write(kind, reason === undefined ? 0 : detail(1, reason), node, indexOf(peer), amount, timeUs);
    this.#u32(0);
    this.#u32(0);
  }

  /** Records an event of a Drop at a node. */
  drop(
    kind: TraceKind,
    timeUs: number,
    node: number,
    peer: MacAddress | undefined,
    lengthBytes: number,
    shortIdLow: number,
    shortIdHigh: number,
    cause?: "evicted" | "corrupt",
  ): void {
    const other = peer === undefined ? NOBODY : indexOf(peer);
    this.#write(kind, cause === undefined ? 0 : detail(2, cause), node, other, lengthBytes, timeUs);
    this.#u32(shortIdLow);
    this.#u32(shortIdHigh);
  }

  /** Records that a node started or stopped. */
  power(kind: "started" | "stopped", timeUs: number, node: number): void {
    this.#write(kind, 0, node, NOBODY, 0, timeUs);
    this.#u32(0);
    this.#u32(0);
  }

  /** The hash of all events so far, as 64 hexadecimal digits. More events may follow. */
  hex(): string {
    this.#flush();
    let text = "";
    for (const byte of this.#hash.clone().digest()) text += HEX.charAt(byte >>> 4) + HEX.charAt(byte & 15);
    return text;
  }

  #write(kind: TraceKind, detailIndex: number, node: number, other: number, amount: number, timeUs: number): void {
    if (this.#filled + RECORD_BYTES > BLOCK_BYTES) this.#flush();
    this.records++;
    const block = this.#block;
    block[this.#filled++] = KINDS.indexOf(kind);
    block[this.#filled++] = detailIndex;
    this.#u16(node);
    this.#u16(other);
    this.#u16(amount);
    this.#u32(timeUs % U32_COUNT);
    this.#u32(Math.floor(timeUs / U32_COUNT));
  }

  #u16(value: number): void {
    this.#block[this.#filled++] = value & 0xff;
    this.#block[this.#filled++] = (value >>> 8) & 0xff;
  }

  #u32(value: number): void {
    this.#u16(value & 0xffff);
    this.#u16(value >>> 16);
  }

  #flush(): void {
    if (this.#filled > 0) this.#hash.update(this.#block.subarray(0, this.#filled));
    this.#filled = 0;
  }
}

function detail(list: 0 | 1 | 2, name: string): number {
  const index = (DETAILS[list] as readonly string[]).indexOf(name);
  if (index < 0) throw new Error(`trace: ${name} is in no list`);
  return index;
}

/** The index of a station, from the two bytes of its address that hold it (station.ts, stationAddress). */
function indexOf(address: MacAddress): number {
  return (address[4]! << 8) | address[5]!;
}
