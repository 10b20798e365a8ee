/** The record of one insert, and how a node's own choice of a victim looks at the level of the store. */
import { Insertion } from "../modules/store/insertion.ts";
import type { Store, StoreOutcome } from "../modules/store/store.ts";
import { rank } from "../modules/temperature/rank.ts";

/** A new record. What is not named is as `Insertion` has it. */
export function insertion(
  shortIdLow: number,
  shortIdHigh: number,
  bytes: Uint8Array,
  rest: Partial<Insertion> = {},
): Insertion {
  return Object.assign(new Insertion(), { shortIdLow, shortIdHigh, bytes, lengthBytes: bytes.length, ...rest });
}

/** Stores the Drop as a node stores one from the wire: if the store is full, the first to die dies, if it is colder. */
export function insertFromWire(store: Store, record: Insertion): StoreOutcome | "colder" {
  if (!store.shrink(record.now)) return "flash";
  if (store.count >= store.room && store.room > 0 && store.find(record.shortIdLow, record.shortIdHigh) < 0) {
    record.victim = store.firstUnreadToDie();
    if (record.victim < 0 || rank(store.heat(record.victim)) >= rank(record.heatKey)) return "colder";
  }
  return store.insert(record);
}

/** The slot of the Drop with the least heat key of all, newcomer or not; -1 when the store is empty. */
export function coldestOf(store: Store): number {
  let coldest = -1;
  for (let slot = 0; slot < store.capacity; slot++) {
    if (store.occupied(slot) && (coldest < 0 || store.heat(slot) < store.heat(coldest))) coldest = slot;
  }
  return coldest;
}
