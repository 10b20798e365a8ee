/**
 * The ring of the log: which sectors its pairs are in, and which of their records count (docs/store.md, "The log").
 *
 * A pair of sectors holds records. The pairs have numbers; the newest is the head, the oldest that counts is the tail.
 * A row is the number of a pair modulo `rows`. A record of a Drop is named by the row of its pair and by its number in
 * the pair. The newest record of each Drop is living, and a pair without living records may be given back.
 *
 * This file is the index in RAM. It reads and writes no flash, and refuses to choose when a pair is opened or cleaned
 * (record-log.ts).
 */
import { type Layout, NOWHERE } from "./layout.ts";
import { FREE, LOG, RETIRED, type Sectors, WORN } from "./sectors.ts";
import type { Slots } from "./slots.ts";

export class LogRing {
  /** Number of the pair that is being filled; 0 before the first. */
  head = 0;
  /** Number of the oldest pair that counts. */
  tail = 1;
  /** The two sectors of each row; NOWHERE when mount did not find the sector. */
  readonly sectorOfRow: Uint16Array;
  readonly rows: number;
  readonly #sectors: Sectors;
  readonly #slots: Slots;
  readonly #layout: Layout;
  /** Records of each row that are living. */
  readonly #live: Uint16Array;
  /**
   * The slot for which each record was written, by row and number. Valid only while the slot's record is that record.
   */
  readonly #slotAt: Uint16Array;

  constructor(sectors: Sectors, slots: Slots) {
    const { layout } = sectors;
    this.#sectors = sectors;
    this.#slots = slots;
    this.#layout = layout;
    this.rows = layout.logPairsMax;
    this.sectorOfRow = new Uint16Array(2 * this.rows);
    this.#live = new Uint16Array(this.rows);
    this.#slotAt = new Uint16Array(this.rows * layout.recordsPerPair);
  }

  clear(): void {
    this.head = 0;
    this.tail = 1;
    this.sectorOfRow.fill(NOWHERE);
    this.#live.fill(0);
    this.#slotAt.fill(NOWHERE);
  }

  /** Pairs in the ring. */
  get length(): number {
    return this.head - this.tail + 1;
  }

  /** The sector of the record with this number in this pair. */
  sectorOf(pair: number, number: number): number {
    return this.sectorOfRow[2 * (pair % this.rows) + (number & 1)]!;
  }

  /** Where the slot's record is on flash; -1 when its sector is not known. */
  addressOf(slot: number): number {
    const number = this.#slots.recordNumber[slot]!;
    const sector = this.sectorOfRow[2 * this.#slots.recordRow[slot]! + (number & 1)]!;
    return sector === NOWHERE ? -1 : this.#layout.recordAddress(sector, number);
  }

  /** The pair that is in this row now. */
  pairIn(row: number): number {
    return this.head - ((this.head - row) % this.rows);
  }

  /** How many pairs before the head the slot's record is. */
  pairsBack(slot: number): number {
    return (this.head - this.#slots.recordRow[slot]!) % this.rows;
  }

  /** Whether the slot's record is in the oldest pair. */
  inTail(slot: number): boolean {
    return this.#slots.recordRow[slot] === this.tail % this.rows;
  }

  /** The record belongs to the slot from now on, and is living. */
  bind(slot: number, pair: number, number: number): void {
    this.hold(pair);
    this.moveTo(slot, pair % this.rows, number);
  }

  /** A record in this pair is living from now on. So the pair is kept, though the record may have no slot yet. */
  hold(pair: number): void {
    const row = pair % this.rows;
    this.#live[row] = this.#live[row]! + 1;
  }

  /** A record that was bound to another slot, or held for no slot, belongs to this slot from now on. */
  moveTo(slot: number, row: number, number: number): void {
    this.#slots.recordRow[slot] = row;
    this.#slots.recordNumber[slot] = number;
    this.#slotAt[row * this.#layout.recordsPerPair + number] = slot;
  }

  /** The slot's record is no longer living. */
  unbind(slot: number): void {
    this.unhold(this.#slots.recordRow[slot]!);
  }

  /** One record less of this row is living. */
  unhold(row: number): void {
    this.#live[row] = this.#live[row]! - 1;
  }

  /** The slot to which this record belongs; -1 when the record is no slot's newest record. */
  slotOf(row: number, number: number): number {
    const slot = this.#slotAt[row * this.#layout.recordsPerPair + number]!;
    if (slot === NOWHERE || !this.#slots.occupied(slot)) return -1;
    return this.#slots.recordRow[slot] === row && this.#slots.recordNumber[slot] === number ? slot : -1;
  }

  /** How many records of the pair are living. */
  living(pair: number): number {
    return this.#live[pair % this.rows]!;
  }

  /** The oldest pair with a living record; the head when no older pair has one. */
  firstLiving(): number {
    let pair = this.tail;
    while (pair < this.head && this.living(pair) === 0) pair++;
    return pair;
  }

  /** This side of the pair is open. The pair is the head, or becomes the head: then this answers true. */
  enter(pair: number, side: number, sector: number): boolean {
    const row = pair % this.rows;
    const { recordsPerPair } = this.#layout;
    const begins = pair > this.head;
    this.#sectors.set(sector, LOG);
    if (begins) {
      this.#slotAt.fill(NOWHERE, row * recordsPerPair, (row + 1) * recordsPerPair);
      this.#live[row] = 0;
      this.sectorOfRow[2 * row] = NOWHERE;
      this.sectorOfRow[2 * row + 1] = NOWHERE;
      this.head = pair;
    }
    this.sectorOfRow[2 * row + side] = sector;
    return begins;
  }

  /** The pairs before `tail` no longer count, and their sectors are free. */
  release(tail: number): void {
    const sectors = this.#sectors;
    for (; this.tail < tail; this.tail++) {
      for (let side = 0; side < 2; side++) {
        const sector = this.sectorOf(this.tail, side);
        if (sector !== NOWHERE) sectors.set(sector, sectors.state[sector] === WORN ? RETIRED : FREE);
      }
    }
  }

  /** The head has no records. Free its sectors; the pair before is the head again. */
  abandonHead(): void {
    for (let side = 0; side < 2; side++) {
      const sector = this.sectorOf(this.head, side);
      if (sector !== NOWHERE) this.#sectors.set(sector, FREE);
    }
    this.head--;
  }
}
