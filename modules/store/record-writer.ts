/**
 * The bytes of the records that the store appends (docs/store.md, "Bytes"). Each function fills `bytes` with a record
 * of one kind. The log adds what depends on the place: the essence of the record before, and the CRC (record-log.ts).
 *
 * A record names another Drop by how many pairs back that Drop's record is, and by its number there.
 */
import type { Insertion } from "./insertion.ts";
import {
  CLOSE_RECORD,
  CLOSE_VERIFIED,
  CLOSE_VERIFIED_AT,
  CRC_AT,
  DROP_RECORD,
  ESCAPED_FLAG,
  HEAT_AT,
  HEAT_ENTRIES,
  HEAT_ENTRIES_AT,
  HEAT_ENTRY_BYTES,
  HEAT_RECORD,
  ID_AT,
  LIST_ENTRIES,
  LIST_ENTRIES_AT,
  LOG_RECORD_BYTES,
  MARK_SHIFT,
  NOWHERE,
  putHalf,
  putWord,
  RETIRED_RECORD,
  recordCrc,
  TAIL_RECORD,
  VERIFIED_FLAG,
  VERIFIED_RECORD,
  word,
} from "./layout.ts";
import type { LogRing } from "./log-ring.ts";
import { LIFE_MASK, RETIRED, type Sectors } from "./sectors.ts";
import { SINCE_UNKNOWN, sinceAt, sinceOf } from "./since.ts";
import { ESCAPED, NO_SLOT, type Slots } from "./slots.ts";

export class RecordWriter {
  readonly bytes = new Uint8Array(LOG_RECORD_BYTES);
  /** The field `since` of the record, if it is the record of a Drop. */
  since = 0;
  readonly #ring: LogRing;
  readonly #sectors: Sectors;
  readonly #slots: Slots;

  constructor(ring: LogRing, sectors: Sectors, slots: Slots) {
    this.#ring = ring;
    this.#sectors = sectors;
    this.#slots = slots;
  }

  /** A new Drop, whose body is at this place. It came at heat time `now`. */
  drop(drop: Insertion, bodySector: number, bodyOffset: number, now: number): void {
    const { bytes } = this;
    bytes[0] = DROP_RECORD | (drop.own ? 1 << MARK_SHIFT : 0);
    this.#place(drop.lengthBytes, bodySector, bodyOffset);
    putWord(bytes, ID_AT, drop.shortIdLow);
    putWord(bytes, ID_AT + 4, drop.shortIdHigh);
    putWord(bytes, HEAT_AT, drop.heatKey);
    this.since = sinceAt(now);
  }

  /** A copy of the slot's record: with the present heat key, and with the body at this place. */
  copy(slot: number, bodySector: number, bodyOffset: number): void {
    this.since = this.sinceOf(slot);
    this.#fields(DROP_RECORD, slot, bodySector, bodyOffset);
  }

  /** The slot's Drop as format 2 wrote it. The caller adds the first bytes of the Drop. */
  old(kind: number, slot: number): void {
    this.bytes.fill(0xff, 0, CRC_AT);
    this.#fields(kind, slot, this.#slots.bodySector[slot]!, this.#slots.offset(slot) & ~3);
  }

  /** The death of the slot's Drop, and Drops that were verified. `NO_SLOT`: no Drop died. */
  close(slot: number, cause: number, now: number): void {
    const { bytes } = this;
    const slots = this.#slots;
    bytes.fill(0xff, 0, CRC_AT);
    bytes[0] = CLOSE_RECORD | (cause << 3);
    if (slot !== NO_SLOT) this.#reference(slot, 2);
    putWord(bytes, 4, now);
    for (let entry = 0; entry < CLOSE_VERIFIED; entry++) {
      const verified = slots.nextUnwritten(false);
      if (verified < 0) break;
      slots.verifiedWritten(verified);
      this.#reference(verified, CLOSE_VERIFIED_AT + 2 * entry);
    }
  }

