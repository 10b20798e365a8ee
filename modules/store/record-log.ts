/**
 * The log of records: everything that the store knows, in the order in which the store learned it (docs/store.md, "The
 * log").
 *
 * Drops come, move and die, but flash cannot be overwritten. So the store appends a record for each change, and the
 * newest record of a Drop counts.
 *
 * The log is a ring of pairs of sectors in order of their number. The records of a pair go into its two sectors by
 * turns. The newest record of a Drop says where the Drop is. A close record says that a Drop died, and of what. Heat
 * records say which heat keys changed since then. The oldest pair is cleaned first: its living records are copied to
 * the end, and the header of the next pair (or a tail record) says that the oldest pair no longer counts. So a record
 * is dropped only after all older records, and no heat key or copy can outlive the record that corrected it.
 *
 * Invariants:
 * - The place of a record is programmed at most once.
 * - A bearing record is never in the same sector as the bearing record before it, whose essence it bears.
 * - The log takes free sectors only in `ensure`.
 * - At its usual size, the log gives back one pair for each pair that it takes.
 *
 * The log refuses to choose which Drop is evicted.
 */
import { COLDEST } from "./causes.ts";
import { DropReader } from "./drop-reader.ts";
import type { Insertion } from "./insertion.ts";
import {
  BEFORE_AT,
  CLOSE_RECORD,
  CRC_AT,
  DROP_RECORD,
  ESSENCE_AT,
  ESSENCE_BYTES,
  encodeLogHeader,
  encodeSectorHeader,
  KIND_MASK,
  type Layout,
  LOG_HEADER_BYTES,
  LOG_RECORD_BYTES,
  LOG_SECTOR,
  NO_RECORD,
  NOWHERE,
  OLD_ENTRY_AT,
  OLD_HEAD_AT,
  OLD_HEAD_BYTES,
  OLD_HEAD_RECORD,
  OLD_RECORD,
  OLD_TAIL_AT,
  putHalf,
  putWord,
  recordCrc,
  SINCE_AT,
  SINCE_HIGH_AT,
  TAIL_AT,
  UPGRADE_SECTOR,
} from "./layout.ts";
import { LogRing } from "./log-ring.ts";
import { RecordWriter } from "./record-writer.ts";
import { RETIRED, type Sectors, WORN } from "./sectors.ts";
import { sinceBefore } from "./since.ts";
import { NO_SLOT, OLD, type Slots } from "./slots.ts";

/** A bearing record says in five bits how far before it the last one is. */
const BEFORE_MAX = 31;
/** Places that a call may take besides its records: one is skipped, and two more when a close record comes between. */
const SKIPS_MAX = 3;
/** Places that are kept for a tail record in the last pair that the log can take. Each power cut costs two of them. */
const TAIL_RESERVE = 32;
/** The oldest pair is cleaned in steps of so many records, so that no insert waits for all of them. */
const STEP_RECORDS = 6;
/** The steps begin when so few places are left besides those for the copies. An insert takes about three of them. */
const STEPS_FROM = 72;
/** When so few are left, power cuts took places, and the log may have to open a pair before the oldest is empty. */
const SPARE_FROM = 16;

export class RecordLog {
  readonly ring: LogRing;
  /** Number of the next record in the head. */
  next = 0;
  /** Number of the record that `append` wrote last. */
  lastNumber = 0;
  /** Heat time now: for deaths, heat records and the headers of new sectors. */
  now = 0;
  /** The latest heat time that is on flash. */
  recordedTime = 0;
  /** Records that were copied because their pair was cleaned. */
  copied = 0;
  appended = 0;
  readonly sectors: Sectors;
  readonly slots: Slots;
  readonly reader: DropReader;
  /** A mount reads headers and records into these bytes too. */
  readonly record: Uint8Array;
  readonly #writer: RecordWriter;
  readonly #layout: Layout;
  /** Only one sector of the head is open, and has no records. */
  half = false;
  /** Whether there are Drops as format 2 wrote them. */
  hasOld = false;
  /** Mount only: the log of format 2 still counts. */
  upgrading = false;
  /** In the oldest pair, only records from this number on are living. */
  #cleaned = 0;
  readonly #essence = new Uint8Array(ESSENCE_BYTES);
  /** Number of the last bearing record in the head; -1: none. */
  #bearing = -1;

