/**
 * Files that tell who carries what: stores, databases, logs. Only their owner may read them, whatever the mode of the
 * folder and the umask of the process.
 *
 * A program creates such a file with `PRIVATE_MODE` and calls `keepToOwner` while the file is open, before it writes
 * the first byte. An older file that others may read loses these rights, and a person is told. A file system without
 * rights (FAT) cannot do that: then a person is told that others may read the file.
 *
 * To open and close a SQLite database gives up the locks that this process holds on it. So a database has
 * `keepPathToOwner`.
 */
import { chmodSync, fchmodSync, fstatSync, statSync } from "node:fs";
import process from "node:process";

export const PRIVATE_MODE = 0o600;
const RIGHTS = 0o777;
const RIGHTS_OF_OTHERS = 0o077;

/**
 * Takes all rights from everyone but the owner of the open file. `tell` gets a sentence when the file was there before
 * and others could use it, or when they still can.
 */
export function keepToOwner(file: number, path: string, tell: (sentence: string) => void): void {
  const mode = (): number => fstatSync(file).mode;
  narrow({ mode, change: (to) => fchmodSync(file, to) }, path, tell);
}

/** The same for a file that must not be opened here, because another part of this process has locked it. */
export function keepPathToOwner(path: string, tell: (sentence: string) => void): void {
  const mode = (): number => statSync(path).mode;
  narrow({ mode, change: (to) => chmodSync(path, to) }, path, tell);
}

interface Moded {
  mode(): number;
  change(mode: number): void;
}

function narrow({ mode, change }: Moded, path: string, tell: (sentence: string) => void): void {
  // Windows has no such modes: there the folder of the user decides.
  if (process.platform === "win32") return;
  const before = mode() & RIGHTS;
  if ((before & RIGHTS_OF_OTHERS) === 0) return;
  try {
    change(before & PRIVATE_MODE);
  } catch {
    // The next check finds that nothing changed.
  }
  const wide = (mode() & RIGHTS_OF_OTHERS) !== 0;
  tell(
    wide
      ? `Other users of this machine may be able to read ${path}: the rights of the file cannot be changed.`
      : `Other users of this machine could read or write ${path}: now only its owner can.`,
  );
}

/** Gives the owner of a new file the right to read and write it: the umask may have taken that right too. */
export function allowOwner(file: number): void {
  try {
    fchmodSync(file, PRIVATE_MODE);
  } catch {
    // A file system without rights.
  }
}
