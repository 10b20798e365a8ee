/**
 * The upgrade of a partition of format 1 or 2 (docs/store.md, "Versions").
 *
 * Format 2 may leave a single free sector, and power may fail at any byte. So the log comes first: each sector of the
 * old log, the oldest first, is copied into sectors of an upgrade, whose headers say that the old log still counts,
 * too. A record there has the Drop's first bytes, which the old record had. Then a record says that the old sector does
 * not count any more, and the sector is free. One sector of the new log takes at least one of the old, so this never
 * needs more than one free sector. In the end a pair of the new format is opened, and the old log is gone. The Drops
 * themselves are written anew after that (collector.ts, "modernise"), each by the usual steps of a move.
 *
 * Invariants: until a sector of the old log is freed, its Drops are in both logs. Deaths are not copied: the journal
 * begins anew. This file may allocate, since an upgrade happens once.
 */

import { evictSurplus, type Findings } from "./entering.ts";
import { OLD_DROP, OLD_HEAT, OLD_RETIRED, OLD_VERIFIED_DROP, type OldLog, TWO_HEAD_AT } from "./format-two.ts";
import { BODY_SECTOR, half, LOG_SECTOR, NOWHERE, OLD_HEAD_BYTES, word } from "./layout.ts";
import type { RecordLog } from "./record-log.ts";
import { BODIES, FREE, LIFE_MASK, LOG, WORN } from "./sectors.ts";

/** Slots with a record of the old log have a row from here on: the sequence, counted from the old tail. */
const OLD_ROW = 128;

/** What is found in the old log, and the names of Drops that are nowhere. */
interface OldFindings extends Findings {
  lost: Set<string>;
}

/** The place of a record. */
interface Place {
  row: number;
  number: number;
}

/** Turn the old log into a log of the present format. False: no sector could be erased and programmed. */
export function upgrade(log: RecordLog, old: OldLog, findings: Findings): boolean {
  const { sectors, slots } = log;
  const { oldGroup, oldHeadBytes, recordsPerPair } = sectors.layout;
  log.upgrading = true;
  log.recordedTime = Math.max(log.recordedTime, old.time);
  readSectors(log, old);
  const { counters, damage } = findings;
  const lost = new Set<string>();
  for (let sequence = old.tail; sequence <= old.head; sequence++)
    readOld(log, old, sequence, { counters, damage, lost });
  damage.records += lost.size;
  log.now = log.recordedTime;
  for (let slot = 0; slot < slots.length; slot++) {
    const sector = slots.bodySector[slot]!;
    if (!slots.occupied(slot) || slots.recordRow[slot]! < OLD_ROW || sector === NOWHERE) continue;
    sectors.hold(sector, sectors.layout.bodyRoom(slots.lengthBytes[slot]!));
  }
  for (let sector = 0; sector < sectors.state.length; sector++) {
    if (sectors.drops[sector]! > 0 && sectors.state[sector] === FREE) sectors.set(sector, BODIES);
    sectors.reclaim(sector);
  }
  if (log.ring.head === 0) {
    const records =
      slots.count * (oldHeadBytes > OLD_HEAD_BYTES ? 1 + 1 / oldGroup : 1) + 2 * (old.head - old.tail + 1);
    if (records > (log.ring.rows - 2) * recordsPerPair) return false;
    log.ring.tail = 1;
    if (!log.openUpgrade()) return false;
  } else log.next = nextAfter(log);
  for (let sequence = old.tail; sequence <= old.head; sequence++) {
    if (!copySector(log, old, sequence)) return false;
    sectors.flash.sync();
    if (!log.appendOldTail(sequence + 1) && !(log.openUpgrade() && log.appendOldTail(sequence + 1))) return false;
    sectors.flash.sync();
    const sector = old.sectorOf(sequence);
    if (sector !== NOWHERE) sectors.set(sector, FREE);
  }
  if (!log.endUpgrade()) return false;
  evictSurplus(log, findings.counters);
  return true;
}

/** Copy the living records of a sector of the old log, in groups. False: there is no room for them. */
function copySector(log: RecordLog, old: OldLog, sequence: number): boolean {
  const { slots } = log;
  const { oldGroup, oldHeadBytes } = log.sectors.layout;
  const heads = new Uint8Array(oldGroup * oldHeadBytes);
  let group: number[] = [];
  const write = (): boolean => {
    if (group.length > 0 && !log.appendOld(group, heads) && !(log.openUpgrade() && log.appendOld(group, heads)))
      return false;
    group = [];
    return true;
  };
  for (let slot = 0; slot < slots.length; slot++) {
    if (!slots.occupied(slot) || slots.recordRow[slot] !== OLD_ROW + sequence - old.tail) continue;
    old.read(sequence, slots.recordNumber[slot]!);
    for (let i = 0; i < oldHeadBytes; i++) heads[group.length * oldHeadBytes + i] = old.record[TWO_HEAD_AT + i]!;
    group.push(slot);
    if (group.length === oldGroup && !write()) return false;
  }
  return write();
}

