/**
 * The journal of deaths: which Drops died lately, when, how old and warm they were, and why (docs/store.md, "The
 * journal").
 *
 * An operator wants to know why a Drop is gone. A log of its own would wear the flash. So nothing is written for the
 * journal: a death is a close record, which the store needs anyway, and it names the last record of the Drop. The
 * journal is therefore bounded by the log, survives restarts, and goes back some hundred deaths on a full store.
 *
 * Reading the journal reads the whole log and allocates. So it is for an operator who asks, not for every turn. Ages
 * are in heat time, which stands still while a board is off.
 *
 * The journal refuses to guess: a death is left out when the last record of its Drop has left the log.
 */
import {
  CLOSE_RECORD,
  CLOSE_VERIFIED,
  CLOSE_VERIFIED_AT,
  DROP_RECORD,
  HEAT_AT,
  HEAT_ENTRIES_AT,
  HEAT_ENTRY_BYTES,
  HEAT_RECORD,
  ID_AT,
  KIND_MASK,
  LIST_ENTRIES_AT,
  LOG_RECORD_BYTES,
  NO_RECORD,
  NOWHERE,
  refuseRecord,
  VERIFIED_FLAG,
  VERIFIED_RECORD,
  word,
} from "./layout.ts";
import type { RecordLog } from "./record-log.ts";
import { sinceBefore, sinceOf } from "./since.ts";

/** One death of a Drop (`Store.journal`). */
export interface Death {
  /** The low word of the Drop's ShortId, unsigned. */
  readonly low: number;
  /** The high word of the Drop's ShortId, unsigned. */
  readonly high: number;
  /** The size of the Drop. */
  readonly lengthBytes: number;
  /** One of the causes in causes.ts. */
  readonly cause: number;
  /** Heat time of the death. */
  readonly time: number;
  /** Heat time from the Drop's arrival to its death; undefined when its hash was never found right here. */
  readonly age: number | undefined;
  /** The heat key as last written to flash. Movements after that are not in it. */
  readonly heatKey: number;
}

interface Life {
  low: number;
  high: number;
  lengthBytes: number;
  verified: boolean;
  since: number;
  heatKey: number;
}

/** All deaths that the log still tells, in the order in which the Drops died. */
export function readJournal(log: RecordLog): Death[] {
  const { flash, layout } = log.sectors;
  const bytes = new Uint8Array(LOG_RECORD_BYTES);
  const deaths: Death[] = [];
  const lives = new Map<number, Life>();
  for (let pair = log.ring.tail; pair <= log.ring.head; pair++) {
    const lifeAt = (at: number): Life | undefined =>
      bytes[at + 1] === NO_RECORD ? undefined : lives.get(placeOf(pair - bytes[at]!, bytes[at + 1]!));
    const verify = (at: number, entries: number): void => {
      for (let entry = 0; entry < entries; entry++) {
        const life = lifeAt(at + 2 * entry);
        if (life !== undefined) life.verified = true;
      }
    };
    for (let number = 0; number < layout.recordsPerPair; number++) {
      const sector = log.ring.sectorOf(pair, number);
      if (sector === NOWHERE) continue;
      flash.read(layout.recordAddress(sector, number), bytes, 0, LOG_RECORD_BYTES);
      if (refuseRecord(bytes, pair, number) !== undefined) continue;
      const kind = bytes[0]! & KIND_MASK;
      if (kind === DROP_RECORD) {
        lives.set(placeOf(pair, number), {
          low: word(bytes, ID_AT) >>> 0,
          high: word(bytes, ID_AT + 4) >>> 0,
          lengthBytes: (word(bytes, 1) & 0x7ff) + 1,
          verified: (bytes[0]! & VERIFIED_FLAG) !== 0,
          since: sinceOf(bytes),
          heatKey: word(bytes, HEAT_AT),
        });
      } else if (kind === HEAT_RECORD) {
        for (let entry = 0; entry < bytes[0]! >> 3; entry++) {
          const life = lifeAt(HEAT_ENTRIES_AT + entry * HEAT_ENTRY_BYTES);
          if (life !== undefined) life.heatKey = word(bytes, HEAT_ENTRIES_AT + entry * HEAT_ENTRY_BYTES + 2);
        }
      } else if (kind === VERIFIED_RECORD) verify(LIST_ENTRIES_AT, bytes[1]!);
      else if (kind === CLOSE_RECORD) {
        verify(CLOSE_VERIFIED_AT, CLOSE_VERIFIED);
        const life = lifeAt(2);
        if (life === undefined) continue;
        const { low, high, lengthBytes, verified, since, heatKey } = life;
        const time = word(bytes, 4);
        const age = verified ? sinceBefore(since, time) : undefined;
        deaths.push({ low, high, lengthBytes, cause: (bytes[0]! >> 3) & 7, time, age, heatKey });
      }
    }
  }
  return deaths;
}

function placeOf(pair: number, number: number): number {
  return pair * 256 + number;
}
