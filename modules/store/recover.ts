import type { StoreDamage } from "./counters.ts";
import { enter, evictSurplus, type Findings, forget } from "./entering.ts";
import { recoverDrop } from "./essence.ts";
import { OldLog } from "./format-two.ts";
import {
  BEFORE_AT,
  blank,
  CLOSE_RECORD,
  CLOSE_VERIFIED,
  CLOSE_VERIFIED_AT,
  DROP_RECORD,
  ESSENCE_AT,
  FORMAT_VERSION,
  HEAT_AT,
  HEAT_ENTRIES_AT,
  HEAT_ENTRY_BYTES,
  HEAT_RECORD,
  half,
  ID_AT,
  KIND_MASK,
  LIST_ENTRIES_AT,
  LOG_HEADER_BYTES,
  LOG_RECORD_BYTES,
  LOST,
  logHeaderWhole,
  NO_RECORD,
  NOWHERE,
  OLD_RECORD,
  OLD_TAIL_AT,
  RETIRED_RECORD,
  refuseRecord,
  refuseSector,
  SECTOR_HEADER_BYTES,
  sameGeometry,
  TAIL_AT,
  TAIL_RECORD,
  UPGRADE_SECTOR,
  VERIFIED_FLAG,
  VERIFIED_RECORD,
  word,
} from "./layout.ts";
import { natureOf } from "./nature.ts";
import type { RecordLog } from "./record-log.ts";
import { BODIES, FREE, LIFE_MASK, LOG, WORN } from "./sectors.ts";
import { upgrade } from "./upgrade.ts";

/** A power cut while a blank partition was formatted leaves traces in the first sectors only: they come first. */
const FORMAT_SECTORS = 8;

/**
 * `mounted`: a store was found, or what is left of one. `formatted`: the partition was blank, and is a new store.
 * `foreign`: the partition is not blank, and nothing on it is from a store; it is untouched. `newer`: the partition has
 * a newer format, and is untouched. `geometry`: the log belongs to a partition of another shape, or the partition is
 * too small for the capacity; it is untouched. `flash`: no sector could be erased and programmed.
 */
export type MountOutcome = "mounted" | "formatted" | "foreign" | "newer" | "geometry" | "flash";

/**
 * Fill the log, its sectors and its slots from the flash. Everything that was in them before is forgotten. With
 * `takesForeign`, a foreign partition is formatted too.
 */
export function recover(log: RecordLog, findings: Findings, takesForeign: boolean): MountOutcome {
  const { sectors, slots } = log;
  const { counters, damage } = findings;
  sectors.clear();
  slots.clear();
  log.clear();
  damage.logSectors = 0;
  damage.records = 0;
  // Mount acts upon what it reads, so the contents must be durable: another process may have written them and crashed.
  sectors.flash.sync();
  const obstacle = readHeaders(log);
  if (obstacle !== undefined) return obstacle;
  if (log.ring.head === 0) {
    const old = new OldLog(sectors);
    if (old.otherShape) return "geometry";
    if (old.head > 0) return upgrade(log, old, findings) ? "mounted" : "flash";
    const nature = natureOf(log);
    if (nature === "foreign" && !takesForeign) return "foreign";
    if (nature === "ours") damage.logSectors = 1;
    for (let sector = 0; sector < sectors.state.length; sector++) sectors.set(sector, FREE);
    if (!log.ensure(1)) return "flash";
    if (nature === "blank") sectors.learnErased(FORMAT_SECTORS);
    return nature === "ours" ? "mounted" : "formatted";
  }
  readTail(log);
  readWindow(log);
  log.now = log.recordedTime;
  const replay = new Replay(log, findings);
  for (let pair = log.ring.tail; pair <= log.ring.head; pair++) replay.readPair(pair);
  replay.finish();
  log.now = log.recordedTime;
  if (log.upgrading) {
    const old = new OldLog(sectors);
    old.advance(replay.oldTail);
    return upgrade(log, old, findings) ? "mounted" : "flash";
  }
  forgetLost(log, damage);
  for (let sector = 0; sector < sectors.state.length; sector++) {
    if (sectors.drops[sector]! > 0 && sectors.state[sector] === FREE) sectors.set(sector, BODIES);
    sectors.reclaim(sector);
  }
  sectors.learnEraseCounts(replay.erasesMost);
  if (replay.damaged > 0) log.renew(replay.damaged);
  evictSurplus(log, counters);
  return "mounted";
}