  /** Heat keys that changed, from slot `from` on. Returns the slot from which to continue. */
  heat(from: number, now: number): number {
    const { bytes } = this;
    const slots = this.#slots;
    bytes.fill(0, 0, CRC_AT);
    let entries = 0;
    let slot = from;
    for (; slot < slots.capacity && entries < HEAT_ENTRIES; slot++) {
      if (!slots.heatChanged(slot)) continue;
      const at = HEAT_ENTRIES_AT + entries * HEAT_ENTRY_BYTES;
      this.#reference(slot, at);
      putWord(bytes, at + 2, slots.heat[slot]!);
      entries++;
    }
    bytes[0] = HEAT_RECORD | (entries << 3);
    putWord(bytes, 1, now);
    return slot;
  }

  /** Slots that were verified. False: there are none. */
  verified(): boolean {
    const { bytes } = this;
    const slots = this.#slots;
    let entries = 0;
    for (; entries < LIST_ENTRIES; entries++) {
      const slot = slots.nextUnwritten(true);
      if (slot < 0) break;
      if (entries === 0) bytes.fill(0, 0, CRC_AT);
      slots.verifiedWritten(slot);
      this.#reference(slot, LIST_ENTRIES_AT + 2 * entries);
    }
    bytes[0] = VERIFIED_RECORD;
    bytes[1] = entries;
    return entries > 0;
  }

  /** `at` 4: the log counts from this pair on. OLD_TAIL_AT: the log of format 2 counts from this sequence on. */
  tail(at: number, number: number): void {
    this.bytes.fill(0, 0, CRC_AT);
    this.bytes[0] = TAIL_RECORD;
    putWord(this.bytes, at, number);
  }

  /** Retired sectors, from `from` on, as many as fit. Returns the sector from which to continue; -1: there are none. */
  retired(from: number): number {
    const { bytes } = this;
    const { state } = this.#sectors;
    let entries = 0;
    let sector = from;
    for (; sector < state.length && entries < LIST_ENTRIES; sector++) {
      if (state[sector] !== RETIRED) continue;
      if (entries === 0) bytes.fill(0, 0, CRC_AT);
      putHalf(bytes, LIST_ENTRIES_AT + 2 * entries, sector);
      entries++;
    }
    if (entries === 0) return -1;
    bytes[0] = RETIRED_RECORD;
    bytes[1] = entries;
    return sector;
  }

  /** The field `since` of the slot's record on flash. */
  sinceOf(slot: number): number {
    const ring = this.#ring;
    const { bytes } = this;
    const address = ring.addressOf(slot);
    if (address < 0 || this.#slots.old(slot)) return SINCE_UNKNOWN;
    this.#sectors.flash.read(address, bytes, 0, LOG_RECORD_BYTES);
    const pair = ring.pairIn(this.#slots.recordRow[slot]!);
    if (word(bytes, CRC_AT) !== recordCrc(bytes, pair, this.#slots.recordNumber[slot]!)) return SINCE_UNKNOWN;
    return sinceOf(bytes);
  }

  #fields(kind: number, slot: number, bodySector: number, bodyOffset: number): void {
    const { bytes } = this;
    const slots = this.#slots;
    bytes[0] = kind | (slots.mark(slot) << MARK_SHIFT) | (slots.foundRight(slot) ? VERIFIED_FLAG : 0);
    this.#place(slots.lengthBytes[slot]!, bodySector, bodyOffset);
    putWord(bytes, ID_AT, slots.low[slot]!);
    putWord(bytes, ID_AT + 4, slots.high[slot]!);
    putWord(bytes, HEAT_AT, slots.heat[slot]!);
  }

  /** The fields that say where the body is. */
  #place(lengthBytes: number, sector: number, offset: number): void {
    const { bytes } = this;
    if ((offset & ESCAPED) !== 0) bytes[0] = bytes[0]! | ESCAPED_FLAG;
    const life = sector === NOWHERE ? 0 : this.#sectors.eraseCount(sector) & LIFE_MASK;
    putWord(bytes, 1, (lengthBytes - 1) | ((offset >> 2) << 11) | (life << 22));
    putHalf(bytes, 5, sector);
  }

  #reference(slot: number, at: number): void {
    this.bytes[at] = this.#ring.pairsBack(slot);
    this.bytes[at + 1] = this.#slots.recordNumber[slot]!;
  }
}
