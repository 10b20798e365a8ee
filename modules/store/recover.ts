/**
 * Mount: from the headers of all sectors and the records of the log to the index in RAM (docs/store.md, "Order of
 * writes" and "Versions").
 *
 * After a start nothing is known but the flash, and a power cut may have interrupted any write. Mount must find every
 * Drop that was reported stored, and must not bring back a Drop that died. It reads no bodies, because that would take
 * too long.
 *
 * The head of the log is the log sector with the highest sequence. Its header says where the tail is. From tail to
 * head, each record overrides the records before it. Mount repairs everything that a power cut can leave behind:
 * - A torn record fails its CRC, and is passed over.
 * - An older record of a Drop, which a newer copy replaced but which was not marked, is marked DEAD now.
 * - A surplus of one Drop remains when an insert was cut before its victim died. The first Drop to die (rank.ts) is
 *   evicted now.
 * - The place after the last record may hold a write that does not show yet. It is left empty.
 * - Sectors that the log names as retired are not used again.
 * - A log of an older version gets a new head, so that a program of that version keeps away from now on.
 * - Sectors of bodies in which nothing lives, and sectors without a header, are free. All other sectors are full.
 *
 * What no power cut leaves behind is damage (docs/store.md, "Damage"). Mount counts damage and goes on with the rest.
 *
 * Invariant: power may fail at any point of a mount, and the next mount repairs the same again. Mount refuses to write
 * to a partition of a newer format, of another shape, or with bytes of a stranger.
 */
import { DROP_SIZE_BYTES_MAX } from "../drop/drop.ts";
import type { StoreCounters, StoreDamage } from "./counters.ts";
import {
  BODY_SECTOR,
  blank,
  FORMAT_VERSION,
  HEAT_ENTRIES_AT,
  HEAT_ENTRY_BYTES,
  HEAT_RECORD,
  half,
  LOG_HEADER_BYTES,
  LOST,
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
import { COLDEST, CORRUPT, isDead, isVerified } from "./marks.ts";
import { natureOf } from "./nature.ts";
import type { RecordLog } from "./record-log.ts";
import { BODIES, FREE, LOG, type Sectors, WORN } from "./sectors.ts";

/**
 * `mounted`: a store was found, or what is left of one. `formatted`: the partition was blank, and is a new store.
 * `foreign`: the partition is not blank, and nothing on it is from a store; it is untouched. `newer`: the partition has
 * a newer format, and is untouched. `geometry`: the log belongs to a partition of another shape, or the partition is
 * too small for the capacity; it is untouched. `flash`: no sector could be erased and programmed.
 */
export type MountOutcome = "mounted" | "formatted" | "foreign" | "newer" | "geometry" | "flash";

/** What a mount reports besides its outcome. */
export interface Findings {
  readonly counters: StoreCounters;
  readonly damage: StoreDamage;
}

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
  if (log.head === 0) {
    const nature = natureOf(log);
    if (nature === "foreign" && !takesForeign) return "foreign";
    if (nature !== "ours") {
      for (let sector = 0; sector < sectors.state.length; sector++) sectors.set(sector, FREE);
      return log.ensure(1) ? "formatted" : "flash";
    }
    log.named = Math.max(1, log.named);
  }
  readTail(log);
  readWindow(log);
  log.now = log.recordedTime;
  for (let sequence = log.tail; sequence <= log.head; sequence++) readRecords(sequence, log, findings);
  log.now = log.recordedTime;
  buryLost(log, damage);
  evictSurplus(log, counters);
  const { layout } = sectors;
  for (let slot = 0; slot < slots.capacity; slot++) {
    const sector = slots.bodySector[slot]!;
    if (slots.occupied(slot) && sector !== NOWHERE) sectors.hold(sector, layout.bodyRoom(slots.lengthBytes[slot]!));
  }
  for (let sector = 0; sector < sectors.state.length; sector++) sectors.reclaim(sector);
  if (log.sectorOfRow[log.head % log.rows] === NOWHERE || older(log)) {
    // A new head comes before all other writes: a program that does not know these records and marks then keeps away.
    log.next = layout.recordsPerSector;
    if (!log.ensure(1)) return "flash";
  }
  return "mounted";
}

