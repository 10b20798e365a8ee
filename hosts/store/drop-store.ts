/**
 * Opens a store of Drops in a file, and says what a person can do when the store cannot be used.
 *
 * A command that reads mounts a snapshot of the file in memory (snapshot.ts), so nothing reaches the file. It shows
 * what is left of a damaged store, and says how much is missing. A node that writes looks at a snapshot first too, and
 * mounts the file only if the snapshot is a sound store. So a file that is no store, or a damaged one, is never written
 * to: `throwie recover` copies what can be saved.
 */
import { closeSync, constants } from "node:fs";
import { dropId, shortIdHigh, shortIdLow } from "../../modules/drop/drop.ts";
import type { Death } from "../../modules/store/journal.ts";
import { type MountOutcome, Store } from "../../modules/store/store.ts";
import { FileFlash } from "./file-flash.ts";
import { openExisting, refuseFolder } from "./path-rules.ts";
import { type Snapshot, takeSnapshot, takeStableSnapshot } from "./snapshot.ts";
import {
  openForReading,
  openForWriting,
  SIZE_BYTES_DEFAULT,
  sayOnStandardError,
  type WritingOptions,
} from "./store-file.ts";
import { type Window, windowsOf } from "./windows.ts";

export interface DropStore {
  readonly store: Store;
  /** Write everything to the disk and release the file. */
  close(): void;
}

