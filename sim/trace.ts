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
import type { FrameDelivered, FrameLost, FrameSent, FrameTap } from "./frame-tap.ts";

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

/** Stations are named by their index. */
interface NodeEvent {
  kind: TraceKind;
  timeUs: number;
  node: number;
}

export interface ContactEvent extends NodeEvent {
  peer: MacAddress;
  /** Session id, or Drops offered. */
  amount: number;
  reason?: string;
}

export interface DropEvent extends NodeEvent {
  peer: MacAddress | undefined;
  lengthBytes: number;
  /** The ShortId. */
  low: number;
  high: number;
  cause?: "evicted" | "corrupt" | "removed";
}

/** The fields of a record. Fields that are left out are 0, and `other` nobody. */
interface TraceRecord extends NodeEvent {
  detail?: number;
  other?: number;
  amount?: number;
  /** The two words of `value`. */
  low?: number;
  high?: number;
}

export class Trace implements FrameTap {
  readonly #hash = blake3.create();
  readonly #block = new Uint8Array(BLOCK_BYTES);
  #filled = 0;
  /** The number of records so far. */
  records = 0;

  sent({ timeUs, transmission, from, to, frame }: FrameSent): void {
    const other = to === undefined ? NOBODY : indexOf(to);
    this.#write({ kind: "sent", timeUs, node: from.index, other, amount: frame.length, ...u64(transmission) });
    if (this.#filled + frame.length > BLOCK_BYTES) this.#flush();
    this.#block.set(frame, this.#filled);
    this.#filled += frame.length;
  }

  delivered({ timeUs, transmission, from, at, frame }: FrameDelivered): void {
    const amount = frame.length;
    this.#write({ kind: "delivered", timeUs, node: from.index, other: at.index, amount, ...u64(transmission) });
  }

  lost({ timeUs, transmission, from, at, cause }: FrameLost): void {
    const other = at === undefined ? NOBODY : at.index;
    this.#write({ kind: "lost", detail: detailIn(0, cause), timeUs, node: from.index, other, ...u64(transmission) });
  }

  /** Records an event between a node and a peer. */
  contact({ kind, timeUs, node, peer, amount, reason }: ContactEvent): void {
    const detail = reason === undefined ? 0 : detailIn(1, reason);
    this.#write({ kind, detail, timeUs, node, other: indexOf(peer), amount });
  }

  /** Records an event of a Drop at a node. */
  drop({ kind, timeUs, node, peer, lengthBytes, low, high, cause }: DropEvent): void {
    const detail = cause === undefined ? 0 : detailIn(2, cause);
    const other = peer === undefined ? NOBODY : indexOf(peer);
    this.#write({ kind, detail, timeUs, node, other, amount: lengthBytes, low, high });
  }

  /** Records that a node started or stopped. */
  power(event: NodeEvent): void {
    this.#write(event);
  }

  /** The hash of all events so far, as 64 hexadecimal digits. More events may follow. */
  hex(): string {
    this.#flush();
    let text = "";
    for (const byte of this.#hash.clone().digest()) text += HEX.charAt(byte >>> 4) + HEX.charAt(byte & 15);
    return text;
  }

  #write({ kind, detail = 0, timeUs, node, other = NOBODY, amount = 0, low = 0, high = 0 }: TraceRecord): void {
    if (this.#filled + RECORD_BYTES > BLOCK_BYTES) this.#flush();
    this.records++;
    const block = this.#block;
    block[this.#filled++] = KINDS.indexOf(kind);
    block[this.#filled++] = detail;
    this.#u16(node);
    this.#u16(other);
    this.#u16(amount);
    this.#u32(timeUs % U32_COUNT);
    this.#u32(Math.floor(timeUs / U32_COUNT));
    this.#u32(low);
    this.#u32(high);
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

/** The two words of a record's `value`. */
function u64(value: number): { low: number; high: number } {
  return { low: value % U32_COUNT, high: Math.floor(value / U32_COUNT) };
}

function detailIn(list: 0 | 1 | 2, name: string): number {
  const index = (DETAILS[list] as readonly string[]).indexOf(name);
  if (index < 0) throw new Error(`trace: ${name} is in no list`);
  return index;
}

/** The index of a station, from the two bytes of its address that hold it (station.ts, stationAddress). */
function indexOf(address: MacAddress): number {
  return (address[4]! << 8) | address[5]!;
}
