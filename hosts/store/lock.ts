/**
 * The lock on a store's file: one writer at a time.
 *
 * Two writers would spoil a store. So a writer holds a lock of the kernel on the file itself: an open file description
 * lock on Linux, flock on macOS, LockFileEx on Windows. It holds through every name of the file (links, other mounts,
 * containers), also between two opens in one process, and ends with the open file: a process that is killed leaves
 * nothing behind. Readers need no lock (snapshot.ts).
 *
 * Version 0.1.0 used a lock file beside the store, which names its holder by process id. This file respects such a
 * holder only while that process has the store open, and leaves the lock file alone: it may not be ours.
 *
 * Refuses a file system that has no locks, by one sentence that names it.
 */
import { type BigIntStats, fstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import process from "node:process";
import { fileSystemWords } from "../machine/file-system.ts";

/** Locks of Windows keep readers out of the bytes they cover. So the lock lies far behind the end of the file there. */
const RANGE: [offset: number, lengthBytes: number] = process.platform === "win32" ? [2 ** 40, 1] : [0, 0];
/** Another open file has the lock: the second is the word of some network file systems. */
const HELD = ["EAGAIN", "EACCES", "EBUSY", "EINTR"];

/** Locks the open file until it is closed. False: another program writes to the file. */
export async function tryLock(file: number, path: string): Promise<boolean> {
  const locks = await import("fs-native-extensions").catch((error) => {
    const reason = String(error.message).split("\n")[0];
    throw new Error(`This system cannot lock ${path}, which needs the package fs-native-extensions: ${reason}`);
  });
  try {
    return locks.tryLock(file, ...RANGE) && !openInOlderVersion(file, path);
  } catch (error) {
    if (HELD.includes(String((error as NodeJS.ErrnoException).code))) return false;
    // ENOLCK, ENOTSUP or EINVAL. Not every one of them has a name in Node.
    throw new Error(`A store needs locks, and ${fileSystemWords(file, path)} has none: name a file on another disk.`);
  }
}

/** Whether the process that a lock file of version 0.1.0 names has the store open. Only Linux can tell. */
function openInOlderVersion(file: number, path: string): boolean {
  const pid = Number.parseInt(textOf(`${path}.lock`), 10);
  if (!(pid > 0) || pid === process.pid) return false;
  const store = fstatSync(file, { bigint: true });
  const same = (other: BigIntStats | undefined): boolean => other?.ino === store.ino && other.dev === store.dev;
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((name) => same(statSync(`${folder}/${name}`, QUIET)));
  } catch {
    return false;
  }
}

const QUIET = { bigint: true, throwIfNoEntry: false } as const;

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
