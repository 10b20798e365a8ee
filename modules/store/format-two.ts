/**
 * Format 2 (and 1) of the store, for reading only: what a release before format 3 left on a partition (docs/store.md,
 * "Versions"). upgrade.ts turns it into format 3.
 *
 * The differences that matter here: every sector in use has a header, also the sectors of bodies. The first `headBytes`
 * bytes of a Drop are in its record and not in its sector. The log is a ring of single sectors, and its records end in
 * two marks, VERIFIED and DEAD.
 *
 * | record | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 1 | kind | 1 Drop, 2 verified Drop, 3 heat, 4 tail, 5 retired sectors |
 * | 1 | 1 | life | low byte of `erases` of the body's sector; heat, retired sectors: number of entries |
 * | 2 | 2 | length | of the Drop |
 * | 4 | 8 | short_id | |
 * | 12 | 4 | heat | key, signed |
 * | 16 | 2 | sector | of the body; 0xffff: none, since all of the Drop is in its head |
 * | 18 | 2 | offset | of the body in its sector |
 * | 20 | headBytes | head | first bytes of the Drop |
 * | headBytes + 20 | 4 | crc32 | of all bytes before, XOR the sector's sequence, XOR record number << 24 |
 *
 * A heat record: kind, count, time (4), then entries of: log sectors back (1), record number (1), heat key (4). A
 * record of retired sectors: kind, count, then sectors of 2 bytes. A tail record: the tail at byte 4. DEAD counts as
 * soon as any bit is zero, VERIFIED when all its bytes from the fourth on are zero.
 */
import { crc32 } from "./crc32.ts";
import { BODY_SECTOR, blank, half, type Layout, LOG_SECTOR, NOWHERE, word } from "./layout.ts";
import type { Sectors } from "./sectors.ts";

export const TWO_HEAD_AT = 20;
const LOG_START = 32;
const RECORD_BYTES_MAX = 128;

export const OLD_DROP = 1;
export const OLD_VERIFIED_DROP = 2;
export const OLD_HEAT = 3;
export const OLD_TAIL = 4;
export const OLD_RETIRED = 5;

/** Reads the log of a partition of format 1 or 2. */
export class OldLog {
  /** The oldest sequence that counts, and the newest. 0: there is no such log. */
  tail = 0;
  head = 0;
  /** The latest heat time in a header. */
  time = 0;
  /** The greatest erase count in a header. */
  erasesMost = 0;
  /** Whether a header is of a partition of another shape. */
  otherShape = false;
  /** The record that `read` read. */
  readonly record = new Uint8Array(RECORD_BYTES_MAX);
  readonly headBytes: number;
  readonly recordsPerSector: number;
  readonly #header = new Uint8Array(LOG_START);
  readonly #sectors: Sectors;
  readonly #layout: Layout;
  readonly #crcAt: number;
  readonly #verifiedAt: number;
  readonly #recordBytes: number;
  readonly #sectorOf = new Map<number, number>();

  constructor(sectors: Sectors) {
    const { layout } = sectors;
    const unit = layout.unitBytes;
    this.#sectors = sectors;
    this.#layout = layout;
    this.headBytes = Math.max(8, unit);
    this.#crcAt = TWO_HEAD_AT + this.headBytes;
    this.#verifiedAt = Math.ceil((this.#crcAt + 4) / unit) * unit;
    this.#recordBytes = this.#verifiedAt + 2 * unit;
    this.recordsPerSector = Math.floor((layout.sectorSizeBytes - LOG_START) / this.#recordBytes);
    this.#readHeaders();
    if (this.head > 0) this.#readTail();
  }

  /** The sector with this sequence; NOWHERE when it is missing. */
  sectorOf(sequence: number): number {
    return this.#sectorOf.get(sequence) ?? NOWHERE;
  }

  /** Read a record into `record`. False: there is none. */
  read(sequence: number, number: number): boolean {
    const sector = this.sectorOf(sequence);
    if (sector === NOWHERE) return false;
    const address = sector * this.#layout.sectorSizeBytes + LOG_START + number * this.#recordBytes;
    this.#sectors.flash.read(address, this.record, 0, this.#recordBytes);
    return (
      !blank(this.record, 0, this.#recordBytes) &&
      word(this.record, this.#crcAt) === (crc32(this.record, 0, this.#crcAt) ^ sequence ^ (number << 24))
    );
  }

  /** Whether the record that was read last is blank. */
  get blank(): boolean {
    return blank(this.record, 0, this.#recordBytes);
  }

  get dead(): boolean {
    return !blank(this.record, this.#verifiedAt + this.#layout.unitBytes, this.#layout.unitBytes);
  }

  get verified(): boolean {
    if (this.record[0] === OLD_VERIFIED_DROP) return true;
    for (let i = 3; i < this.#layout.unitBytes; i++) if (this.record[this.#verifiedAt + i] !== 0) return false;
    return true;
  }

  /** The kind of the sector, if it has a header of format 1 or 2: LOG_SECTOR, BODY_SECTOR or 0. */
  kindOf(sector: number): number {
    const record = this.#header;
    this.#sectors.flash.read(sector * this.#layout.sectorSizeBytes, record, 0, LOG_START);
    if (record[0] !== 0x54 || record[1] !== 0x53 || record[2]! < 1 || record[2]! > 2) return 0;
    if (word(record, 12) !== crc32(record, 0, 12)) return 0;
    if (record[3] === BODY_SECTOR) return BODY_SECTOR;
    return record[3] === LOG_SECTOR && word(record, 28) === crc32(record, 0, 28) ? LOG_SECTOR : 0;
  }

  /** The erases that the header says which `kindOf` read last. */
  get erases(): number {
    return word(this.#header, 4) >>> 0;
  }

  #readHeaders(): void {
    const record = this.#header;
    const layout = this.#layout;
    for (let sector = 0; sector < layout.sectorCount; sector++) {
      const kind = this.kindOf(sector);
      if (kind === 0) continue;
      this.erasesMost = Math.max(this.erasesMost, this.erases);
      if (kind !== LOG_SECTOR) continue;
      const bits = 31 - Math.clz32(layout.sectorSizeBytes);
      if (half(record, 24) !== layout.sectorCount || record[26] !== bits || record[27] !== layout.unitBytes)
        this.otherShape = true;
      const sequence = word(record, 8) >>> 0;
      this.#sectorOf.set(sequence, sector);
      this.time = Math.max(this.time, word(record, 20));
      if (sequence <= this.head) continue;
      this.head = sequence;
      this.tail = word(record, 16) >>> 0;
    }
  }

  #readTail(): void {
    for (let number = 0; number < this.recordsPerSector; number++) {
      if (this.read(this.head, number) && this.record[0] === OLD_TAIL)
        this.tail = Math.max(this.tail, word(this.record, 4) >>> 0);
    }
    for (const sequence of this.#sectorOf.keys()) if (sequence < this.tail) this.#sectorOf.delete(sequence);
  }

  /** The sectors before this sequence no longer count. */
  advance(tail: number): void {
    this.tail = Math.max(this.tail, tail);
    for (const sequence of this.#sectorOf.keys()) if (sequence < this.tail) this.#sectorOf.delete(sequence);
  }
}
