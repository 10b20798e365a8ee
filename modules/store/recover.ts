/**
 * Mount: from the headers of all sectors and the records of the log to the index in RAM. Bodies are not read.
 *
 * The head of the log is the log sector of the highest sequence; it says where the tail is. From tail to head each
 * record overrides what came before it. What a power cut can have left behind is put right here:
 * - a torn record fails its CRC and is passed over;
 * - a Drop's older record that a newer copy replaced, but that was not marked, is marked DEAD now;
 * - a surplus of one Drop, whose insert was cut before its victim died: the first to die is evicted now;
 * - the place after the last record may hold a write that did not begin to show: it is left empty;
 * - sectors that the log names as retired are not used again;
 * - a log of an older version gets a new head, so that a program of that version keeps away from now on;
 * - sectors of bodies that nothing lives in, and those without a header, are free; the others are full.
 * All of it may be cut again at any point, and is then done again.
 */
import { DROP_SIZE_BYTES_MAX } from "../drop/drop.ts";
import type { StoreCounters } from "./counters.ts";
import {
  BODY_SECTOR,
  blank,
  FORMAT_VERSION,
  HEAT_ENTRIES_AT,
  HEAT_ENTRY_BYTES,
  HEAT_RECORD,
  half,
  LOG_HEADER_BYTES,
  logHeaderWhole,
  NOWHERE,
  RETIRED_ENTRIES_AT,
  RETIRED_ENTRY_BYTES,
  RETIRED_RECORD,
  refuseRecord,
  refuseSector,
  SECTOR_HEADER_BYTES,
  sameGeometry,
  TAIL_RECORD,
  VERIFIED_DROP_RECORD,
  word,
} from "./layout.ts";
import { COLDEST, isDead, isVerified } from "./marks.ts";
import type { RecordLog } from "./record-log.ts";
import { BODIES, FREE, LOG, type Sectors, WORN } from "./sectors.ts";

/** `newer`: of a later format, untouched. `geometry`: of another shape, or too small for the capacity; untouched. */
export type MountOutcome = "mounted" | "formatted" | "newer" | "geometry" | "flash";

export function recover(log: RecordLog, counters: StoreCounters): MountOutcome {
  const { sectors, slots } = log;
  sectors.clear();
  slots.clear();
  log.clear();
  // What is read here is acted upon, so it must be there to stay: another process may have written it and crashed.
  sectors.flash.sync();
  const obstacle = readHeaders(log);
  if (obstacle !== undefined) return obstacle;
  if (log.head === 0) {
    for (let sector = 0; sector < sectors.state.length; sector++) sectors.set(sector, FREE);
    return log.ensure(1) ? "formatted" : "flash";
  }
  readTail(log);
  readWindow(log);
  log.now = log.recordedTime;
  for (let sequence = log.tail; sequence <= log.head; sequence++) readRecords(sequence, log, counters);
  log.now = log.recordedTime;
  evictSurplus(log, counters);
  const { layout } = sectors;
  for (let slot = 0; slot < slots.capacity; slot++) {
    const sector = slots.bodySector[slot]!;
    if (slots.occupied(slot) && sector !== NOWHERE) sectors.hold(sector, layout.bodyRoom(slots.lengthBytes[slot]!));
  }
  for (let sector = 0; sector < sectors.state.length; sector++) sectors.reclaim(sector);
  if (older(log)) {
    // Before anything else is written: from here on a version that does not know these records and marks keeps away.
    log.next = layout.recordsPerSector;
    if (!log.ensure(1)) return "flash";
  }
  return "mounted";
}

/** Is the head of the log of an older version? */
function older(log: RecordLog): boolean {
  const { flash, layout } = log.sectors;
  flash.read(log.sectorOfRow[log.head % log.rows]! * layout.sectorSizeBytes, log.record, 0, SECTOR_HEADER_BYTES);
  return log.record[2]! < FORMAT_VERSION;
}

