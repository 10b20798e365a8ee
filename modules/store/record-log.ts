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
import type { Insertion } from "./insertion.ts";
import {
  BEFORE_AT,
  CLOSE_RECORD,
  CLOSE_VERIFIED,
  CLOSE_VERIFIED_AT,
  CRC_AT,
  DROP_RECORD,
  ESCAPED_FLAG,
  ESSENCE_AT,
  ESSENCE_BYTES,
  encodeLogHeader,
  encodeSectorHeader,
  HEAT_AT,
  HEAT_ENTRIES,
  HEAT_ENTRIES_AT,
  HEAT_ENTRY_BYTES,
  HEAT_RECORD,
  half,
  ID_AT,
  KIND_MASK,
  type Layout,
  LIST_ENTRIES,
  LIST_ENTRIES_AT,
  LOG_HEADER_BYTES,
  LOG_RECORD_BYTES,
  LOG_SECTOR,
  MARK_SHIFT,
  NO_RECORD,
  OLD_ENTRY_AT,
  OLD_HEAD_AT,
  OLD_HEAD_BYTES,
  OLD_HEAD_RECORD,
  OLD_RECORD,
  OLD_TAIL_AT,
  putHalf,
  putWord,
  RETIRED_RECORD,
  recordCrc,
  SINCE_AT,
  SINCE_HIGH_AT,
  TAIL_RECORD,
  UPGRADE_SECTOR,
  VERIFIED_FLAG,
  VERIFIED_RECORD,
  word,
} from "./layout.ts";
import { FREE, LIFE_MASK, LOG, RETIRED, type Sectors, WORN } from "./sectors.ts";
import { ESCAPED, NO_SLOT, OLD, type Slots } from "./slots.ts";

const NONE = 0xffff;
const BEFORE_MAX = 31;
/** A Drop of which the record does not say since when it is here. */
const SINCE_UNKNOWN = 0x1f_ffff;
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
/** `since` counts so many units of heat time as one. */
const SINCE_SHIFT = 3;

