/** Where the Drops of this person's Mule are kept, unless told otherwise. */
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { type DropStore, openDropStore } from "../store/drop-store.ts";

export function defaultStorePath(): string {
  const data = process.env.XDG_DATA_HOME ?? join(homedir(), ".local", "share");
  return join(data, "throwie", "drops.flash");
}

export function openStore(path: string): DropStore {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return openDropStore(path);
}
