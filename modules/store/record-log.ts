/**
 * The log of records: everything that the store knows, in the order in which the store learned it (docs/store.md, "The
 * log").
 *
 * Drops come, move and die, but flash cannot be overwritten. So the store appends a record for each change, and the
 * newest record of a Drop counts.
 *
 * The log is a ring of sectors in order of their sequence, filled one record after another. The newest record of a Drop
 * says where the Drop's body is. Its DEAD mark says whether the Drop is still in the store. Heat records say which heat
 * keys changed since then. The oldest sector is cleaned first: its living records are copied to the end, and the header
 * of the next sector (or a tail record) says that the oldest sector no longer counts. So a record is dropped only after
 * all older records, and no mark, heat key or copy can outlive the record that corrected it.
 *
 * Invariants:
 * - The place of a record is programmed at most once.
 * - The log takes a free sector only in `ensure`.
 * - At its usual size, the log gives back one sector for each sector that it takes.
 *
 * The log refuses to choose which Drop is evicted.
 */
import type { Insertion } from "./insertion.ts";
import {
  blank,
  DROP_RECORD,
  encodeLogHeader,
  encodeSectorHeader,
  HEAD_AT,
  HEAT_ENTRIES_AT,
  HEAT_ENTRY_BYTES,
  HEAT_RECORD,
  type Layout,
  LOG_HEADER_BYTES,
  LOG_SECTOR,
  putHalf,
  putWord,
  RETIRED_ENTRIES_AT,
  RETIRED_ENTRY_BYTES,
  RETIRED_RECORD,
  recordCrc,
  TAIL_RECORD,
  VERIFIED_DROP_RECORD,
  word,
} from "./layout.ts";
import { isVerified, putDead, putVerified, SUPERSEDED, timeKnown, timeOf } from "./marks.ts";
import { FREE, LOG, RETIRED, type Sectors, WORN } from "./sectors.ts";
import type { Slots } from "./slots.ts";

const NONE = 0xffff;

export class RecordLog {
  /** Sequence of the sector that is being filled; 0 before the first. This sector is the head. */
  head = 0;
  /** Sequence of the oldest sector that counts. */
  tail = 1;
  /** Mount only: the newest sequence that another sector names. Above `head`, the newest log sectors are gone. */
  named = 0;
  /** Number of the next record in the head. */
  next = 0;
  /** Number of the record that `append` wrote last. */
  lastNumber = 0;
  /** Heat time now: for marks, heat records and the headers of new sectors. */
  now = 0;
  /** The latest heat time that is on flash. */
  recordedTime = 0;
  /** Records that were copied because their sector was cleaned. */
  copied = 0;
  /** Records that were found damaged when they were copied. */
  corrupt = 0;
  /** The record that `append` programs. The caller fills it with one of the `put` functions. */
  readonly record: Uint8Array;
  /** Sector of each row; 0xffff when mount did not find the sector. A row is a sequence modulo `rows`. */
  readonly sectorOfRow: Uint16Array;
  readonly rows: number;
  readonly sectors: Sectors;
  readonly slots: Slots;
  readonly #layout: Layout;
  /**
   * The slot for which each record was written, by row and number. Valid only while the slot's record is that record.
   */
  readonly #slotAt: Uint16Array;
  readonly #mark: Uint8Array;

  constructor(sectors: Sectors, slots: Slots) {
    const { layout } = sectors;
    this.sectors = sectors;
    this.#layout = layout;
    this.slots = slots;
    this.rows = layout.logSectorsMax;
    this.sectorOfRow = new Uint16Array(this.rows);
    this.#slotAt = new Uint16Array(this.rows * layout.recordsPerSector);
    this.record = new Uint8Array(Math.max(layout.recordBytes, layout.logStart));
    this.#mark = new Uint8Array(layout.unitBytes);
    this.clear();
  }

  clear(): void {
    this.head = 0;
    this.tail = 1;
    this.named = 0;
    this.next = this.#layout.recordsPerSector;
    this.now = 0;
    this.recordedTime = 0;
    this.sectorOfRow.fill(NONE);
    this.#slotAt.fill(NONE);
  }

