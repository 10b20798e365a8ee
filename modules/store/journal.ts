/**
 * The journal of deaths: which Drops died lately, when, how old and warm they were, and why (docs/store.md, "The
 * journal").
 *
 * An operator wants to know why a Drop is gone. A log of its own would wear the flash. So nothing is written for the
 * journal: a dead Drop's record stays in the log until its sector is cleaned, and its marks say the rest. The journal
 * is therefore bounded by the log, survives restarts, and goes back some hundred deaths on a full store.
 *
 * Reading the journal reads the whole log and allocates. So it is for an operator who asks, not for every turn. Ages
 * are in heat time, which stands still while a board is off.
 *
 * The journal refuses to guess: a mark of format 1, or a mark that a power cut shortened, names no cause. Such a death
 * is left out.
 */
import {
  DROP_RECORD,
  HEAT_ENTRIES_AT,
  HEAT_ENTRY_BYTES,
  HEAT_RECORD,
  half,
  NOWHERE,
  refuseRecord,
  VERIFIED_DROP_RECORD,
  word,
} from "./layout.ts";
import { ageOf, causeOf, isVerified, SUPERSEDED, timeOf } from "./marks.ts";
import type { RecordLog } from "./record-log.ts";

/** One death of a Drop (`Store.journal`). */
export interface Death {
  /** The low word of the Drop's ShortId, unsigned. */
  readonly low: number;
  /** The high word of the Drop's ShortId, unsigned. */
  readonly high: number;
  /** The size of the Drop. */
  readonly lengthBytes: number;
  /** One of the causes in marks.ts. */
  readonly cause: number;
  /** Heat time of the death. */
  readonly time: number;
  /** Heat time from the VERIFIED mark to the death; undefined when the record has no such mark, or none with a time. */
  readonly age: number | undefined;
  /** The heat key as last written to flash. Movements after that are not in it. */
  heatKey: number;
}

/** All deaths that are still in the log, in the order in which the Drops' last records were written. */
export function readJournal(log: RecordLog): Death[] {
  const { flash, layout } = log.sectors;
  const bytes = new Uint8Array(layout.recordBytes);
  const deaths: Death[] = [];
  const byPlace = new Map<number, Death>();
  for (let sequence = log.tail; sequence <= log.head; sequence++) {
    const sector = log.sectorOfRow[sequence % log.rows]!;
    if (sector === NOWHERE) continue;
    for (let number = 0; number < layout.recordsPerSector; number++) {
      flash.read(layout.recordAddress(sector, number), bytes, 0, layout.recordBytes);
      if (refuseRecord(bytes, layout, sequence, number) !== undefined) continue;
      if (bytes[0] === HEAT_RECORD) {
        for (let entry = 0; entry < bytes[1]!; entry++) {
          const at = HEAT_ENTRIES_AT + entry * HEAT_ENTRY_BYTES;
          const death = byPlace.get(placeOf(sequence - bytes[at]!, bytes[at + 1]!));
          if (death !== undefined) death.heatKey = word(bytes, at + 2);
        }
        continue;
      }
      const cause = causeOf(bytes, layout.deadAt);
      if (cause <= SUPERSEDED || (bytes[0] !== DROP_RECORD && bytes[0] !== VERIFIED_DROP_RECORD)) continue;
      const time = timeOf(bytes, layout.deadAt, log.now);
      const verified = isVerified(bytes, layout.verifiedAt, layout.unitBytes);
      const death = {
        low: word(bytes, 4) >>> 0,
        high: word(bytes, 8) >>> 0,
        lengthBytes: half(bytes, 2),
        cause,
        time,
        age: verified ? ageOf(bytes, layout.verifiedAt, time) : undefined,
        heatKey: word(bytes, 12),
      };
      deaths.push(death);
      byPlace.set(placeOf(sequence, number), death);
    }
  }
  return deaths;
}

function placeOf(sequence: number, number: number): number {
  return sequence * 256 + number;
}
