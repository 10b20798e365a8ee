/**
 * A new store with all that can be saved of a damaged one.
 *
 * A disk or flash that fails takes a part of a store. What is left should be carried on, but a damaged store is not
 * written to: a later attempt may save more. So a new store is made in memory, with every Drop whose bytes are right,
 * its heat, and the heat time. All these Drops are verified, since their hash was just checked. What the store does not
 * keep of a Drop that is copied is the time since when it was verified, and the journal of deaths.
 *
 * Invariant: the old store is only read, and the new store has no Drop whose hash is wrong.
 */
import { Insertion } from "../../modules/store/insertion.ts";
import { Store } from "../../modules/store/store.ts";
import { dropAt, isRight, type StoredDrops } from "./drop-store.ts";
import { shortIdText } from "./short-id.ts";
import { Snapshot } from "./snapshot.ts";

export interface Salvage {
  /** The bytes of the new store's file. */
  bytes: Uint8Array;
  saved: number;
  /** The ShortIds, in hexadecimal, of the Drops whose bytes are wrong. */
  damaged: string[];
}

/** The new store gets the size of the old one, so that it fits the same partition of a board. */
export function salvage(old: StoredDrops, sizeBytes: number): Salvage {
  const flash = new Snapshot(new Uint8Array(sizeBytes).fill(0xff));
  const store = new Store(flash, old.capacity);
  if (store.mount() !== "formatted") throw new Error("salvage: a blank store was not formatted");
  const damaged: string[] = [];
  for (let slot = 0; slot < old.capacity; slot++) {
    if (!old.occupied(slot)) continue;
    const drop = dropAt(old, slot);
    if (!isRight(old, slot, drop)) {
      damaged.push(shortIdText(old.idLow(slot), old.idHigh(slot)));
      continue;
    }
    if (store.insert(insertionOf(old, slot, drop)) !== "stored") throw new Error("salvage: a Drop found no room");
    store.markVerified(store.lastSlot);
    store.markOwn(store.lastSlot, old.isOwn(slot), old.handedOn(slot));
  }
  store.checkpoint(old.epoch);
  return { bytes: flash.bytes, saved: store.count, damaged };
}

function insertionOf(old: StoredDrops, slot: number, drop: Uint8Array): Insertion {
  const insertion = new Insertion();
  insertion.shortIdLow = old.idLow(slot);
  insertion.shortIdHigh = old.idHigh(slot);
  insertion.bytes = drop;
  insertion.lengthBytes = drop.length;
  insertion.heatKey = old.heat(slot);
  insertion.own = old.isOwn(slot);
  insertion.now = old.epoch;
  return insertion;
}
