/** Opens a store of Drops in a file, and says what a person can do when the store cannot be used. */
import { Store } from "../../modules/store/store.ts";
import { FileFlash } from "./file-flash.ts";

export interface DropStore {
  readonly store: Store;
  /** Write everything to the disk and release the file. */
  close(): void;
}

const REFUSALS = {
  foreign: "is no store, and was left as it is: name another file",
  newer: "was written by a newer version: update this program, or name another file; nothing was changed",
  geometry: "has a size that no store has: move the file away, or name another file",
  flash: "cannot be written: check the disk, or name another file",
};

/**
 * A store as a command sees it that only reads. It has no `insert`, `remove` or `setHeat`: a Drop comes into a store by
 * `Throwie.publish` alone, so that admission judges it.
 */
export type StoredDrops = Pick<
  Store,
  | "capacity"
  | "count"
  | "epoch"
  | "find"
  | "heat"
  | "journal"
  | "lengthBytes"
  | "occupied"
  | "read"
  | "retiredSectors"
  | "room"
  | "verified"
>;

/** Opens a store to read what it holds. Throws an Error of one sentence when the store cannot be used. */
export function openStoredDrops(path: string): { store: StoredDrops; close(): void } {
  return openDropStore(path);
}

/** Opens the file, or creates it, for a node. Throws an Error of one sentence when the store cannot be used. */
export function openDropStore(path: string): DropStore {
  const flash = new FileFlash(path);
  const store = new Store(flash);
  const outcome = store.mount();
  if (outcome !== "mounted" && outcome !== "formatted") {
    flash.close();
    throw new Error(`The store ${path} ${REFUSALS[outcome]}.`);
  }
  return { store, close: () => flash.close() };
}

/** A copy of the Drop in a slot. */
export function dropAt(store: StoredDrops, slot: number): Uint8Array {
  const drop = new Uint8Array(store.lengthBytes(slot));
  store.read(slot, 0, drop, 0, drop.length);
  return drop;
}