/** Learn what each sector is and how worn, and where the log's head is. `live` serves to tell whose wear is known. */
function readHeaders(log: RecordLog): MountOutcome | undefined {
  const { sectors } = log;
  const { flash, layout, live } = sectors;
  const bytes = log.record;
  let known = 0;
  let sum = 0;
  for (let sector = 0; sector < layout.sectorCount; sector++) {
    const address = sector * layout.sectorSizeBytes;
    flash.read(address, bytes, 0, SECTOR_HEADER_BYTES);
    const refusal = refuseSector(bytes);
    if (refusal === "version" && bytes[2]! > FORMAT_VERSION) return "newer";
    if (refusal !== undefined) continue;
    const erases = word(bytes, 4) >>> 0;
    sectors.learnEraseCount(sector, erases, known === 0);
    live[sector] = 1;
    known++;
    sum += erases;
    if (bytes[3] === BODY_SECTOR) {
      sectors.set(sector, BODIES);
      continue;
    }
    flash.read(address + SECTOR_HEADER_BYTES, bytes, SECTOR_HEADER_BYTES, LOG_HEADER_BYTES - SECTOR_HEADER_BYTES);
    if (!logHeaderWhole(bytes)) continue;
    if (!sameGeometry(bytes, layout)) return "geometry";
    sectors.set(sector, LOG);
    const sequence = word(bytes, 8) >>> 0;
    if (sequence > log.head) {
      log.head = sequence;
      log.tail = word(bytes, 16) >>> 0;
      log.sectorOfRow[sequence % log.rows] = sector;
    }
    log.recordedTime = Math.max(log.recordedTime, word(bytes, 20));
  }
  // A sector that lost its header in a cut erase has worn about as much as the others.
  const mean = known === 0 ? 0 : Math.floor(sum / known);
  for (let sector = 0; sector < layout.sectorCount; sector++) {
    if (live[sector] === 0) sectors.learnEraseCount(sector, mean, false);
    live[sector] = 0;
  }
  return undefined;
}

/** Find the end of the head, and whether a tail record there moved the tail. */
function readTail(log: RecordLog): void {
  const { flash, layout } = log.sectors;
  const bytes = log.record;
  const sector = log.sectorOfRow[log.head % log.rows]!;
  let last = -1;
  for (let number = 0; number < layout.recordsPerSector; number++) {
    flash.read(layout.recordAddress(sector, number), bytes, 0, layout.recordBytes);
    if (blank(bytes, 0, layout.recordBytes)) continue;
    last = number;
    if (refuseRecord(bytes, layout, log.head, number) === undefined && bytes[0] === TAIL_RECORD) {
      log.tail = Math.max(log.tail, word(bytes, 4) >>> 0);
    }
  }
  // The record after the last may have been begun: its bits can look erased and not hold.
  log.next = Math.min(last + 2, layout.recordsPerSector);
  log.tail = Math.max(log.tail, log.head - log.rows + 1);
}

/** Enter the sectors of the log from tail to head; log sectors outside are free. */
function readWindow(log: RecordLog): void {
  const { sectors } = log;
  const { flash, layout, state } = sectors;
  const bytes = log.record;
  log.sectorOfRow.fill(NOWHERE);
  for (let sector = 0; sector < layout.sectorCount; sector++) {
    if (state[sector] !== LOG) continue;
    flash.read(sector * layout.sectorSizeBytes, bytes, 0, SECTOR_HEADER_BYTES);
    const sequence = word(bytes, 8) >>> 0;
    if (sequence < log.tail || sequence > log.head) sectors.set(sector, FREE);
    else log.sectorOfRow[sequence % log.rows] = sector;
  }
}

function readRecords(sequence: number, log: RecordLog, counters: StoreCounters): void {
  const { flash, layout } = log.sectors;
  const bytes = log.record;
  const sector = log.sectorOfRow[sequence % log.rows]!;
  if (sector === NOWHERE) {
    counters.corrupt++;
    return;
  }
  for (let number = 0; number < layout.recordsPerSector; number++) {
    const address = layout.recordAddress(sector, number);
    flash.read(address, bytes, 0, layout.recordBytes);
    const refusal = refuseRecord(bytes, layout, sequence, number);
    if (refusal === "crc") counters.torn++;
    if (refusal !== undefined) continue;
    if (bytes[0] === HEAT_RECORD) applyHeat(sequence, log);
    else if (bytes[0] === RETIRED_RECORD) applyRetired(log);
    else if (bytes[0] !== TAIL_RECORD) applyDrop(sequence, number, log, counters);
  }
}

