/** A store of Drops in a file, mounted; and what to do when it cannot be. */
import { Store } from "../../modules/store/store.ts";
import { FileFlash } from "./file-flash.ts";

export interface DropStore {
  readonly store: Store;
  /** Write everything to the disk and let others have the file. */
  close(): void;
}

const REFUSALS = {
  newer: "was written by a newer version: update this program, or name another file; nothing was changed",
  geometry: "has a size that no store has: move it away or name another file",
  flash: "cannot be written: look at the disk, or name another file",
};

/** Opens the file, made if absent. Throws an Error of one sentence when it cannot be used. */
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
export function dropAt(store: Store, slot: number): Uint8Array {
  const drop = new Uint8Array(store.lengthBytes(slot));
  store.read(slot, 0, drop, 0, drop.length);
  return drop;
}
