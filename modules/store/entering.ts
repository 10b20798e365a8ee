/**
 * Mount enters Drops into the index and takes Drops out of it, with their places and their records. The replay of the
 * log, the repair by essences and the upgrade do so, by the functions here.
 */
import { COLDEST } from "./causes.ts";
import type { StoreCounters, StoreDamage } from "./counters.ts";
import { ESCAPED_FLAG, half, KIND_MASK, LOST, MARK_MASK, MARK_SHIFT, NOWHERE, OLD_RECORD, word } from "./layout.ts";
import type { RecordLog } from "./record-log.ts";
import { LIFE_MASK, LOG } from "./sectors.ts";
import { ESCAPED, OLD } from "./slots.ts";

/** What a mount reports besides its outcome. */
export interface Findings {
  readonly counters: StoreCounters;
  readonly damage: StoreDamage;
}

/**
 * Enter the Drop whose place is in `log.record[at ..]`, as in a record or an essence. The caller enters heat, record
 * and whether the Drop is verified. Returns the slot.
 */
export function enter(log: RecordLog, low: number, high: number, at: number): number {
  const { record: bytes, sectors, slots } = log;
  const { layout } = sectors;
  const place = word(bytes, at + 1);
  const lengthBytes = (place & 0x7ff) + 1;
  const offset = ((place >>> 11) & 0x7ff) << 2;
  const life = (place >>> 22) & LIFE_MASK;
  const old = (bytes[at]! & KIND_MASK) === OLD_RECORD;
  const room = layout.bodyRoom(lengthBytes);
  const end = offset + room - (old ? layout.oldHeadBytes : 0);
  let sector = half(bytes, at + 5);
  let slot = slots.find(low, high);
  if (slot >= 0) leave(log, slot);
  else {
    if (slots.count === slots.length) forget(log, slots.firstToDie());
    slot = slots.add(low, high, lengthBytes, 0);
    slots.bodySector[slot] = LOST;
  }
  if (old && sector === NOWHERE) {
    // All of the Drop is in its record.
  } else if (sector >= layout.sectorCount || sectors.state[sector] === LOG || end > layout.sectorSizeBytes) {
    // The sector is used for something else by now. A newer record must follow, or the death of the Drop.
    sector = LOST;
  } else {
    if (sectors.learnLife(sector, life) !== life && sectors.drops[sector]! > 0) forgetIn(log, sector);
    sectors.hold(sector, room);
  }
  slots.lengthBytes[slot] = lengthBytes;
  slots.place(slot, sector, offset | (old ? OLD : (bytes[at]! & ESCAPED_FLAG) !== 0 ? ESCAPED : 0));
  const mark = (bytes[at]! >> MARK_SHIFT) & MARK_MASK;
  slots.setMark(slot, (mark & 1) !== 0, mark >> 1);
  return slot;
}

/** The sector was erased since, so the Drops in it died, although no record that can be read says so. */
function forgetIn(log: RecordLog, sector: number): void {
  const { slots } = log;
  for (let slot = 0; slot < slots.length; slot++) {
    if (slots.occupied(slot) && slots.bodySector[slot] === sector) forget(log, slot);
  }
}

/** The slot's Drop is not in the store. */
export function forget(log: RecordLog, slot: number): void {
  leave(log, slot);
  log.slots.remove(slot);
}

/** The slot's record and body no longer count. */
function leave(log: RecordLog, slot: number): void {
  const { sectors, slots } = log;
  const sector = slots.bodySector[slot]!;
  log.ring.unbind(slot);
  if (sector < sectors.layout.sectorCount) sectors.unhold(sector, sectors.layout.bodyRoom(slots.lengthBytes[slot]!));
  // The slot may have no place for a moment, and then it is in no sector.
  slots.bodySector[slot] = LOST;
}

/**
 * Evict the surplus of one Drop that an insert leaves when power fails before its victim dies. Then move the Drops in
 * spare slots to slots below the capacity.
 */
export function evictSurplus(log: RecordLog, counters: StoreCounters): void {
  const { slots } = log;
  while (slots.count > slots.capacity) {
    log.ensure(1);
    const slot = slots.firstToDie();
    const sector = slots.bodySector[slot]!;
    log.appendClose(slot, COLDEST);
    forget(log, slot);
    log.sectors.reclaim(sector);
    counters.evicted++;
  }
  for (let from = slots.capacity; from < slots.length; from++) {
    if (!slots.occupied(from)) continue;
    // A removal makes a spare slot free. Without this call, the next `add` would take that slot.
    slots.closeSpares();
    const verified = slots.verified(from);
    const row = slots.recordRow[from]!;
    const number = slots.recordNumber[from]!;
    const sector = slots.bodySector[from]!;
    const offset = slots.offset(from);
    const own = slots.isOwn(from);
    const handedOn = slots.handedOn(from);
    const lengthBytes = slots.lengthBytes[from]!;
    const to = slots.add(slots.low[from]!, slots.high[from]!, lengthBytes, slots.heat[from]!);
    slots.setVerified(to, verified);
    slots.place(to, sector, offset);
    slots.setMark(to, own, handedOn);
    slots.remove(from);
    log.ring.moveTo(to, row, number);
  }
  slots.closeSpares();
}
