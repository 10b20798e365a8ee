/**
 * A new file that appears under its name with all of its bytes on the disk, or not at all, and never replaces a file.
 *
 * The bytes go to a draft beside it. Then the draft gets the name by a link, which fails when the name is taken. FAT
 * and some network file systems have no links. There an empty file keeps the name for a moment, and the draft is
 * renamed over it: a rename alone would replace what another program made meanwhile.
 *
 * Only the owner can read the file. A failure leaves nothing behind; a process that is killed may leave the draft.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fdatasyncSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { allowOwner, keepToOwner, PRIVATE_MODE } from "./private-file.ts";

/** What file systems answer that have no links, or no links of this file. */
const NO_LINKS = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EINVAL", "EACCES", "EXDEV"];

/**
 * Throws the system's error, with the path: EEXIST when the name is taken. `tell` gets a sentence when others can read
 * the file, and may throw.
 */
export function createWhole(path: string, bytes: Uint8Array, tell: (sentence: string) => void): void {
  const draft = `${path}.${randomBytes(4).toString("hex")}.part`;
  let named = false;
  try {
    const file = openSync(draft, "wx", PRIVATE_MODE);
    try {
      allowOwner(file);
      keepToOwner(file, path, tell);
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
      fdatasyncSync(file);
    } finally {
      closeSync(file);
    }
    if (!linked(draft, path)) {
      closeSync(openSync(path, "wx", PRIVATE_MODE));
      named = true;
      renameSync(draft, path);
    }
    syncFolder(dirname(path));
  } catch (error) {
    if (named) rmSync(path, { force: true });
    const failure = error as NodeJS.ErrnoException;
    throw failure.errno === undefined ? error : Object.assign(failure, { path });
  } finally {
    rmSync(draft, { force: true });
  }
}

/** False: the file system has no links. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (NO_LINKS.includes(String((error as NodeJS.ErrnoException).code))) return false;
    throw error;
  }
}

/** Makes the name of a new file durable, where the file system can. */
export function syncFolder(folder: string): void {
  try {
    const file = openSync(folder, "r");
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch {
    // FAT, network file systems and Windows refuse this for folders, and keep names in their own way.
  }
}