/** The first place of the sector that is being filled, after a place that a power cut may have begun. */
function nextAfter(log: RecordLog): number {
  const { flash, layout } = log.sectors;
  const side = log.ring.sectorOf(log.ring.head, 1) === NOWHERE ? 0 : 1;
  let next = side;
  for (let number = side; number < layout.recordsPerPair; number += 2) {
    flash.read(layout.recordAddress(log.ring.sectorOf(log.ring.head, side), number), log.record, 0, log.record.length);
    if (!log.record.every((byte) => byte === 0xff)) next = number + 4;
  }
  return Math.min(Math.max(next, side + 2), layout.recordsPerPair + side);
}

/** Learn what each sector is used for, and how worn it is. */
function readSectors(log: RecordLog, old: OldLog): void {
  const { sectors } = log;
  for (let sector = 0; sector < sectors.state.length; sector++) {
    const kind = old.kindOf(sector);
    if (kind !== 0) sectors.learnLife(sector, old.erases & LIFE_MASK);
    if (kind === LOG_SECTOR) sectors.set(sector, FREE);
  }
  sectors.learnEraseCounts(old.erasesMost);
  for (let sequence = old.tail; sequence <= old.head; sequence++) {
    const sector = old.sectorOf(sequence);
    if (sector !== NOWHERE) sectors.set(sector, LOG);
  }
}

/** Apply the records of a sector of the old log to the index. */
function readOld(log: RecordLog, old: OldLog, sequence: number, { counters, damage, lost }: OldFindings): void {
  const { sectors, slots } = log;
  if (old.sectorOf(sequence) === NOWHERE) {
    damage.logSectors++;
    return;
  }
  let broken = false;
  for (let number = 0; number < old.recordsPerSector; number++) {
    const whole = old.read(sequence, number);
    if (broken && old.blank) counters.torn++;
    else if (broken) damage.records++;
    broken = !whole && !old.blank;
    if (!whole) continue;
    const { record } = old;
    const kind = record[0]!;
    if (kind === OLD_HEAT) {
      log.recordedTime = Math.max(log.recordedTime, word(record, 2));
      for (let entry = 0; entry < record[1]!; entry++) {
        const at = 6 + 6 * entry;
        const row = OLD_ROW + sequence - record[at]! - old.tail;
        for (let slot = 0; row >= OLD_ROW && slot < slots.length; slot++) {
          if (!slots.occupied(slot) || slots.recordRow[slot] !== row) continue;
          if (slots.recordNumber[slot] === record[at + 1]) slots.heat[slot] = word(record, at + 2);
        }
      }
    } else if (kind === OLD_RETIRED) {
      for (let entry = 0; entry < record[1]!; entry++) {
        const sector = half(record, 2 + 2 * entry);
        if (sector < sectors.state.length && sectors.state[sector] !== LOG) sectors.set(sector, WORN);
      }
    } else if (kind === OLD_DROP || kind === OLD_VERIFIED_DROP)
      readOldDrop(log, old, { row: OLD_ROW + sequence - old.tail, number }, lost);
  }
  if (broken) counters.torn++;
}

/**
 * Whether the sector of the body has been used for something else since the record in `old.record`. A sector whose
 * header cannot be read may still have the body: the hash of the Drop will tell.
 */
function isReused(log: RecordLog, old: OldLog, sector: number): boolean {
  if (sector >= log.sectors.layout.sectorCount || log.sectors.state[sector] === LOG) return true;
  return old.kindOf(sector) === BODY_SECTOR && (old.erases & 0xff) !== old.record[1];
}

/** Apply a record of a Drop to the index. `lost` gets the names of Drops that are nowhere. */
function readOldDrop(log: RecordLog, old: OldLog, { row, number }: Place, lost: Set<string>): void {
  const { record } = old;
  const { slots } = log;
  const low = word(record, 4) >>> 0;
  const high = word(record, 8) >>> 0;
  const name = `${low} ${high}`;
  const dead = old.dead;
  const verified = old.verified;
  let slot = slots.find(low, high);
  // What is in the new log already was copied from here.
  if (slot >= 0 && slots.recordRow[slot]! < OLD_ROW) return;
  if (dead) {
    lost.delete(name);
    if (slot >= 0) slots.remove(slot);
    return;
  }
  const sector = half(record, 16);
  if (sector !== NOWHERE && isReused(log, old, sector)) {
    lost.add(name);
    return;
  }
  lost.delete(name);
  if (slot < 0) {
    if (slots.count === slots.length) slots.remove(slots.firstToDie());
    slot = slots.add(low, high, half(record, 2), 0);
  }
  slots.lengthBytes[slot] = half(record, 2);
  slots.heat[slot] = word(record, 12);
  slots.place(slot, sector, sector === NOWHERE ? 0 : half(record, 18));
  slots.setVerified(slot, verified);
  slots.recordRow[slot] = row;
  slots.recordNumber[slot] = number;
}