  constructor(sectors: Sectors, slots: Slots) {
    const { layout } = sectors;
    this.sectors = sectors;
    this.#layout = layout;
    this.slots = slots;
    this.ring = new LogRing(sectors, slots);
    this.reader = new DropReader(this.ring, sectors, slots);
    this.#writer = new RecordWriter(this.ring, sectors, slots);
    this.record = this.#writer.bytes;
    this.clear();
  }

  clear(): void {
    this.ring.clear();
    this.upgrading = false;
    this.half = false;
    this.#cleaned = 0;
    this.next = this.#layout.recordsPerPair;
    this.now = 0;
    this.recordedTime = 0;
    this.#essence.fill(0);
    this.#bearing = -1;
  }

  /**
   * Mount only: the last bearing record is in the head with this number (-1: in an earlier pair), and is in `bytes`.
   */
  resume(number: number, bytes: Uint8Array): void {
    this.#bearing = number;
    for (let i = 0; i < ESSENCE_BYTES; i++) this.#essence[i] = bytes[i]!;
  }

  /** Whether the last bearing record names the place of a Drop, which no other record does yet. */
  get exposed(): boolean {
    return (this.#essence[0]! & KIND_MASK) === DROP_RECORD;
  }

  /** Repeat the essence of the last bearing record in another sector, if it names the place of a Drop. */
  settle(): void {
    if (!this.exposed || !this.ensure(2)) return;
    this.appendClose(NO_SLOT, COLDEST);
  }

  /**
   * Free sectors that must not be used for bodies: those that the log will still take to reach its usual size, and one
   * more if power cuts took places for the copies out of the oldest pair. With this one, and the sector that is kept
   * for cleaning bodies, the log can open a pair before the oldest is empty.
   */
  get claims(): number {
    return (
      2 * Math.max(0, this.#layout.logPairs - this.ring.length) + (this.half || this.#mustClean(SPARE_FROM) ? 1 : 0)
    );
  }

  /**
   * Whether the oldest pair has living records, and fewer places than so many are left besides those for the copies.
   */
  #mustClean(places: number): boolean {
    const living = this.ring.living(this.ring.tail);
    return living > 0 && this.ring.length >= this.#layout.logPairs && this.#left - living < places;
  }

  /** Places that are left in the head. */
  get #left(): number {
    return this.#layout.recordsPerPair - this.next;
  }