  /** Sectors in the ring. */
  get length(): number {
    return this.head - this.tail + 1;
  }

  /** Free sectors that the log will still take to reach its usual size. They must not be used for bodies. */
  get claims(): number {
    return Math.max(0, this.#layout.logSectors - this.length);
  }

  /** Make room for so many more records, and clean as needed for that. False: no sector could be opened. */
  ensure(records: number): boolean {
    const { logSectors, recordsPerSector } = this.#layout;
    // Each pass cleans or opens a sector. One round of the ring is already more than its garbage can require.
    for (let passes = 0; passes < 4 * this.rows; passes++) {
      const left = recordsPerSector - this.next;
      if (this.length < logSectors) {
        if (left >= records) return true;
        if (!this.#open()) return false;
        continue;
      }
      const living = this.#living(this.tail);
      if (this.length > logSectors) {
        // The log is this long only after power cuts during its cleaning. Empty the oldest sector now, and append a
        // tail record. Records that do not fit are copied to the next head.
        if (left > 1) {
          if (this.#cleanOldest() && this.next < recordsPerSector) this.#dropTail();
        } else if (!this.#open()) return false;
        continue;
      }
      if (left - living >= records) return true;
      // If the program of a copy fails, the head takes no more records, and the next pass opens a new head.
      if (left > 0 && !this.#cleanOldest()) continue;
      if (!this.#open()) return false;
    }
    return false;
  }

  /**
   * Add the CRC to `record` and program it at the end of the log. The caller ensures room before. False: the head is
   * full, or its sector failed and takes no more records.
   */
  append(): boolean {
    const { crcAt, recordsPerSector, recordBytes, verifiedAt, deadAt } = this.#layout;
    if (this.next >= recordsPerSector) return false;
    const { record } = this;
    const sector = this.sectorOfRow[this.head % this.rows]!;
    const number = this.next++;
    putWord(record, crcAt, recordCrc(record, crcAt, this.head, number));
    // The copy of a verified record contains its VERIFIED mark. The marks of all other records are programmed later.
    const programBytes = record[0] === VERIFIED_DROP_RECORD ? deadAt : verifiedAt;
    record.fill(0xff, crcAt + 4, verifiedAt);
    record.fill(0xff, programBytes, recordBytes);
    this.lastNumber = number;
    if (this.sectors.program(this.#layout.recordAddress(sector, number), record, 0, programBytes)) return true;
    this.#endHead();
    return false;
  }

  /** The record that was appended last belongs to the slot from now on. */
  bind(slot: number): void {
    this.bindAt(slot, this.head, this.lastNumber);
    this.slots.written(slot);
  }

  bindAt(slot: number, sequence: number, number: number): void {
    this.hold(sequence);
    this.moveTo(slot, sequence % this.rows, number);
  }

  /** A record in this sector counts from now on. So the sector is kept, though the record may have no slot yet. */
  hold(sequence: number): void {
    const sector = this.sectorOfRow[sequence % this.rows]!;
    this.sectors.live[sector] = this.sectors.live[sector]! + 1;
  }

  /** A record that was bound to another slot, or held for no slot, belongs to this slot from now on. */
  moveTo(slot: number, row: number, number: number): void {
    this.slots.recordRow[slot] = row;
    this.slots.recordNumber[slot] = number;
    this.#slotAt[row * this.#layout.recordsPerSector + number] = slot;
  }

  /** The slot's record no longer counts as living. */
  unbind(slot: number): void {
    const sector = this.sectorOfRow[this.slots.recordRow[slot]!]!;
    this.sectors.live[sector] = this.sectors.live[sector]! - 1;
  }

  /** The slot to which this record belongs; -1 when the record is no slot's newest record. */
  slotOf(row: number, number: number): number {
    const slot = this.#slotAt[row * this.#layout.recordsPerSector + number]!;
    if (slot === NONE || !this.slots.occupied(slot)) return -1;
    return this.slots.recordRow[slot] === row && this.slots.recordNumber[slot] === number ? slot : -1;
  }

  /** Whether the slot's record is in the oldest sector. */
  inTail(slot: number): boolean {
    return this.slots.recordRow[slot] === this.tail % this.rows;
  }

  /** Address of the slot's record. */
  addressOf(slot: number): number {
    return this.#layout.recordAddress(this.sectorOfRow[this.slots.recordRow[slot]!]!, this.slots.recordNumber[slot]!);
  }

  /** Fill `record` with the record of a new Drop, whose body is at this place. */
  putDrop(drop: Insertion, bodySector: number, bodyOffset: number): void {
    const { record } = this;
    const { bytes, offset, lengthBytes } = drop;
    this.#putPlace(false, bodySector, bodyOffset);
    this.#putDrop(drop.shortIdLow, drop.shortIdHigh, lengthBytes, drop.heatKey);
    for (let i = 0; i < this.#layout.headBytes; i++) record[HEAD_AT + i] = i < lengthBytes ? bytes![offset + i]! : 0xff;
  }

  /** Fill `record` with a copy of the slot's record: with the present heat key, and with the body at this place. */
  putCopy(slot: number, bodySector: number, bodyOffset: number): void {
    const { record } = this;
    const slots = this.slots;
    const { crcAt, deadAt, verifiedAt, unitBytes } = this.#layout;
    this.sectors.flash.read(this.addressOf(slot), record, 0, deadAt);
    const sequence = this.#sequenceOf(slots.recordRow[slot]!);
    if (word(record, crcAt) !== recordCrc(record, crcAt, sequence, slots.recordNumber[slot]!)) {
      // The index knows everything in the record except the Drop's first bytes. Only the Drop's hash can tell whether
      // these bytes are right.
      this.corrupt++;
      slots.setVerified(slot, false);
    }
    // A VERIFIED mark that is incomplete, or that version 1 left out, does not say the time. So the copy says: not
    // known.
    if (!isVerified(record, verifiedAt, unitBytes)) record.fill(0, verifiedAt, deadAt);
    this.#putPlace(slots.verified(slot), bodySector, bodyOffset);
    this.#putDrop(slots.low[slot]!, slots.high[slot]!, slots.lengthBytes[slot]!, slots.heat[slot]!);
  }

  /** Fill `record` with heat keys that changed, from slot `from` on. Returns the slot from which to continue. */
  putHeat(from: number): number {
    const { record } = this;
    const slots = this.slots;
    const { heatEntries } = this.#layout;
    record.fill(0, 0, this.#layout.crcAt);
    let entries = 0;
    let slot = from;
    for (; slot < slots.capacity && entries < heatEntries; slot++) {
      if (!slots.heatChanged(slot)) continue;
      const at = HEAT_ENTRIES_AT + entries * HEAT_ENTRY_BYTES;
      record[at] = this.head - this.#sequenceOf(slots.recordRow[slot]!);
      record[at + 1] = slots.recordNumber[slot]!;
      putWord(record, at + 2, slots.heat[slot]!);
      entries++;
    }
    record[0] = HEAT_RECORD;
    record[1] = entries;
    putWord(record, 2, this.now);
    return slot;
  }

  /** The record that `putHeat` filled from slot `from` to `to` is in flash. */
  heatWritten(from: number, to: number): void {
    for (let slot = from; slot < to; slot++) if (this.slots.heatChanged(slot)) this.slots.written(slot);
  }

  /**
   * Program the DEAD mark of the slot's record with this cause, and let the record no longer count as living. False:
   * its sector failed, and the mark may be missing at the next mount.
   */
  kill(slot: number, cause: number): boolean {
    const took = this.markDead(slot, cause);
    this.unbind(slot);
    return took;
  }

  /**
   * Program the DEAD mark as `kill` does, but let the record stay the slot's. So the caller may call `ensure` before it
   * unbinds the record.
   */
  markDead(slot: number, cause: number): boolean {
    return this.#programDead(this.addressOf(slot), cause);
  }

  /** A newer record of the Drop replaces the slot's record. */
  supersede(slot: number): void {
    this.kill(slot, SUPERSEDED);
  }

  /**
   * After `markDead` failed: append a copy of the record to the head, and mark the copy DEAD at once. The caller
   * ensures room before. False: the head failed too.
   */
  bury(slot: number, cause: number): boolean {
    this.putCopy(slot, this.slots.bodySector[slot]!, this.slots.bodyOffset[slot]!);
    if (!this.append()) return false;
    const sector = this.sectorOfRow[this.head % this.rows]!;
    if (this.#programDead(this.#layout.recordAddress(sector, this.lastNumber), cause)) return true;
    this.#endHead();
    return false;
  }

  /** Whether the slot's record on flash says that the Drop's hash was found right. */
  saysVerified(slot: number): boolean {
    const { verifiedAt, unitBytes } = this.#layout;
    const mark = this.#mark;
    const address = this.addressOf(slot);
    this.sectors.flash.read(address, mark, 0, 1);
    if (mark[0] === VERIFIED_DROP_RECORD) return true;
    this.sectors.flash.read(address + verifiedAt, mark, 0, unitBytes);
    return isVerified(mark, 0, unitBytes);
  }

  /** The heat time in the slot's VERIFIED mark; undefined when there is no such mark, or when the mark says no time. */
  verifiedSince(slot: number): number | undefined {
    const { verifiedAt, unitBytes } = this.#layout;
    const mark = this.#mark;
    this.sectors.flash.read(this.addressOf(slot) + verifiedAt, mark, 0, unitBytes);
    return isVerified(mark, 0, unitBytes) && timeKnown(mark, 0) ? timeOf(mark, 0, this.now) : undefined;
  }

  /**
   * Program the VERIFIED mark of the slot's record, which has none. False: the sector failed, or a power cut
   * interrupted the mark before. Then only a copy of the record can say that the Drop is verified.
   */
  markVerified(slot: number): boolean {
    const { verifiedAt, unitBytes } = this.#layout;
    const mark = this.#mark;
    const address = this.addressOf(slot) + verifiedAt;
    this.sectors.flash.read(address, mark, 0, unitBytes);
    if (!blank(mark, 0, unitBytes)) return false;
    putVerified(mark, 0, unitBytes, this.now);
    return this.sectors.program(address, mark, 0, unitBytes);
  }

  /** The head failed: the next record needs another head. */
  #endHead(): void {
    this.sectors.set(this.sectorOfRow[this.head % this.rows]!, WORN);
    this.next = this.#layout.recordsPerSector;
  }

  #programDead(recordAddress: number, cause: number): boolean {
    const { deadAt, unitBytes } = this.#layout;
    putDead(this.#mark, unitBytes, this.now, cause);
    return this.sectors.program(recordAddress + deadAt, this.#mark, 0, unitBytes);
  }

  /** Fill the fields of `record` that say where the body is, and whether the Drop is verified. */
  #putPlace(verified: boolean, bodySector: number, bodyOffset: number): void {
    const { record } = this;
    record[0] = verified ? VERIFIED_DROP_RECORD : DROP_RECORD;
    record[1] = bodySector === NONE ? 0 : this.sectors.eraseCount(bodySector) & 0xff;
    putHalf(record, 16, bodySector);
    putHalf(record, 18, bodyOffset);
  }

  /** Fill the fields of `record` that say which Drop it is, and how hot. */
  #putDrop(low: number, high: number, lengthBytes: number, heatKey: number): void {
    const { record } = this;
    putHalf(record, 2, lengthBytes);
    putWord(record, 4, low);
    putWord(record, 8, high);
    putWord(record, 12, heatKey);
  }

  #sequenceOf(row: number): number {
    return this.head - ((this.head - row) % this.rows);
  }

  /** Copy the living records of the oldest sector to the end. False: there was no room, or the head failed. */
  #cleanOldest(): boolean {
    const slots = this.slots;
    const row = this.tail % this.rows;
    for (let number = 0; number < this.#layout.recordsPerSector; number++) {
      const slot = this.slotOf(row, number);
      if (slot < 0) continue;
      this.putCopy(slot, slots.bodySector[slot]!, slots.bodyOffset[slot]!);
      if (!this.append()) return false;
      this.copied++;
      this.unbind(slot);
      this.bind(slot);
    }
    return true;
  }

  /** Append a tail record: the oldest sectors, which hold no living record, no longer count. */
  #dropTail(): void {
    const tail = this.#firstLiving();
    this.sectors.flash.sync();
    this.record.fill(0, 0, this.#layout.crcAt);
    this.record[0] = TAIL_RECORD;
    putWord(this.record, 4, tail);
    if (this.append()) this.#release(tail);
  }

  /** The oldest sequence with a living record; the head when no older sector has one. */
  #firstLiving(): number {
    let sequence = this.tail;
    while (sequence < this.head && this.#living(sequence) === 0) sequence++;
    return sequence;
  }

  #living(sequence: number): number {
    const sector = this.sectorOfRow[sequence % this.rows]!;
    return sector === NONE ? 0 : this.sectors.live[sector]!;
  }

  #release(tail: number): void {
    const sectors = this.sectors;
    for (; this.tail < tail; this.tail++) {
      const sector = this.sectorOfRow[this.tail % this.rows]!;
      if (sector === NONE) continue;
      sectors.set(sector, sectors.state[sector] === WORN ? RETIRED : FREE);
    }
  }

  /**
   * Open a new head, and free the oldest sectors if they hold no living record. False: the ring is full, or no free
   * sector could be erased and programmed.
   */
  #open(): boolean {
    const sectors = this.sectors;
    const layout = this.#layout;
    const { record } = this;
    const tail = this.head === 0 ? 1 : this.#firstLiving();
    const sequence = this.head + 1;
    if (sequence - tail >= this.rows) return false;
    for (;;) {
      const sector = sectors.leastWornFree();
      if (sector < 0) return false;
      if (!sectors.erase(sector)) continue;
      // A kernel writes in any order. A new header above old records would look like damage.
      sectors.flash.sync();
      record.fill(0xff, LOG_HEADER_BYTES, layout.logStart);
      encodeSectorHeader(record, LOG_SECTOR, sectors.eraseCount(sector), sequence);
      encodeLogHeader(record, tail, this.now, layout);
      if (!sectors.program(sector * layout.sectorSizeBytes, record, 0, layout.logStart)) {
        sectors.set(sector, RETIRED);
        continue;
      }
      sectors.set(sector, LOG);
      const row = sequence % this.rows;
      this.#slotAt.fill(NONE, row * layout.recordsPerSector, (row + 1) * layout.recordsPerSector);
      this.sectorOfRow[row] = sector;
      this.head = sequence;
      this.next = 0;
      this.recordedTime = this.now;
      this.#release(tail);
      this.#nameRetired();
      return true;
    }
  }

  /** Append the first records of a new head: they name the retired sectors, so that no later life tries them again. */
  #nameRetired(): void {
    const { record } = this;
    const { state } = this.sectors;
    const { crcAt, retiredEntries } = this.#layout;
    let entries = 0;
    for (let sector = 0; sector < state.length; sector++) {
      if (state[sector] !== RETIRED) continue;
      if (entries === 0) record.fill(0, 0, crcAt);
      putHalf(record, RETIRED_ENTRIES_AT + entries * RETIRED_ENTRY_BYTES, sector);
      entries++;
      if (entries === retiredEntries) {
        this.#appendRetired(entries);
        entries = 0;
      }
    }
    if (entries > 0) this.#appendRetired(entries);
  }

  #appendRetired(entries: number): void {
    this.record[0] = RETIRED_RECORD;
    this.record[1] = entries;
    this.append();
  }
}