/** Learn which sectors are of the log, and where its head is. */
function readHeaders(log: RecordLog): MountOutcome | undefined {
  const { sectors } = log;
  const { flash, layout } = sectors;
  const bytes = log.record;
  for (let sector = 0; sector < layout.sectorCount; sector++) {
    const address = sector * layout.sectorSizeBytes;
    flash.read(address, bytes, 0, SECTOR_HEADER_BYTES);
    const refusal = refuseSector(bytes);
    if (refusal === "version" && bytes[2]! > FORMAT_VERSION) return "newer";
    if (refusal !== undefined) continue;
    flash.read(address + SECTOR_HEADER_BYTES, bytes, SECTOR_HEADER_BYTES, LOG_HEADER_BYTES - SECTOR_HEADER_BYTES);
    if (!logHeaderWhole(bytes)) continue;
    if (!sameGeometry(bytes, layout)) return "geometry";
    sectors.set(sector, LOG);
    const pair = word(bytes, 8) >>> 1;
    if (pair >= log.ring.head) {
      log.ring.tail = pair > log.ring.head ? word(bytes, 16) >>> 0 : Math.max(log.ring.tail, word(bytes, 16) >>> 0);
      if (pair > log.ring.head) log.ring.sectorOfRow.fill(NOWHERE);
      log.ring.sectorOfRow[2 * (pair % log.ring.rows) + (bytes[8]! & 1)] = sector;
      log.ring.head = pair;
      log.upgrading = bytes[3] === UPGRADE_SECTOR;
    }
    log.recordedTime = Math.max(log.recordedTime, word(bytes, 20));
  }
  return undefined;
}

/** Find the end of the head of the log, and whether a tail record in it moved the tail. */
function readTail(log: RecordLog): void {
  const { flash, layout } = log.sectors;
  const bytes = log.record;
  let last = -1;
  let missing = false;
  for (let number = 0; number < layout.recordsPerPair; number++) {
    const sector = log.ring.sectorOf(log.ring.head, number);
    missing ||= sector === NOWHERE;
    if (sector === NOWHERE) continue;
    flash.read(layout.recordAddress(sector, number), bytes, 0, LOG_RECORD_BYTES);
    if (blank(bytes, 0, LOG_RECORD_BYTES)) continue;
    last = Math.max(last, number);
    if (refuseRecord(bytes, log.ring.head, number) === undefined && (bytes[0]! & KIND_MASK) === TAIL_RECORD) {
      log.ring.tail = Math.max(log.ring.tail, word(bytes, TAIL_AT) >>> 0);
    }
  }
  // The program of the next record may have begun: its bits can look erased without being stable.
  log.next = Math.min(last + 2, layout.recordsPerPair);
  // A pair with one sector takes no records.
  if (missing) log.next = layout.recordsPerPair;
  log.half = missing && last < 0 && !log.upgrading;
  log.ring.tail = Math.max(log.ring.tail, log.ring.head - log.ring.rows + 1);
}

/** Enter the sectors of the log from tail to head. All other log sectors are free. */
function readWindow(log: RecordLog): void {
  const { sectors } = log;
  const { flash, layout, state } = sectors;
  const bytes = log.record;
  log.ring.sectorOfRow.fill(NOWHERE);
  for (let sector = 0; sector < layout.sectorCount; sector++) {
    if (state[sector] !== LOG) continue;
    flash.read(sector * layout.sectorSizeBytes, bytes, 0, SECTOR_HEADER_BYTES);
    const pair = word(bytes, 8) >>> 1;
    sectors.learnLife(sector, bytes[4]! & LIFE_MASK);
    if (pair < log.ring.tail || pair > log.ring.head) sectors.set(sector, FREE);
    else log.ring.sectorOfRow[2 * (pair % log.ring.rows) + (bytes[8]! & 1)] = sector;
  }
}

/** Reads the log from its tail to its head, and applies each record to the index. */
class Replay {
  /** The greatest erase count that a header of the log says. */
  erasesMost = 0;
  /** The newest pair in which something is missing; 0: none. */
  damaged = 0;
  readonly #log: RecordLog;
  readonly #findings: Findings;
  /** The oldest sequence of format 2 that still counts. */
  oldTail = 0;
  /** Pair and number of the last bearing record. */
  #bearingPair = 0;
  #bearing = NO_RECORD;
  /** Whether the pair that is being read is of an upgrade. */
  #upgrade = false;