function applyHeat(sequence: number, log: RecordLog): void {
  const { record: bytes, slots } = log;
  log.recordedTime = Math.max(log.recordedTime, word(bytes, 2));
  for (let entry = 0; entry < bytes[1]!; entry++) {
    const at = HEAT_ENTRIES_AT + entry * HEAT_ENTRY_BYTES;
    const of = sequence - bytes[at]!;
    if (of < log.tail) continue;
    const slot = log.slotOf(of % log.rows, bytes[at + 1]!);
    if (slot >= 0) slots.heat[slot] = word(bytes, at + 2);
  }
}

/** Worn and not retired yet: should a Drop still lie there, it is moved out first. */
function applyRetired(log: RecordLog): void {
  const { record: bytes, sectors } = log;
  const { state } = sectors;
  for (let entry = 0; entry < bytes[1]!; entry++) {
    const sector = half(bytes, RETIRED_ENTRIES_AT + entry * RETIRED_ENTRY_BYTES);
    if (sector < state.length && state[sector] !== LOG) sectors.set(sector, WORN);
  }
}

function applyDrop(sequence: number, number: number, log: RecordLog, counters: StoreCounters): void {
  const { record: bytes, sectors, slots } = log;
  const { layout } = sectors;
  const low = word(bytes, 4) >>> 0;
  const high = word(bytes, 8) >>> 0;
  const heatKey = word(bytes, 12);
  const older = slots.find(low, high);
  if (isDead(bytes, layout.deadAt, layout.unitBytes)) {
    if (older < 0) return;
    log.supersede(older);
    slots.remove(older);
    return;
  }
  if (!bodyInPlace(bytes, sectors)) {
    counters.corrupt++;
    return;
  }
  let slot = older;
  if (older >= 0) {
    log.supersede(older);
  } else {
    if (slots.count === slots.length) evictOne(log, counters);
    slot = slots.add(low, high, half(bytes, 2), heatKey);
  }
  slots.lengthBytes[slot] = half(bytes, 2);
  slots.heat[slot] = heatKey;
  slots.bodySector[slot] = half(bytes, 16);
  slots.bodyOffset[slot] = half(bytes, 18);
  slots.setVerified(slot, bytes[0] === VERIFIED_DROP_RECORD || isVerified(bytes, layout.verifiedAt, layout.unitBytes));
  log.bindAt(slot, sequence, number);
}

/**
 * An insert that was cut before its victim died leaves a surplus of one Drop. Then bring the rest into slots below the
 * capacity.
 */
function evictSurplus(log: RecordLog, counters: StoreCounters): void {
  const { slots } = log;
  while (slots.count > slots.capacity) evictOne(log, counters);
  for (let from = slots.capacity; from < slots.length; from++) {
    if (!slots.occupied(from)) continue;
    // So that the next slot handed out is none of the spare ones, which removing them makes free.
    slots.closeSpares();
    const verified = slots.verified(from);
    const row = slots.recordRow[from]!;
    const number = slots.recordNumber[from]!;
    const sector = slots.bodySector[from]!;
    const offset = slots.bodyOffset[from]!;
    const lengthBytes = slots.lengthBytes[from]!;
    const to = slots.add(slots.low[from]!, slots.high[from]!, lengthBytes, slots.heat[from]!);
    slots.setVerified(to, verified);
    slots.bodySector[to] = sector;
    slots.bodyOffset[to] = offset;
    slots.remove(from);
    log.moveTo(to, row, number);
  }
  slots.closeSpares();
}

function evictOne(log: RecordLog, counters: StoreCounters): void {
  const { slots } = log;
  const slot = slots.firstToDie();
  log.kill(slot, COLDEST);
  slots.remove(slot);
  counters.evicted++;
}

/** Does the record name a place that still is what it was when the body was put there? */
function bodyInPlace(bytes: Uint8Array, sectors: Sectors): boolean {
  const { layout, state } = sectors;
  const lengthBytes = half(bytes, 2);
  const sector = half(bytes, 16);
  const offset = half(bytes, 18);
  if (lengthBytes < 1 || lengthBytes > DROP_SIZE_BYTES_MAX) return false;
  const room = layout.bodyRoom(lengthBytes);
  if (room === 0) return sector === NOWHERE;
  return (
    sector < layout.sectorCount &&
    (state[sector] === BODIES || state[sector] === WORN) &&
    (sectors.eraseCount(sector) & 0xff) === bytes[1] &&
    offset >= layout.bodyStart &&
    offset + room <= layout.sectorSizeBytes
  );
}