export class RecordLog {
  /** Number of the pair that is being filled; 0 before the first. This pair is the head. */
  head = 0;
  /** Number of the oldest pair that counts. */
  tail = 1;
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
  /** The record that `append` programs. The caller fills it with one of the `put` functions. */
  readonly record = new Uint8Array(LOG_RECORD_BYTES);
  /**
   * The two sectors of each row; 0xffff when mount did not find the sector. A row is the number of a pair modulo
   * `rows`.
   */
  readonly sectorOfRow: Uint16Array;
  readonly rows: number;
  readonly sectors: Sectors;
  readonly slots: Slots;
  readonly #layout: Layout;
  /** Records of each row that are the newest of their Drops. */
  readonly #live: Uint16Array;
  /**
   * The slot for which each record was written, by row and number. Valid only while the slot's record is that record.
   */
  readonly #slotAt: Uint16Array;
  /** Only one sector of the head is open, and has no records. */
  half = false;
  /** Whether there are Drops as format 2 wrote them. */
  hasOld = false;
  /** Mount only: the log of format 2 still counts. */
  upgrading = false;
  /** The field `since` of the record that `append` programs next, if it is the record of a Drop. */
  #since = 0;
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
    this.rows = layout.logPairsMax;
    this.sectorOfRow = new Uint16Array(2 * this.rows);
    this.#live = new Uint16Array(this.rows);
    this.#slotAt = new Uint16Array(this.rows * layout.recordsPerPair);
    this.clear();
  }

  clear(): void {
    this.head = 0;
    this.upgrading = false;
    this.half = false;
    this.#cleaned = 0;
    this.tail = 1;
    this.next = this.#layout.recordsPerPair;
    this.now = 0;
    this.recordedTime = 0;
    this.sectorOfRow.fill(NONE);
    this.#live.fill(0);
    this.#slotAt.fill(NONE);
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
    this.putClose(NO_SLOT, COLDEST);
    this.append();
  }

  /** Pairs in the ring. */
  get length(): number {
    return this.head - this.tail + 1;
  }

  /**
   * Free sectors that must not be used for bodies: those that the log will still take to reach its usual size, and one
   * more if power cuts took places for the copies out of the oldest pair. With this one, and the sector that is kept
   * for cleaning bodies, the log can open a pair before the oldest is empty.
   */
  get claims(): number {
    return 2 * Math.max(0, this.#layout.logPairs - this.length) + (this.half || this.#mustClean(SPARE_FROM) ? 1 : 0);
  }

  /**
   * Whether the oldest pair has living records, and fewer places than so many are left besides those for the copies.
   */
  #mustClean(places: number): boolean {
    const living = this.#living(this.tail);
    return living > 0 && this.length >= this.#layout.logPairs && this.#left - living < places;
  }

  /** Places that are left in the head. */
  get #left(): number {
    return this.#layout.recordsPerPair - this.next;
  }

  /** If it is time, copy a few records out of the oldest pair. `ensure` copies all of them when this was not enough. */
  cleanStep(): void {
    if (this.hasOld || this.length !== this.#layout.logPairs || !this.#mustClean(STEPS_FROM)) return;
    this.#cleanOldest(Math.max(0, this.#left - STEP_RECORDS));
  }

  /** Make room for so many more records, and clean as needed for that. False: no sector could be opened. */
  ensure(records: number): boolean {
    const { logPairs, recordsPerPair } = this.#layout;
    // Each pass cleans or opens a pair. One round of the ring is already more than its garbage can require.
    for (let passes = 0; passes < 4 * this.rows; passes++) {
      const left = this.#left;
      if (this.length < logPairs) {
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
      const living = this.#living(this.tail);
      if (this.length > logPairs) {
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
    const { record } = this;
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
        record[SINCE_HIGH_AT] = (record[SINCE_HIGH_AT]! & 7) | ((this.#since >>> 16) << 3);
        putHalf(record, SINCE_AT, this.#since & 0xffff);
      }
    }
    if (this.next >= recordsPerPair) return false;
    const number = this.next;
    // A sector of an upgrade is filled alone.
    this.next += this.upgrading ? 2 : 1;
    const sector = this.sectorOf(this.head, number);
    putWord(record, CRC_AT, recordCrc(record, this.head, number));
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

  /** The sector of the record with this number in this pair. */
  sectorOf(pair: number, number: number): number {
    return this.sectorOfRow[2 * (pair % this.rows) + (number & 1)]!;
  }

  /** Copy bytes of the slot's Drop, from its byte `from` on, to `into[offset .. offset + lengthBytes)`. */
  // biome-ignore lint/complexity/useMaxParams: source, at, into, offset, length, as every copy of bytes
  readDrop(slot: number, from: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    const { flash } = this.sectors;
    const { sectorSizeBytes, oldHeadBytes } = this.#layout;
    const start = this.slots.offset(slot);
    let body = this.slots.bodySector[slot]! * sectorSizeBytes + (start & ~3) + from;
    let done = 0;
    if ((start & OLD) !== 0) {
      done = Math.max(0, Math.min(lengthBytes, oldHeadBytes - from));
      for (let i = 0; i < done; i++) flash.read(this.#oldHeadAt(slot, from + i), into, offset + i, 1);
      body -= oldHeadBytes;
    }
    if (done < lengthBytes) flash.read(body + done, into, offset + done, lengthBytes - done);
    if (from === 0 && lengthBytes > 0 && (start & ESCAPED) !== 0) into[offset] = into[offset]! ^ 0xff;
  }

  /** Where the byte of the slot's Drop is, one of the first bytes of a Drop of format 2. */
  #oldHeadAt(slot: number, byte: number): number {
    const { flash } = this.sectors;
    const address = this.#addressOf(slot);
    if (byte < OLD_HEAD_BYTES) return address + OLD_HEAD_AT + byte;
    flash.read(address + OLD_ENTRY_AT, this.record, 0, 1);
    const entry = this.record[0]!;
    const rest = this.#layout.oldHeadBytes - OLD_HEAD_BYTES;
    return address - (entry + 1) * LOG_RECORD_BYTES + 1 + entry * rest + byte - OLD_HEAD_BYTES;
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
      record.fill(0xff, 0, CRC_AT);
      record[0] = OLD_RECORD | this.#flagsOf(slot);
      this.#putPlace(slots.lengthBytes[slot]!, slots.bodySector[slot]!, slots.offset(slot) & ~3);
      putWord(record, ID_AT, slots.low[slot]!);
      putWord(record, ID_AT + 4, slots.high[slot]!);
      putWord(record, HEAT_AT, slots.heat[slot]!);
      for (let i = 0; i < OLD_HEAD_BYTES; i++) record[OLD_HEAD_AT + i] = heads[entry * oldHeadBytes + i]!;
      record[OLD_ENTRY_AT] = entry;
      if (!this.append()) return false;
      this.bindAt(slot, this.head, this.lastNumber);
      slots.place(slot, slots.bodySector[slot]!, (slots.offset(slot) & ~3) | OLD);
    }
    return true;
  }

  /**
   * Open a sector for an upgrade. Each such sector is filled alone, by the even numbers of a pair or by its odd
   * numbers. False: no free sector could be erased and programmed.
   */
  openUpgrade(): boolean {
    const second = this.head > 0 && this.next % 2 === 0 && this.sectorOf(this.head, 1) === NONE;
    const pair = second ? this.head : this.head + 1;
    const side = second ? 1 : 0;
    if (pair - this.tail >= this.rows) return false;
    const sector = this.#openSector(pair, side, this.tail);
    if (sector < 0) return false;
    this.#enter(pair, side, sector);
    this.next = side;
    this.#nameRetired();
    return true;
  }

  /** Append to the sector of an upgrade: the log of format 2 counts from this sequence on. False: no room. */
  appendOldTail(sequence: number): boolean {
    this.record.fill(0, 0, CRC_AT);
    this.record[0] = TAIL_RECORD;
    putWord(this.record, OLD_TAIL_AT, sequence);
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
    this.bindAt(slot, this.head, this.lastNumber);
    this.slots.written(slot);
    this.slots.verifiedWritten(slot);
  }

  bindAt(slot: number, pair: number, number: number): void {
    this.hold(pair);
    this.moveTo(slot, pair % this.rows, number);
  }

  /** A record in this pair counts from now on. So the pair is kept, though the record may have no slot yet. */
  hold(pair: number): void {
    const row = pair % this.rows;
    this.#live[row] = this.#live[row]! + 1;
  }

  /** A record that was bound to another slot, or held for no slot, belongs to this slot from now on. */
  moveTo(slot: number, row: number, number: number): void {
    this.slots.recordRow[slot] = row;
    this.slots.recordNumber[slot] = number;
    this.#slotAt[row * this.#layout.recordsPerPair + number] = slot;
  }

  /** The slot's record no longer counts as living. */
  unbind(slot: number): void {
    const row = this.slots.recordRow[slot]!;
    this.#live[row] = this.#live[row]! - 1;
  }

  /** The slot to which this record belongs; -1 when the record is no slot's newest record. */
  slotOf(row: number, number: number): number {
    const slot = this.#slotAt[row * this.#layout.recordsPerPair + number]!;
    if (slot === NONE || !this.slots.occupied(slot)) return -1;
    return this.slots.recordRow[slot] === row && this.slots.recordNumber[slot] === number ? slot : -1;
  }

  /** Whether the slot's record is in the oldest pair. */
  inTail(slot: number): boolean {
    return this.slots.recordRow[slot] === this.tail % this.rows;
  }

  /** Fill `record` with the record of a new Drop, whose body is at this place. */
  putDrop(drop: Insertion, bodySector: number, bodyOffset: number): void {
    this.#bridge();
    const { record } = this;
    record[0] = DROP_RECORD | (drop.own ? 1 << MARK_SHIFT : 0);
    this.#putPlace(drop.lengthBytes, bodySector, bodyOffset);
    putWord(record, ID_AT, drop.shortIdLow);
    putWord(record, ID_AT + 4, drop.shortIdHigh);
    putWord(record, HEAT_AT, drop.heatKey);
    this.#since = Math.min((this.now >> SINCE_SHIFT) & SINCE_UNKNOWN, SINCE_UNKNOWN - 1);
  }

  /** Fill `record` with a copy of the slot's record: with the present heat key, and with the body at this place. */
  putCopy(slot: number, bodySector: number, bodyOffset: number): void {
    this.#bridge();
    const { record, slots } = this;
    this.#since = this.#readSince(slot);
    record[0] = DROP_RECORD | this.#flagsOf(slot);
    this.#putPlace(slots.lengthBytes[slot]!, bodySector, bodyOffset);
    putWord(record, ID_AT, slots.low[slot]!);
    putWord(record, ID_AT + 4, slots.high[slot]!);
    putWord(record, HEAT_AT, slots.heat[slot]!);
  }

  /** Fill `record` with the death of the slot's Drop, and with Drops that were verified. `NO_SLOT`: no Drop died. */
  putClose(slot: number, cause: number): void {
    const { record, slots } = this;
    record.fill(0xff, 0, CRC_AT);
    record[0] = CLOSE_RECORD | (cause << 3);
    if (slot !== NO_SLOT) this.#putReference(slot, 2);
    putWord(record, 4, this.now);
    for (let entry = 0; entry < CLOSE_VERIFIED; entry++) {
      const verified = slots.nextUnwritten(false);
      if (verified < 0) break;
      slots.verifiedWritten(verified);
      this.#putReference(verified, CLOSE_VERIFIED_AT + 2 * entry);
    }
  }

  /** Fill `record` with heat keys that changed, from slot `from` on. Returns the slot from which to continue. */
  putHeat(from: number): number {
    const { record } = this;
    const slots = this.slots;
    record.fill(0, 0, CRC_AT);
    let entries = 0;
    let slot = from;
    for (; slot < slots.capacity && entries < HEAT_ENTRIES; slot++) {
      if (!slots.heatChanged(slot)) continue;
      const at = HEAT_ENTRIES_AT + entries * HEAT_ENTRY_BYTES;
      this.#putReference(slot, at);
      putWord(record, at + 2, slots.heat[slot]!);
      entries++;
    }
    record[0] = HEAT_RECORD | (entries << 3);
    putWord(record, 1, this.now);
    return slot;
  }

  /** The record that `putHeat` filled from slot `from` to `to` is in flash. */
  heatWritten(from: number, to: number): void {
    for (let slot = from; slot < to; slot++) if (this.slots.heatChanged(slot)) this.slots.written(slot);
  }

  /** Fill `record` with slots that were verified. False: there are none. */
  putVerified(): boolean {
    const { record, slots } = this;
    let entries = 0;
    for (; entries < LIST_ENTRIES; entries++) {
      const slot = slots.nextUnwritten(true);
      if (slot < 0) break;
      if (entries === 0) record.fill(0, 0, CRC_AT);
      slots.verifiedWritten(slot);
      this.#putReference(slot, LIST_ENTRIES_AT + 2 * entries);
    }
    record[0] = VERIFIED_RECORD;
    record[1] = entries;
    return entries > 0;
  }

  /**
   * Append the death of the slot's Drop, and let its record no longer count as living. False: the head is full or
   * failed, and the Drop may be back at the next mount.
   */
  kill(slot: number, cause: number): boolean {
    const took = this.bury(slot, cause);
    this.unbind(slot);
    return took;
  }

  /** Append the death as `kill` does, but let the record stay the slot's, so that the caller may call `ensure`. */
  bury(slot: number, cause: number): boolean {
    this.putClose(slot, cause);
    return this.append();
  }

  /** Heat time since when the slot's Drop is here; undefined when the record cannot be read. */
  sinceOf(slot: number): number | undefined {
    const age = sinceBefore(this.#readSince(slot), this.now);
    return age === undefined ? undefined : this.now - age;
  }

  #addressOf(slot: number): number {
    const number = this.slots.recordNumber[slot]!;
    const sector = this.sectorOfRow[2 * this.slots.recordRow[slot]! + (number & 1)]!;
    return sector === NONE ? -1 : this.#layout.recordAddress(sector, number);
  }

  #readSince(slot: number): number {
    const row = this.slots.recordRow[slot]!;
    const number = this.slots.recordNumber[slot]!;
    const address = this.#addressOf(slot);
    if (address < 0 || this.slots.old(slot)) return SINCE_UNKNOWN;
    this.sectors.flash.read(address, this.record, 0, LOG_RECORD_BYTES);
    if (word(this.record, CRC_AT) !== recordCrc(this.record, this.#pairOf(row), number)) return SINCE_UNKNOWN;
    return sinceOf(this.record);
  }

  /** Before a Drop's record, the last bearing record must be so near that five bits say where it is. */
  #bridge(): void {
    if (this.#bearing < 0 || this.next + 1 - this.#bearing <= BEFORE_MAX) return;
    this.putClose(NO_SLOT, COLDEST);
    this.append();
  }

  #flagsOf(slot: number): number {
    return (this.slots.mark(slot) << MARK_SHIFT) | (this.slots.foundRight(slot) ? VERIFIED_FLAG : 0);
  }

  /** Fill the fields of `record` that say where the body is. */
  #putPlace(lengthBytes: number, sector: number, offset: number): void {
    const { record } = this;
    if ((offset & ESCAPED) !== 0) record[0] = record[0]! | ESCAPED_FLAG;
    const life = sector === NONE ? 0 : this.sectors.eraseCount(sector) & LIFE_MASK;
    putWord(record, 1, (lengthBytes - 1) | ((offset >> 2) << 11) | (life << 22));
    putHalf(record, 5, sector);
  }

  #putReference(slot: number, at: number): void {
    this.record[at] = this.head - this.#pairOf(this.slots.recordRow[slot]!);
    this.record[at + 1] = this.slots.recordNumber[slot]!;
  }

  /** How many pairs before the head the slot's record is. */
  pairsBack(slot: number): number {
    return (this.head - this.slots.recordRow[slot]!) % this.rows;
  }

  #oldInTail(): boolean {
    const { slots } = this;
    for (let slot = 0; slot < slots.length; slot++)
      if (slots.occupied(slot) && slots.old(slot) && this.inTail(slot)) return true;
    return false;
  }

  #pairOf(row: number): number {
    return this.head - ((this.head - row) % this.rows);
  }

  /**
   * Copy the living records of the oldest pair to the end, but leave so many places. False: there was no room, or the
   * head failed.
   */
  #cleanOldest(places: number): boolean {
    const slots = this.slots;
    const row = this.tail % this.rows;
    for (; this.#cleaned < this.#layout.recordsPerPair && this.#living(this.tail) > 0; this.#cleaned++) {
      const slot = this.slotOf(row, this.#cleaned);
      if (slot < 0) continue;
      if (this.#left <= places) return false;
      if (slots.old(slot)) {
        const head = new Uint8Array(this.#layout.oldHeadBytes);
        this.readDrop(slot, 0, head, 0, Math.min(head.length, slots.lengthBytes[slot]!));
        if (!this.appendOld([slot], head)) return false;
        this.#live[row] = this.#live[row]! - 1;
        this.slots.written(slot);
        continue;
      }
      this.putCopy(slot, slots.bodySector[slot]!, slots.offset(slot));
      if (!this.append()) return false;
      this.copied++;
      this.unbind(slot);
      this.bind(slot);
    }
    return true;
  }

  /** Append a tail record: the oldest pairs, which hold no living record, no longer count. */
  #dropTail(): void {
    const tail = this.#firstLiving();
    this.sectors.flash.sync();
    this.record.fill(0, 0, CRC_AT);
    this.record[0] = TAIL_RECORD;
    putWord(this.record, 4, tail);
    if (this.append()) this.#release(tail);
  }

  /** The oldest pair with a living record; the head when no older pair has one. */
  #firstLiving(): number {
    let pair = this.tail;
    while (pair < this.head && this.#living(pair) === 0) pair++;
    return pair;
  }

  #living(pair: number): number {
    return this.#live[pair % this.rows]!;
  }

  #release(tail: number): void {
    const sectors = this.sectors;
    if (this.tail < tail) this.#cleaned = 0;
    for (; this.tail < tail; this.tail++) {
      for (let side = 0; side < 2; side++) {
        const sector = this.sectorOf(this.tail, side);
        if (sector !== NONE) sectors.set(sector, sectors.state[sector] === WORN ? RETIRED : FREE);
      }
    }
  }

  /**
   * Open a new head, and free the oldest pairs if they hold no living record. False: the ring is full, or no two free
   * sectors could be erased and programmed.
   */
  #open(): boolean {
    const tail = this.head === 0 ? 1 : this.#firstLiving();
    if (!this.half) {
      const pair = this.head + 1;
      if (pair - tail >= this.rows) return false;
      const sector = this.#openSector(pair, 0, tail);
      if (sector < 0) return false;
      this.#enter(pair, 0, sector);
      this.half = true;
      // The header of the first sector moves the tail. So the second sector may be one that the tail gives back.
      this.#release(tail);
    }
    const side = this.sectorOf(this.head, 0) === NONE ? 0 : 1;
    const sector = this.#openSector(this.head, side, tail);
    if (sector < 0) return false;
    this.#enter(this.head, side, sector);
    this.half = false;
    this.#release(tail);
    // A kernel writes in any order. Records beside a sector without a header would look like damage.
    this.sectors.flash.sync();
    this.#bearing = -1;
    this.next = 0;
    this.recordedTime = this.now;
    this.#nameRetired();
    // The last record of the pair before may be the only one that names a Drop's place.
    if (this.exposed) {
      this.putClose(NO_SLOT, COLDEST);
      this.append();
    }
    return true;
  }

  /** If the head has only one sector, give that sector back: no other is free, and it has no records. */
  abandonHalf(): void {
    if (!this.half) return;
    for (let side = 0; side < 2; side++) {
      const sector = this.sectorOf(this.head, side);
      if (sector !== NONE) this.sectors.set(sector, FREE);
    }
    this.half = false;
    this.head--;
    this.#bearing = -1;
  }

  /** This side of the pair is open. The pair is the head, or becomes the head. */
  #enter(pair: number, side: number, sector: number): void {
    const row = pair % this.rows;
    const { recordsPerPair } = this.#layout;
    this.sectors.set(sector, LOG);
    if (pair > this.head) {
      this.#slotAt.fill(NONE, row * recordsPerPair, (row + 1) * recordsPerPair);
      this.#live[row] = 0;
      this.sectorOfRow[2 * row] = NONE;
      this.sectorOfRow[2 * row + 1] = NONE;
      this.head = pair;
      this.next = recordsPerPair;
    }
    this.sectorOfRow[2 * row + side] = sector;
  }

  /** Copy all living records of the pairs up to this one to the end, so that these pairs no longer count. */
  renew(pair: number): boolean {
    while (this.tail <= pair) {
      const left = this.#layout.recordsPerPair - this.next;
      if (pair === this.head || left < Math.min(this.#living(this.tail) + SKIPS_MAX, 1 + SKIPS_MAX)) {
        if (!this.#open()) return false;
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
    const { record } = this;
    const { state } = this.sectors;
    let entries = 0;
    for (let sector = 0; sector < state.length; sector++) {
      if (state[sector] !== RETIRED) continue;
      if (entries === 0) record.fill(0, 0, CRC_AT);
      putHalf(record, LIST_ENTRIES_AT + 2 * entries, sector);
      entries++;
      if (entries === LIST_ENTRIES) {
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