  /** If it is time, copy a few records out of the oldest pair. `ensure` copies all of them when this was not enough. */
  cleanStep(): void {
    if (this.hasOld || this.ring.length !== this.#layout.logPairs || !this.#mustClean(STEPS_FROM)) return;
    this.#cleanOldest(Math.max(0, this.#left - STEP_RECORDS));
  }

  /** Make room for so many more records, and clean as needed for that. False: no sector could be opened. */
  ensure(records: number): boolean {
    const { ring } = this;
    const { logPairs, recordsPerPair } = this.#layout;
    // Each pass cleans or opens a pair. One round of the ring is already more than its garbage can require.
    for (let passes = 0; passes < 4 * ring.rows; passes++) {
      const left = this.#left;
      if (ring.length < logPairs) {
        if (left >= records + SKIPS_MAX) return true;
        if (!this.#open()) return false;
        continue;
      }
      if (this.hasOld && this.#oldInTail()) {
        // Copies of such records would take more room than they free. The collector moves these Drops first.
        if (left >= records + SKIPS_MAX) return true;
        if (!this.#open()) return false;
        continue;
      }
      const living = ring.living(ring.tail);
      if (ring.length > logPairs) {
        // The log is this long only after power cuts during its cleaning. Empty the oldest pair now, and append a tail
        // record. If the places for the tail record are reached before that, the caller gives Drops up.
        if (left > TAIL_RESERVE || (left > 0 && living === 0)) {
          if (this.#cleanOldest(TAIL_RESERVE) && this.next < recordsPerPair) this.#dropTail();
        } else if (!this.#open()) return false;
        continue;
      }
      if (left - living >= records + SKIPS_MAX) return true;
      // If the program of a copy fails, the head takes no more records, and the next pass opens a new head.
      if (left > 0 && !this.#cleanOldest(0)) continue;
      if (!this.#open()) return false;
    }
    return false;
  }

  /**
   * Add essence and CRC to `record` and program it at the end of the log. The caller ensures room before. False: the
   * head is full, or its sector failed and takes no more records.
   */
  append(): boolean {
    const { record, ring } = this;
    const { recordsPerPair } = this.#layout;
    const kind = record[0]! & KIND_MASK;
    const bearing = kind === DROP_RECORD || kind === CLOSE_RECORD;
    if (bearing) {
      if (this.#bearing >= 0 && ((this.next ^ this.#bearing) & 1) === 0) this.next++;
      const before = this.#bearing < 0 ? 0 : this.next - this.#bearing;
      if (kind === DROP_RECORD) record[4] = (record[4]! & 7) | (before << 3);
      else record[1] = before;
      record.set(this.#essence, ESSENCE_AT);
      if (kind === DROP_RECORD) {
        record[SINCE_HIGH_AT] = (record[SINCE_HIGH_AT]! & 7) | ((this.#writer.since >>> 16) << 3);
        putHalf(record, SINCE_AT, this.#writer.since & 0xffff);
      }
    }
    if (this.next >= recordsPerPair) return false;
    const number = this.next;
    // A sector of an upgrade is filled alone.
    this.next += this.upgrading ? 2 : 1;
    const sector = ring.sectorOf(ring.head, number);
    putWord(record, CRC_AT, recordCrc(record, ring.head, number));
    this.lastNumber = number;
    this.appended++;
    if (!this.sectors.program(this.#layout.recordAddress(sector, number), record, 0, LOG_RECORD_BYTES)) {
      this.sectors.set(sector, WORN);
      this.next = recordsPerPair;
      return false;
    }
    if (bearing) {
      for (let i = 0; i < ESSENCE_BYTES; i++) this.#essence[i] = record[i]!;
      this.#bearing = number;
    }
    return true;
  }

  /**
   * Append Drops of format 2, as many as `Layout.oldGroup` at most. `heads` are their first bytes, one after another.
   * Only an upgrade does this. False: there is no room, or the head failed.
   */
  appendOld(group: readonly number[], heads: Uint8Array): boolean {
    const { record, slots } = this;
    const { oldHeadBytes, recordsPerPair } = this.#layout;
    const step = this.upgrading ? 2 : 1;
    const rest = oldHeadBytes - OLD_HEAD_BYTES;
    if (this.next + (group.length + (rest > 0 ? 1 : 0)) * 2 > recordsPerPair) return false;
    if (rest > 0) {
      record.fill(0xff, 0, CRC_AT);
      record[0] = OLD_HEAD_RECORD;
      for (let entry = 0; entry < group.length; entry++) {
        const from = entry * oldHeadBytes + OLD_HEAD_BYTES;
        for (let i = 0; i < rest; i++) record[1 + entry * rest + i] = heads[from + i]!;
      }
      if (!this.append()) return false;
    }
    for (let entry = 0; entry < group.length; entry++) {
      const slot = group[entry]!;
      // All records of a group are in one sector.
      if (step === 1 && (rest > 0 || entry > 0)) this.next++;
      this.#writer.old(OLD_RECORD, slot);
      for (let i = 0; i < OLD_HEAD_BYTES; i++) record[OLD_HEAD_AT + i] = heads[entry * oldHeadBytes + i]!;
      record[OLD_ENTRY_AT] = entry;
      if (!this.append()) return false;
      this.ring.bind(slot, this.ring.head, this.lastNumber);
      slots.place(slot, slots.bodySector[slot]!, (slots.offset(slot) & ~3) | OLD);
    }
    return true;
  }

  /**
   * Open a sector for an upgrade. Each such sector is filled alone, by the even numbers of a pair or by its odd
   * numbers. False: no free sector could be erased and programmed.
   */
  openUpgrade(): boolean {
    const { ring } = this;
    const second = ring.head > 0 && this.next % 2 === 0 && ring.sectorOf(ring.head, 1) === NOWHERE;
    const pair = second ? ring.head : ring.head + 1;
    const side = second ? 1 : 0;
    if (pair - ring.tail >= ring.rows) return false;
    const sector = this.#openSector(pair, side, ring.tail);
    if (sector < 0) return false;
    this.#enter(pair, side, sector);
    this.next = side;
    this.#nameRetired();
    return true;
  }

  /** Append to the sector of an upgrade: the log of format 2 counts from this sequence on. False: no room. */
  appendOldTail(sequence: number): boolean {
    this.#writer.tail(OLD_TAIL_AT, sequence);
    return this.append();
  }

  /** The log of format 2 does not count any more. */
  endUpgrade(): boolean {
    this.upgrading = false;
    this.#bearing = -1;
    return this.#open();
  }

  /** The record that was appended last belongs to the slot from now on. */
  bind(slot: number): void {
    this.ring.bind(slot, this.ring.head, this.lastNumber);
    this.slots.written(slot);
    this.slots.verifiedWritten(slot);
  }

  /** Append the record of a new Drop, whose body is at this place. False: as of `append`. */
  appendDrop(drop: Insertion, bodySector: number, bodyOffset: number): boolean {
    this.#bridge();
    this.#writer.drop(drop, bodySector, bodyOffset, this.now);
    return this.append();
  }

  /** Append a copy of the slot's record: with the present heat key, and with the body at this place. */
  appendCopy(slot: number, bodySector: number, bodyOffset: number): boolean {
    this.#bridge();
    this.#writer.copy(slot, bodySector, bodyOffset);
    return this.append();
  }

  /**
   * Append the death of the slot's Drop, and Drops that were verified. `NO_SLOT`: no Drop died. The record stays the
   * slot's, so that the caller may call `ensure`. False: the Drop may be back at the next mount.
   */
  appendClose(slot: number, cause: number): boolean {
    this.#writer.close(slot, cause, this.now);
    return this.append();
  }

  /** Append Drops that were verified. False: there are none, or the head took no more. */
  appendVerified(): boolean {
    return this.#writer.verified() && this.append();
  }

  /**
   * Append heat keys that changed, from slot `from` on. Returns the slot from which to continue; -1: the head failed.
   */
  appendHeat(from: number): number {
    const next = this.#writer.heat(from, this.now);
    if (!this.append()) return -1;
    for (let slot = from; slot < next; slot++) if (this.slots.heatChanged(slot)) this.slots.written(slot);
    this.recordedTime = Math.max(this.recordedTime, this.now);
    return next;
  }

  /** Heat time since when the slot's Drop is here; undefined when the record cannot be read. */
  sinceOf(slot: number): number | undefined {
    const age = sinceBefore(this.#writer.sinceOf(slot), this.now);
    return age === undefined ? undefined : this.now - age;
  }

  /** Before a Drop's record, the last bearing record must be so near that five bits say where it is. */
  #bridge(): void {
    if (this.#bearing < 0 || this.next + 1 - this.#bearing <= BEFORE_MAX) return;
    this.appendClose(NO_SLOT, COLDEST);
  }

  #oldInTail(): boolean {
    const { slots } = this;
    for (let slot = 0; slot < slots.length; slot++)
      if (slots.occupied(slot) && slots.old(slot) && this.ring.inTail(slot)) return true;
    return false;
  }

  /**
   * Copy the living records of the oldest pair to the end, but leave so many places. False: there was no room, or the
   * head failed.
   */
  #cleanOldest(places: number): boolean {
    const slots = this.slots;
    const row = this.ring.tail % this.ring.rows;
    for (; this.#cleaned < this.#layout.recordsPerPair && this.ring.living(this.ring.tail) > 0; this.#cleaned++) {
      const slot = this.ring.slotOf(row, this.#cleaned);
      if (slot < 0) continue;
      if (this.#left <= places) return false;
      if (slots.old(slot)) {
        const head = new Uint8Array(this.#layout.oldHeadBytes);
        this.reader.read(slot, 0, head, 0, Math.min(head.length, slots.lengthBytes[slot]!));
        if (!this.appendOld([slot], head)) return false;
        this.ring.unhold(row);
        this.slots.written(slot);
        continue;
      }
      if (!this.appendCopy(slot, slots.bodySector[slot]!, slots.offset(slot))) return false;
      this.copied++;
      this.ring.unbind(slot);
      this.bind(slot);
    }
    return true;
  }

  /** Append a tail record: the oldest pairs, which hold no living record, no longer count. */
  #dropTail(): void {
    const tail = this.ring.firstLiving();
    this.sectors.flash.sync();
    this.#writer.tail(TAIL_AT, tail);
    if (this.append()) this.#release(tail);
  }

  #release(tail: number): void {
    if (this.ring.tail < tail) this.#cleaned = 0;
    this.ring.release(tail);
  }

  /**
   * Open a new head, and free the oldest pairs if they hold no living record. False: the ring is full, or no two free
   * sectors could be erased and programmed.
   */
  #open(): boolean {
    const tail = this.ring.head === 0 ? 1 : this.ring.firstLiving();
    if (!this.half) {
      const pair = this.ring.head + 1;
      if (pair - tail >= this.ring.rows) return false;
      const sector = this.#openSector(pair, 0, tail);
      if (sector < 0) return false;
      this.#enter(pair, 0, sector);
      this.half = true;
      // The header of the first sector moves the tail. So the second sector may be one that the tail gives back.
      this.#release(tail);
    }
    const side = this.ring.sectorOf(this.ring.head, 0) === NOWHERE ? 0 : 1;
    const sector = this.#openSector(this.ring.head, side, tail);
    if (sector < 0) return false;
    this.#enter(this.ring.head, side, sector);
    this.half = false;
    this.#release(tail);
    // A kernel writes in any order. Records beside a sector without a header would look like damage.
    this.sectors.flash.sync();
    this.#bearing = -1;
    this.next = 0;
    this.recordedTime = this.now;
    this.#nameRetired();
    // The last record of the pair before may be the only one that names a Drop's place.
    if (this.exposed) this.appendClose(NO_SLOT, COLDEST);
    return true;
  }

  /** If the head has only one sector, give that sector back: no other is free, and it has no records. */
  abandonHalf(): void {
    if (!this.half) return;
    this.ring.abandonHead();
    this.half = false;
    this.#bearing = -1;
  }

  /** This side of the pair is open. In a new head, no record can be appended yet. */
  #enter(pair: number, side: number, sector: number): void {
    if (this.ring.enter(pair, side, sector)) this.next = this.#layout.recordsPerPair;
  }

  /**
   * Copy all living records of the pairs up to this one to the end, so that these pairs no longer count. False: not all
   * of them, since one free sector must remain for cleaning bodies.
   */
  renew(pair: number): boolean {
    while (this.ring.tail <= pair) {
      const left = this.#layout.recordsPerPair - this.next;
      if (pair === this.ring.head || left < Math.min(this.ring.living(this.ring.tail) + SKIPS_MAX, 1 + SKIPS_MAX)) {
        if (this.sectors.free <= (this.half ? 1 : 2) || !this.#open()) return false;
      } else if (this.#cleanOldest(0) && this.next < this.#layout.recordsPerPair) this.#dropTail();
    }
    return true;
  }

  /** Erase a free sector and program the header of this side of the pair. Returns the sector; -1: none could be. */
  #openSector(pair: number, side: number, tail: number): number {
    const { record, sectors } = this;
    const layout = this.#layout;
    for (;;) {
      const sector = sectors.leastWornFree();
      if (sector < 0) return -1;
      if (!sectors.erase(sector)) continue;
      // A kernel writes in any order. A new header above old records would look like damage.
      sectors.flash.sync();
      encodeSectorHeader(
        record,
        this.upgrading ? UPGRADE_SECTOR : LOG_SECTOR,
        sectors.eraseCount(sector),
        2 * pair + side,
      );
      record[BEFORE_AT] = this.#bearing < 0 ? NO_RECORD : this.#bearing;
      encodeLogHeader(record, tail, this.now, layout);
      if (sectors.program(sector * layout.sectorSizeBytes, record, 0, LOG_HEADER_BYTES)) return sector;
      sectors.set(sector, RETIRED);
    }
  }

  /** Append the first records of a new head: they name the retired sectors, so that no later life tries them again. */
  #nameRetired(): void {
    for (let from = this.#writer.retired(0); from >= 0; from = this.#writer.retired(from)) this.append();
  }
}