  constructor(log: RecordLog, findings: Findings) {
    this.#log = log;
    this.#findings = findings;
  }

  /** After all pairs: the log goes on after the last bearing record. */
  finish(): void {
    const log = this.#log;
    const { flash, layout } = log.sectors;
    if (this.#bearing === NO_RECORD) return;
    const sector = log.ring.sectorOf(this.#bearingPair, this.#bearing);
    flash.read(layout.recordAddress(sector, this.#bearing), log.record, 0, LOG_RECORD_BYTES);
    log.resume(this.#bearingPair === log.ring.head ? this.#bearing : -1, log.record);
  }

  readPair(pair: number): void {
    const log = this.#log;
    const { counters, damage } = this.#findings;
    const { flash, layout } = log.sectors;
    const bytes = log.record;
    const before = this.#readHeader(pair);
    let broken = false;
    let records = 0;
    const even = log.ring.sectorOf(pair, 0);
    const odd = log.ring.sectorOf(pair, 1);
    const missing = (even === NOWHERE ? 1 : 0) + (odd === NOWHERE ? 1 : 0);
    for (let number = 0; number < layout.recordsPerPair; number++) {
      const sector = number & 1 ? odd : even;
      if (sector === NOWHERE) continue;
      flash.read(layout.recordAddress(sector, number), bytes, 0, LOG_RECORD_BYTES);
      const refusal = refuseRecord(bytes, pair, number);
      // After a record that a power cut tore, the next life left a place blank.
      if (broken && refusal === "blank") counters.torn++;
      else if (broken && !this.#upgrade) this.#damage(pair, 1);
      broken = refusal === "crc";
      if (refusal !== undefined) continue;
      records++;
      this.#apply(pair, number, before);
    }
    if (broken) counters.torn++;
    // A power cut in the middle of opening a pair leaves one sector without records.
    if (this.#upgrade || missing === 0 || (missing === 1 && records === 0 && pair === log.ring.head)) return;
    damage.logSectors += missing;
    this.#damage(pair, 0);
  }

  #damage(pair: number, records: number): void {
    this.damaged = pair;
    this.#findings.damage.records += records;
  }

  /** The number of the last bearing record in the pair before. Also learns from the header how worn the sectors are. */
  #readHeader(pair: number): number {
    const log = this.#log;
    const { flash, layout } = log.sectors;
    let before = NO_RECORD;
    for (let side = 0; side < 2; side++) {
      const sector = log.ring.sectorOf(pair, side);
      if (sector === NOWHERE) continue;
      flash.read(sector * layout.sectorSizeBytes, log.record, 0, LOG_HEADER_BYTES);
      if (log.record[BEFORE_AT] !== NO_RECORD) before = log.record[BEFORE_AT]!;
      this.#upgrade = log.record[3] === UPGRADE_SECTOR;
      this.erasesMost = Math.max(this.erasesMost, word(log.record, 4) >>> 0);
    }
    return before;
  }

  #apply(pair: number, number: number, before: number): void {
    const { record: bytes } = this.#log;
    const kind = bytes[0]! & KIND_MASK;
    if (kind === HEAT_RECORD) this.#applyHeat(pair);
    else if (kind === RETIRED_RECORD) this.#applyRetired();
    else if (kind === VERIFIED_RECORD) this.#applyVerified(pair, LIST_ENTRIES_AT, bytes[1]!);
    else if (kind === OLD_RECORD) this.#applyDrop(pair, number);
    else if (kind === TAIL_RECORD) this.oldTail = Math.max(this.oldTail, word(bytes, OLD_TAIL_AT) >>> 0);
    else if (kind === DROP_RECORD || kind === CLOSE_RECORD) {
      const distance = kind === DROP_RECORD ? bytes[4]! >> 3 : bytes[1]!;
      this.#applyEssence(distance > 0 ? pair : pair - 1, distance > 0 ? number - distance : before);
      this.#bearingPair = pair;
      this.#bearing = number;
      if (kind === DROP_RECORD) this.#applyDrop(pair, number);
      else this.#applyClose(pair);
    }
  }

  /** The record in `bytes` bears the essence of the record at this place. If that record was not read, apply it. */
  #applyEssence(pair: number, number: number): void {
    const log = this.#log;
    const kind = log.record[ESSENCE_AT]! & KIND_MASK;
    if (kind === 0 || number === NO_RECORD || pair < log.ring.tail) return;
    if (this.#bearingPair === pair && this.#bearing === number) return;
    this.#damage(pair, 0);
    if (kind === CLOSE_RECORD) this.#die(pair, log.record[ESSENCE_AT + 2]!, log.record[ESSENCE_AT + 3]!);
    else if (recoverDrop(log, pair, number)) this.#findings.counters.repaired++;
    else this.#findings.damage.records++;
  }

  /** The slot that a record of this pair names: by the record with this number, so many pairs back. -1: none. */
  #named(pair: number, back: number, number: number): number {
    const log = this.#log;
    return number === NO_RECORD || pair - back < log.ring.tail
      ? -1
      : log.ring.slotOf((pair - back) % log.ring.rows, number);
  }

  /** Apply a heat record: keys that changed after their Drops' records were written. */
  #applyHeat(pair: number): void {
    const log = this.#log;
    const { record: bytes, slots } = log;
    log.recordedTime = Math.max(log.recordedTime, word(bytes, 1));
    for (let entry = 0; entry < bytes[0]! >> 3; entry++) {
      const at = HEAT_ENTRIES_AT + entry * HEAT_ENTRY_BYTES;
      const slot = this.#named(pair, bytes[at]!, bytes[at + 1]!);
      if (slot >= 0) slots.heat[slot] = word(bytes, at + 2);
    }
  }

  #applyVerified(pair: number, at: number, entries: number): void {
    const log = this.#log;
    for (let entry = 0; entry < entries; entry++) {
      // The entries that are not used come last.
      if (log.record[at + 2 * entry + 1] === NO_RECORD) return;
      const slot = this.#named(pair, log.record[at + 2 * entry]!, log.record[at + 2 * entry + 1]!);
      if (slot >= 0) log.slots.setVerified(slot, true);
    }
  }

  /**
   * Apply a record of retired sectors. A named sector becomes WORN: if a Drop is still in it, the Drop is moved out
   * before the sector is retired.
   */
  #applyRetired(): void {
    const { record: bytes, sectors } = this.#log;
    for (let entry = 0; entry < bytes[1]!; entry++) {
      const sector = half(bytes, LIST_ENTRIES_AT + 2 * entry);
      if (sector < sectors.state.length && sectors.state[sector] !== LOG) sectors.set(sector, WORN);
    }
  }