/** Whether the head of the log has an older version. */
function older(log: RecordLog): boolean {
  const { flash, layout } = log.sectors;
  flash.read(log.sectorOfRow[log.head % log.rows]! * layout.sectorSizeBytes, log.record, 0, SECTOR_HEADER_BYTES);
  return log.record[2]! < FORMAT_VERSION;
}

/**
 * Learn what each sector is used for, how worn it is, and where the head of the log is. Meanwhile `live` says of which
 * sectors the wear is known.
 */
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
    const sequence = word(bytes, 8) >>> 0;
    if (bytes[3] === BODY_SECTOR) {
      sectors.set(sector, BODIES);
      log.named = Math.max(log.named, sequence);
      continue;
    }
    flash.read(address + SECTOR_HEADER_BYTES, bytes, SECTOR_HEADER_BYTES, LOG_HEADER_BYTES - SECTOR_HEADER_BYTES);
    if (!logHeaderWhole(bytes)) {
      // A power cut leaves no records after half of a header.
      flash.read(layout.recordAddress(sector, 0), bytes, 0, layout.recordBytes);
      if (!blank(bytes, 0, layout.recordBytes)) log.named = Math.max(log.named, sequence);
      continue;
    }
    if (!sameGeometry(bytes, layout)) return "geometry";
    sectors.set(sector, LOG);
    if (sequence > log.head) {
      log.head = sequence;
      log.tail = word(bytes, 16) >>> 0;
      log.sectorOfRow[sequence % log.rows] = sector;
    }
    log.recordedTime = Math.max(log.recordedTime, word(bytes, 20));
  }
  // A sector that lost its header in an interrupted erase is about as worn as the other sectors.
  const mean = known === 0 ? 0 : Math.floor(sum / known);
  for (let sector = 0; sector < layout.sectorCount; sector++) {
    if (live[sector] === 0) sectors.learnEraseCount(sector, mean, false);
    live[sector] = 0;
  }
  return undefined;
}

/** Find the end of the head of the log, and whether a tail record in it moved the tail. */
function readTail(log: RecordLog): void {
  const { flash, layout } = log.sectors;
  const bytes = log.record;
  const sector = log.sectorOfRow[log.head % log.rows]!;
  let last = -1;
  for (let number = 0; log.head > 0 && number < layout.recordsPerSector; number++) {
    flash.read(layout.recordAddress(sector, number), bytes, 0, layout.recordBytes);
    if (blank(bytes, 0, layout.recordBytes)) continue;
    last = number;
    if (refuseRecord(bytes, layout, log.head, number) === undefined && bytes[0] === TAIL_RECORD) {
      log.tail = Math.max(log.tail, word(bytes, 4) >>> 0);
    }
  }
  // The program of the next record may have begun: its bits can look erased without being stable.
  log.next = Math.min(last + 2, layout.recordsPerSector);
  if (log.named > log.head) {
    // The newest sectors of the log are gone. The log goes on after them, in a new sector.
    if (log.head === 0) log.tail = Math.max(1, log.named - layout.logSectors + 1);
    log.next = layout.recordsPerSector;
  }
  log.tail = Math.max(log.tail, Math.max(log.head, log.named) - log.rows + 1);
}

/** Enter the sectors of the log from tail to head. All other log sectors are free. */
function readWindow(log: RecordLog): void {
  const { sectors } = log;
  const { flash, layout, state } = sectors;
  const bytes = log.record;
  // Each of the newest sectors that are gone may have moved the tail by a sector.
  let moved = log.head === 0 ? 0 : Math.max(0, log.named - log.head);
  log.head = Math.max(log.head, log.named);
  log.sectorOfRow.fill(NOWHERE);
  for (let sector = 0; sector < layout.sectorCount; sector++) {
    if (state[sector] !== LOG) continue;
    flash.read(sector * layout.sectorSizeBytes, bytes, 0, SECTOR_HEADER_BYTES);
    const sequence = word(bytes, 8) >>> 0;
    if (sequence < log.tail || sequence > log.head) sectors.set(sector, FREE);
    else log.sectorOfRow[sequence % log.rows] = sector;
  }
  for (; moved > 0 && log.sectorOfRow[log.tail % log.rows] === NOWHERE && log.tail < log.head; moved--) log.tail++;
}

