/**
 * The log of records: what the store knows, in the order in which it came to know it (docs/store.md, "The log").
 *
 * A ring of sectors in order of their sequence, filled one record after another. The newest record of a Drop says where its body
 * is and, by its DEAD mark, whether it is still in the store; heat records say keys that changed since. The oldest
 * sector is cleaned first: its living records are copied to the end, and the header of the next sector (or a tail
 * record) says that it no longer counts. So a record is only ever dropped after all that are older, and no mark, no heat and
 * no copy can outlive what corrected it.
 *
 * Invariants: a record's place is programmed at most once; the log never takes a free sector that `ensure` was not asked
 * for; in its usual size it gives back one for each it takes. Refuses to choose what is evicted.
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
  /** Sequence of the sector that is being filled, 0 before the first; of the oldest that counts. */
  head = 0;
  tail = 1;
  /** Number of the next record in the head, and of the one that `append` wrote last. */
  next = 0;
  lastNumber = 0;
  /** Heat time for the header of a sector that is opened, and the latest that is on flash. */
  now = 0;
  recordedTime = 0;
  /** Records copied when they or their bodies moved, and those found damaged then. */
  copied = 0;
  corrupt = 0;
  /** A record to be appended; the caller fills it with one of the `put` functions. */
  readonly record: Uint8Array;
  /** Sector of each row, 0xffff when mount did not find it; a row is a sequence modulo `rows`. */
  readonly sectorOfRow: Uint16Array;
  readonly rows: number;
  readonly sectors: Sectors;
  readonly slots: Slots;
  readonly #layout: Layout;
  /** The slot that a record was written for, by row and number. True only while the slot's record is that one. */
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

  /** Free sectors that the log will still take to reach its usual size. Nobody else may have them. */
  get claims(): number {
    return Math.max(0, this.#layout.logSectors - this.length);
  }

  /** Make room for so many more records, cleaning as needed. False: no sector could be had. */
  ensure(records: number): boolean {
    const { logSectors, recordsPerSector } = this.#layout;
    // Each pass cleans or opens a sector; a ring of them all over again is already more than its garbage allows.
    for (let passes = 0; passes < 4 * this.rows; passes++) {
      const left = recordsPerSector - this.next;
      if (this.length < logSectors) {
        if (left >= records) return true;
        if (!this.#open()) return false;
        continue;
      }
      const living = this.#living(this.tail);
      if (this.length > logSectors) {
        // Only after power failed during cleaning: empty the oldest at once and say so.
        // What does not fit is copied to the next head.
        if (left > 1) {
          if (this.#cleanOldest() && this.next < recordsPerSector) this.#dropTail();
        } else if (!this.#open()) return false;
        continue;
      }
      if (left - living >= records) return true;
      // A sector that fails under a copy ends the head, and the next pass goes on in a new one.
      if (left > 0 && !this.#cleanOldest()) continue;
      if (!this.#open()) return false;
    }
    return false;
  }

  /**
   * Program `record` at the end, CRC added. False: the sector failed; it is not used further. Room is the caller's to
   * ensure.
   */
  append(): boolean {
    const { crcAt, recordsPerSector, recordBytes, verifiedAt, deadAt } = this.#layout;
    if (this.next >= recordsPerSector) return false;
    const { record } = this;
    const sector = this.sectorOfRow[this.head % this.rows]!;
    const number = this.next++;
    putWord(record, crcAt, recordCrc(record, crcAt, this.head, number));
    // A copy of a verified record brings its mark along; of all others the marks are still to come.
    const programBytes = record[0] === VERIFIED_DROP_RECORD ? deadAt : verifiedAt;
    record.fill(0xff, crcAt + 4, verifiedAt);
    record.fill(0xff, programBytes, recordBytes);
    this.lastNumber = number;
    if (this.sectors.program(this.#layout.recordAddress(sector, number), record, 0, programBytes)) return true;
    this.#endHead();
    return false;
  }

  /** The record appended last is the slot's. */
  bind(slot: number): void {
    this.bindAt(slot, this.head, this.lastNumber);
    this.slots.written(slot);
  }

  bindAt(slot: number, sequence: number, number: number): void {
    this.hold(sequence);
    this.moveTo(slot, sequence % this.rows, number);
  }

  /** A record in that sector counts from now on: the sector is kept, though the record may have no slot yet. */
  hold(sequence: number): void {
    const sector = this.sectorOfRow[sequence % this.rows]!;
    this.sectors.live[sector] = this.sectors.live[sector]! + 1;
  }

  /** The record that was bound to another slot, or held for none, is this one's now. */
  moveTo(slot: number, row: number, number: number): void {
    this.slots.recordRow[slot] = row;
    this.slots.recordNumber[slot] = number;
    this.#slotAt[row * this.#layout.recordsPerSector + number] = slot;
  }

  /** The slot's record no longer is. */
  unbind(slot: number): void {
    const sector = this.sectorOfRow[this.slots.recordRow[slot]!]!;
    this.sectors.live[sector] = this.sectors.live[sector]! - 1;
  }

  /** The slot whose newest record is that one, -1 when none's is. */
  slotOf(row: number, number: number): number {
    const slot = this.#slotAt[row * this.#layout.recordsPerSector + number]!;
    if (slot === NONE || !this.slots.occupied(slot)) return -1;
    return this.slots.recordRow[slot] === row && this.slots.recordNumber[slot] === number ? slot : -1;
  }

  /** Does the slot's record stand in the oldest sector? */
  inTail(slot: number): boolean {
    return this.slots.recordRow[slot] === this.tail % this.rows;
  }

  /** Address of the slot's record. */
  addressOf(slot: number): number {
    return this.#layout.recordAddress(this.sectorOfRow[this.slots.recordRow[slot]!]!, this.slots.recordNumber[slot]!);
  }

  /** Fill `record` for a Drop whose first bytes stand in `bytes` from `offset` on. */
  putDrop(drop: Insertion, bodySector: number, bodyOffset: number): void {
    const { record } = this;
    const { bytes, offset, lengthBytes } = drop;
    this.#putPlace(false, bodySector, bodyOffset);
    this.#putDrop(drop.shortIdLow, drop.shortIdHigh, lengthBytes, drop.heatKey);
    for (let i = 0; i < this.#layout.headBytes; i++) record[HEAD_AT + i] = i < lengthBytes ? bytes![offset + i]! : 0xff;
  }

  /** Fill `record` with a copy of the slot's, its heat as it is now, its body in another place. */
  putCopy(slot: number, bodySector: number, bodyOffset: number): void {
    const { record } = this;
    const slots = this.slots;
    const { crcAt, deadAt, verifiedAt, unitBytes } = this.#layout;
    this.sectors.flash.read(this.addressOf(slot), record, 0, deadAt);
    const sequence = this.#sequenceOf(slots.recordRow[slot]!);
    if (word(record, crcAt) !== recordCrc(record, crcAt, sequence, slots.recordNumber[slot]!)) {
      // All but the head is known; whether that is whole, only the Drop's hash can tell.
      this.corrupt++;
      slots.setVerified(slot, false);
    }
    // A mark that was cut, or that version 1 left out, says nothing of the time.
    if (!isVerified(record, verifiedAt, unitBytes)) record.fill(0, verifiedAt, deadAt);
    this.#putPlace(slots.verified(slot), bodySector, bodyOffset);
    this.#putDrop(slots.low[slot]!, slots.high[slot]!, slots.lengthBytes[slot]!, slots.heat[slot]!);
  }

  /** Fill `record` with heat keys that changed, from slot `from` on. Returns the slot to go on from. */
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

  /** Mark the slot's record DEAD, and why. False: its sector failed, and the mark may not be there at the next mount. */
  kill(slot: number, cause: number): boolean {
    const took = this.markDead(slot, cause);
    this.unbind(slot);
    return took;
  }

  /** The same of a record that stays the slot's: `ensure` may come between this and the end of it. */
  markDead(slot: number, cause: number): boolean {
    return this.#programDead(this.addressOf(slot), cause);
  }

  /** The slot's record was replaced by a newer one. */
  supersede(slot: number): void {
    this.kill(slot, SUPERSEDED);
  }

  /** After `markDead` failed: say the same in the head, by a copy of the record that is DEAD at once. Room is the caller's. */
  bury(slot: number, cause: number): boolean {
    this.putCopy(slot, this.slots.bodySector[slot]!, this.slots.bodyOffset[slot]!);
    if (!this.append()) return false;
    const sector = this.sectorOfRow[this.head % this.rows]!;
    if (this.#programDead(this.#layout.recordAddress(sector, this.lastNumber), cause)) return true;
    this.#endHead();
    return false;
  }

  /** Does the slot's record say that its hash was found right? */
  saysVerified(slot: number): boolean {
    const { verifiedAt, unitBytes } = this.#layout;
    const mark = this.#mark;
    const address = this.addressOf(slot);
    this.sectors.flash.read(address, mark, 0, 1);
    if (mark[0] === VERIFIED_DROP_RECORD) return true;
    this.sectors.flash.read(address + verifiedAt, mark, 0, unitBytes);
    return isVerified(mark, 0, unitBytes);
  }

  /** The heat time that the slot's VERIFIED mark says; undefined when there is none, or it says none. */
  verifiedSince(slot: number): number | undefined {
    const { verifiedAt, unitBytes } = this.#layout;
    const mark = this.#mark;
    this.sectors.flash.read(this.addressOf(slot) + verifiedAt, mark, 0, unitBytes);
    return isVerified(mark, 0, unitBytes) && timeKnown(mark, 0) ? timeOf(mark, 0, this.now) : undefined;
  }

  /**
   * Mark the slot's record VERIFIED, which did not say so. False: its sector failed, or the mark was cut before; only a
   * copy can say it.
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

  /** The head failed: the next record needs another. */
  #endHead(): void {
    this.sectors.set(this.sectorOfRow[this.head % this.rows]!, WORN);
    this.next = this.#layout.recordsPerSector;
  }

  #programDead(recordAddress: number, cause: number): boolean {
    const { deadAt, unitBytes } = this.#layout;
    putDead(this.#mark, unitBytes, this.now, cause);
    return this.sectors.program(recordAddress + deadAt, this.#mark, 0, unitBytes);
  }

  /** What a record says of where the body is, and whether the hash was checked. */
  #putPlace(verified: boolean, bodySector: number, bodyOffset: number): void {
    const { record } = this;
    record[0] = verified ? VERIFIED_DROP_RECORD : DROP_RECORD;
    record[1] = bodySector === NONE ? 0 : this.sectors.eraseCount(bodySector) & 0xff;
    putHalf(record, 16, bodySector);
    putHalf(record, 18, bodyOffset);
  }

  /** What a record says of the Drop itself. */
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

  /** Copy the living records of the oldest sector to the end. There must be room. */
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

  /** Say that the oldest sectors, which hold nothing living, no longer count. */
  #dropTail(): void {
    const tail = this.#firstLiving();
    this.sectors.flash.sync();
    this.record.fill(0, 0, this.#layout.crcAt);
    this.record[0] = TAIL_RECORD;
    putWord(this.record, 4, tail);
    if (this.append()) this.#release(tail);
  }

  /** The oldest sequence with a living record; the head when there is none. */
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

  /** Begin a new sector, and let go of the oldest ones that hold nothing living. */
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

  /** The first records of every sector: what is worn out, so that no later life tries it again. */
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