const REFUSALS = {
  foreign: "The file PATH is not a store of Drops: name another file; nothing was changed",
  newer:
    "The store PATH was written by a newer version: update this program, or name another file; nothing was changed",
  geometry:
    "The file PATH has a size that no store has: name another file, or save what is left of a store, also of one in a copy of a whole flash chip, with throwie recover",
  flash: "The store PATH cannot be written: check the disk, or name another file",
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
  | "handedOn"
  | "heat"
  | "idHigh"
  | "idLow"
  | "isOwn"
  | "lengthBytes"
  | "occupied"
  | "read"
  | "retiredSectors"
  | "room"
  | "verified"
>;

/** What is missing of a store. All zero: nothing that a power cut does not take. */
export interface Damage {
  /** Sectors of the file that the disk cannot read. */
  unreadableSectors: number;
  /** Sectors at the end of a store that are not in the file. */
  missingSectors: number;
  /** Sectors of the log that are missing or damaged. */
  logSectors: number;
  /** Records that are damaged. */
  records: number;
}

/** A store that was opened to read what it holds. */
export interface OpenedDrops {
  store: StoredDrops;
  damage: Damage;
  /** The numbers of the sectors that the disk cannot read. */
  unreadable: readonly number[];
  /** The journal as it is in the file. */
  deaths: Death[];
}

/**
 * Opens a store to read what it holds, and changes nothing. Rejects with an Error of one sentence when the file is no
 * store.
 */
export async function openStoredDrops(path: string): Promise<OpenedDrops> {
  const file = openForReading(path);
  try {
    return mounted(path, await takeStableSnapshot(file, path));
  } finally {
    closeSync(file);
  }
}

/**
 * Opens what is left of a store, for `throwie recover`: a copy that was cut short is opened too, and a store in a copy
 * of a whole flash chip. Changes nothing. Rejects with an Error of one sentence when nothing in the file is of a store.
 */
export async function openRemains(path: string): Promise<OpenedDrops & Window> {
  const file = openForReading(path);
  try {
    const snapshot = await takeStableSnapshot(file, path);
    try {
      return { ...mounted(path, snapshot), offsetBytes: 0 };
    } catch (error) {
      if (!(error instanceof WrongSize) || snapshot === undefined) throw error;
      const window = likeliest(snapshot) ?? { offsetBytes: 0, sizeBytes: SIZE_BYTES_DEFAULT };
      return { ...mounted(path, snapshot.window(window)), offsetBytes: window.offsetBytes };
    }
  } finally {
    closeSync(file);
  }
}

/**
 * Throws the sentence with which a node would refuse the file for being no store, so that no message is typed in vain.
 * Changes nothing, and waits for nobody.
 */
export function refuseStore(path: string): void {
  const file = openExisting(path, constants.O_RDONLY);
  if (file === undefined) {
    refuseFolder(path);
    return;
  }
  try {
    mounted(path, takeSnapshot(file, path));
  } finally {
    closeSync(file);
  }
}

/**
 * Opens the file, or creates it, for a node, and waits while another program writes to it. Rejects with an Error of one
 * sentence when the store cannot be used.
 */
export async function openDropStore(path: string, options: WritingOptions = {}): Promise<DropStore> {
  const { tell = sayOnStandardError } = options;
  const inspect = (open: number): void => void mounted(path, takeSnapshot(open, path));
  const file = await openForWriting(path, { ...options, inspect });
  try {
    const { damage } = mounted(path, takeSnapshot(file, path));
    if (isDamaged(damage)) {
      throw new Error(
        `The store ${path} is damaged, and is not written to: save its Drops with throwie recover ${path}, or name another file.`,
      );
    }
    const flash = new FileFlash(file, path, tell);
    const store = new Store(flash);
    refuseOutcome(path, store.mount());
    return { store, close: () => flash.close() };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

export function isDamaged({ unreadableSectors, logSectors, records }: Damage): boolean {
  return unreadableSectors + logSectors + records > 0;
}

/** Whether the Drop in the slot is the one that its record names. */
export function isRight(store: StoredDrops, slot: number, drop: Uint8Array): boolean {
  const id = dropId(drop);
  return shortIdLow(id) === store.idLow(slot) && shortIdHigh(id) === store.idHigh(slot);
}

/** The part of the file in which most Drops are right. Undefined when none is right anywhere. */
function likeliest(snapshot: Snapshot): Window | undefined {
  let best: Window | undefined;
  let most = 0;
  for (const window of windowsOf(snapshot.bytes)) {
    const { right, named } = rightDrops(snapshot.window(window));
    if (right > most) best = window;
    most = Math.max(most, right);
    if (2 * right > named) break;
  }
  return best;
}

/** How many Drops are right, of those that the log names. */
function rightDrops(snapshot: Snapshot): { right: number; named: number } {
  const store = new Store(snapshot);
  if (store.mount() !== "mounted") return { right: 0, named: 0 };
  const slots = Array.from({ length: store.capacity }, (_, slot) => slot).filter((slot) => store.occupied(slot));
  const right = slots.filter((slot) => isRight(store, slot, dropAt(store, slot))).length;
  return { right, named: store.count + store.damage.records };
}

/** A copy of the Drop in a slot. */
export function dropAt(store: StoredDrops, slot: number): Uint8Array {
  const drop = new Uint8Array(store.lengthBytes(slot));
  store.read(slot, 0, drop, 0, drop.length);
  return drop;
}

/** The store in a snapshot. Throws an Error of one sentence when there is none. */
function mounted(path: string, snapshot: Snapshot | undefined): OpenedDrops & { store: Store; sizeBytes: number } {
  if (snapshot === undefined) throw refusal(path, "foreign");
  const store = new Store(snapshot);
  refuseOutcome(path, store.mount());
  const { logSectors, records } = store.damage;
  const deaths = snapshot.asFound(() => store.journal());
  const { unreadable, missingSectors, sizeBytes } = snapshot;
  const damage = { unreadableSectors: unreadable.length, missingSectors, logSectors, records };
  return { store, damage, unreadable, deaths, sizeBytes };
}

function refuseOutcome(path: string, outcome: MountOutcome): void {
  if (outcome !== "mounted" && outcome !== "formatted") throw refusal(path, outcome);
}

function refusal(path: string, outcome: keyof typeof REFUSALS): Error {
  const sentence = `${REFUSALS[outcome].replace("PATH", () => path)}.`;
  return outcome === "geometry" ? new WrongSize(sentence) : new Error(sentence);
}

class WrongSize extends Error {}