/** Read all records of the sector with this sequence, and apply each to the index. */
function readRecords(sequence: number, log: RecordLog, { counters, damage }: Findings): void {
  const { flash, layout } = log.sectors;
  const bytes = log.record;
  const sector = log.sectorOfRow[sequence % log.rows]!;
  if (sector === NOWHERE) {
    damage.logSectors++;
    return;
  }
  let broken = false;
  for (let number = 0; number < layout.recordsPerSector; number++) {
    const address = layout.recordAddress(sector, number);
    flash.read(address, bytes, 0, layout.recordBytes);
    const refusal = refuseRecord(bytes, layout, sequence, number);
    // After a record that a power cut tore, the next life left a place blank.
    if (broken && refusal === "blank") counters.torn++;
    else if (broken) damage.records++;
    broken = refusal === "crc";
    if (refusal !== undefined) continue;
    if (bytes[0] === HEAT_RECORD) applyHeat(sequence, log);
    else if (bytes[0] === RETIRED_RECORD) applyRetired(log);
    else if (bytes[0] !== TAIL_RECORD) applyDrop(sequence, number, log, counters);
  }
  if (broken) counters.torn++;
}

/** Apply a heat record: keys that changed after their Drops' records were written. */
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

/**
 * Apply a record of retired sectors. A named sector becomes WORN: if a Drop is still in it, the Drop is moved out
 * before the sector is retired.
 */
function applyRetired(log: RecordLog): void {
  const { record: bytes, sectors } = log;
  const { state } = sectors;
  for (let entry = 0; entry < bytes[1]!; entry++) {
    const sector = half(bytes, RETIRED_ENTRIES_AT + entry * RETIRED_ENTRY_BYTES);
    if (sector < state.length && state[sector] !== LOG) sectors.set(sector, WORN);
  }
}

/** Apply the record of a Drop: it replaces the Drop's older record, or ends the Drop if the record is DEAD. */
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
  // A newer record may follow that names another place. So `buryLost` decides what becomes of a lost body.
  const bodySector = bodyInPlace(bytes, sectors) ? half(bytes, 16) : LOST;
  let slot = older;
  if (older >= 0) {
    log.supersede(older);
  } else {
    if (slots.count === slots.length) evictOne(log, counters);
    slot = slots.add(low, high, half(bytes, 2), heatKey);
  }
  slots.lengthBytes[slot] = half(bytes, 2);
  slots.heat[slot] = heatKey;
  slots.bodySector[slot] = bodySector;
  slots.bodyOffset[slot] = half(bytes, 18);
  slots.setVerified(slot, bytes[0] === VERIFIED_DROP_RECORD || isVerified(bytes, layout.verifiedAt, layout.unitBytes));
  log.bindAt(slot, sequence, number);
}

/**
 * The body of a Drop is moved, or the Drop dies, before its sector is erased, and its record or mark says so. So no
 * power cut leaves a living record without its body. Such a Drop is dead, and is counted as damage.
 */
function buryLost(log: RecordLog, damage: StoreDamage): void {
  const { slots } = log;
  for (let slot = 0; slot < slots.length; slot++) {
    if (!slots.occupied(slot) || slots.bodySector[slot] !== LOST) continue;
    damage.records++;
    log.kill(slot, CORRUPT);
    slots.remove(slot);
  }
}

/**
 * Evict the surplus of one Drop that an insert leaves when power fails before its victim dies. Then move the Drops in
 * spare slots to slots below the capacity.
 */
function evictSurplus(log: RecordLog, counters: StoreCounters): void {
  const { slots } = log;
  while (slots.count > slots.capacity) evictOne(log, counters);
  for (let from = slots.capacity; from < slots.length; from++) {
    if (!slots.occupied(from)) continue;
    // A removal makes a spare slot free. Without this call, the next `add` would take that slot.
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

/** Whether the record names a place for a body, and the sector was not erased since the body was programmed there. */
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