  #applyClose(pair: number): void {
    const log = this.#log;
    const { record: bytes } = log;
    log.recordedTime = Math.max(log.recordedTime, word(bytes, 4));
    this.#applyVerified(pair, CLOSE_VERIFIED_AT, CLOSE_VERIFIED);
    this.#die(pair, bytes[2]!, bytes[3]!);
  }

  /** The Drop whose record is so many pairs back, with this number, died. */
  #die(pair: number, back: number, number: number): void {
    const slot = this.#named(pair, back, number);
    if (slot >= 0) forget(this.#log, slot);
  }

  /** Apply the record of a Drop: it replaces the Drop's older record. */
  #applyDrop(pair: number, number: number): void {
    const log = this.#log;
    const { record: bytes, slots } = log;
    const low = word(bytes, ID_AT) >>> 0;
    const high = word(bytes, ID_AT + 4) >>> 0;
    const heatKey = word(bytes, HEAT_AT);
    const verified = (bytes[0]! & VERIFIED_FLAG) !== 0;
    const slot = enter(log, low, high, 0);
    slots.heat[slot] = heatKey;
    slots.setVerified(slot, verified);
    log.ring.bind(slot, pair, number);
  }
}

/** A living record names a sector that is used for something else. No power cut leaves this. */
function forgetLost(log: RecordLog, damage: StoreDamage): void {
  const { slots } = log;
  for (let slot = 0; slot < slots.length; slot++) {
    if (!slots.occupied(slot) || slots.bodySector[slot] !== LOST) continue;
    damage.records++;
    forget(log, slot);
  }
}
