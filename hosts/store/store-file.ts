/**
 * The file of a store: which files may be one, and how a command opens or creates it.
 *
 * A person names any path, by tab-completion or by mistake, and a file holds Drops that nobody can send again. So every
 * command that names a store opens it here. A name that cannot be a store is refused at once, before anything is opened
 * for writing: an empty name, a folder, a pipe, a socket, a device, a file that the kernel makes up (/proc, /sys), a
 * link to nothing. The check is made again on the open file, so no other file can take its place between.
 *
 * A reader opens the file read-only, and leaves no trace: no lock, no folder, no byte. A writer creates the file if
 * nothing has its name, and holds the lock (lock.ts) until it closes the file. While another program writes, a writer
 * waits, says so after a second, and gives up when nothing happened in the file for ten.
 *
 * A new file is created under its own name and filled with ones in place, under the lock. There is no draft that a kill
 * could leave, and no rename that could replace another file. So a file that is empty, or that has only ones and is too
 * short, is a new file: `touch` made it, or a creation was cut short. The next writer fills it. Folders are not
 * created, except this person's data folder: a wrong letter in a path must not make a tree.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  type Stats,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileSystemOf, fileSystemWords } from "../machine/file-system.ts";
import { dataFolder } from "../machine/folders.ts";
import { keepToOwner, PRIVATE_MODE } from "../machine/private-file.ts";
import { note } from "../machine/standard-streams.ts";
import { tryLock } from "./lock.ts";

export const SECTOR_SIZE_BYTES = 4096;
/** The size of a board's partition: 448 sectors, 1.75 MB. */
export const SIZE_BYTES_DEFAULT = 448 * SECTOR_SIZE_BYTES;

/** A writer says that it waits after so long. */
const TELL_AFTER_MS = 1_000;
/** A writer gives up when the file did not change for so long: its holder is no short command. */
const PATIENCE_MS_DEFAULT = 10_000;
/** A writer gives up after so long in any case: a Mule that meets others changes the file all the time. */
const PATIENCE_MS_MAX = 120_000;
const RETRY_MS = 40;

/** File systems whose files are made up by the kernel. A new file in /dev would take the place of a device. */
const MADE_UP =
  /^(proc|sysfs|devtmpfs|devpts|cgroup2?|debugfs|tracefs|securityfs|configfs|bpf|pstore|efivarfs|selinuxfs|binfmt_misc|mqueue|fusectl)$/;
/** 0 where the system has no such flag. A pipe or a device must not keep the program waiting. */
const NO_WAIT = (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

export interface WritingOptions {
  /** The size of a new file. */
  sizeBytes?: number;
  /** Throws when a file that is there cannot be a store, before the file is locked. */
  inspect?: (file: number) => void;
  /** How long to wait while another program holds the file and does not change it. */
  patienceMs?: number | undefined;
  /** Gets what a person should know: that the program waits, or that others could read the file. */
  tell?: (sentence: string) => void;
}

/** Opens the file for reading, and checks what it is. The caller closes it. */
export function openForReading(path: string): number {
  return openExisting(path, constants.O_RDONLY) ?? refuse(`There is no store ${path}: name another file with --store.`);
}

/** Opens or creates the file for one writer, and locks it until the caller closes it. */
export async function openForWriting(path: string, options: WritingOptions = {}): Promise<number> {
  const {
    sizeBytes = SIZE_BYTES_DEFAULT,
    patienceMs = PATIENCE_MS_DEFAULT,
    inspect,
    tell = sayOnStandardError,
  } = options;
  const begin = performance.now();
  let changed = begin;
  let lastChange: number | undefined;
  let told = false;
  let inspected = false;
  for (;;) {
    const { file, created } = openOrCreate(path);
    let mine = created;
    try {
      if (!created && !inspected) inspect?.(file);
      inspected = true;
      if (await tryLock(file, path)) {
        // The file that is locked may have lost its name meanwhile: to a removal, or to another file.
        if (names(path, file)) {
          if (created) allowOwner(file);
          keepToOwner(file, path, tell);
          fillNew(file, path, sizeBytes);
          return file;
        }
      } else {
        mine = false;
        const now = performance.now();
        const { mtimeMs } = fstatSync(file);
        if (mtimeMs !== lastChange) changed = now;
        lastChange = mtimeMs;
        if (now - changed >= patienceMs || now - begin >= PATIENCE_MS_MAX)
          refuse(`${path} is in use by another process: stop that process, or name another file.`);
        if (!told && now - begin >= TELL_AFTER_MS) {
          told = true;
          tell(`Another process writes to ${path}: waiting for that process.`);
        }
      }
    } catch (error) {
      if (mine && fstatSync(file).size === 0) unlinkSync(path);
      closeSync(file);
      throw error;
    }
    closeSync(file);
    await pause(RETRY_MS / 2 + Math.random() * RETRY_MS);
  }
}

function openOrCreate(path: string): { file: number; created: boolean } {
  for (;;) {
    const file = openExisting(path, constants.O_RDWR);
    if (file !== undefined) return { file, created: false };
    prepareFolder(path);
    try {
      // O_EXCL follows no link, so a link to nothing cannot make a file elsewhere.
      const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | NO_WAIT;
      return { file: openSync(path, flags, PRIVATE_MODE), created: true };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

/** Opens a file that is there. Undefined when nothing has this name. Throws a sentence when it cannot be a store. */
function openExisting(path: string, access: number): number | undefined {
  if (path === "") refuse("The name of the store is empty: name a file with --store.");
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined) {
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink())
      refuse(`${path} is a link to a file that does not exist: name the file itself.`);
    return undefined;
  }
  refuseKind(path, stats);
  let file: number;
  try {
    file = openSync(path, access | NO_WAIT);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  try {
    refuseKind(path, fstatSync(file));
    refuseMadeUp(path, file);
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function refuseKind(path: string, stats: Stats): void {
  if (stats.isFile()) return;
  const kind = stats.isDirectory() ? "folder" : stats.isFIFO() ? "pipe" : stats.isSocket() ? "socket" : "device";
  refuse(`${path} is a ${kind}: name a file for the Drops.`);
}

function refuseMadeUp(path: string, file: number): void {
  const kind = fileSystemOf(file);
  if (kind !== undefined && MADE_UP.test(kind))
    refuse(`${path} is in a file system of the kernel (${kind}), which keeps nothing: name another file.`);
}

/** Checks the folder for a new file. Only the data folder is created: any other folder is somebody's choice. */
function prepareFolder(path: string): void {
  const folder = dirname(resolve(path));
  if (statSync(folder, { throwIfNoEntry: false }) === undefined) {
    if (folder !== dataFolder()) refuse(`There is no folder ${folder}: create the folder, or name another file.`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
  let file: number;
  try {
    file = openSync(folder, constants.O_RDONLY | NO_WAIT);
  } catch {
    // A folder that this user may write but not list.
    return;
  }
  try {
    refuseMadeUp(path, file);
  } finally {
    closeSync(file);
  }
}

/** The umask may have taken the rights of the owner too. */
function allowOwner(file: number): void {
  try {
    fchmodSync(file, PRIVATE_MODE);
  } catch {
    // A file system without rights.
  }
}

function names(path: string, file: number): boolean {
  const named = statSync(path, { bigint: true, throwIfNoEntry: false });
  const open = fstatSync(file, { bigint: true });
  return named?.ino === open.ino && named.dev === open.dev;
}

/** Fills a new file with ones and makes it durable. A disk that is full leaves the file as it was. */
function fillNew(file: number, path: string, sizeBytes: number): void {
  const { size } = fstatSync(file);
  try {
    if (size < sizeBytes && isBlank(file, size)) {
      const ones = new Uint8Array(SECTOR_SIZE_BYTES).fill(0xff);
      for (let done = size; done < sizeBytes; )
        done += writeSync(file, ones, 0, Math.min(ones.length, sizeBytes - done), done);
      fsyncSync(file);
      syncFolder(dirname(path));
    }
    // Some file systems refuse fdatasync. Then nothing that is stored would be safe.
    fdatasyncSync(file);
  } catch (error) {
    if (size < sizeBytes) ftruncateSync(file, size);
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EINVAL" && code !== "ENOSYS" && code !== "ENOTSUP") throw Object.assign(error as Error, { path });
    refuse(`A store cannot be kept in ${fileSystemWords(file, path)} (${code}): name a file on another disk.`);
  }
}

function isBlank(file: number, sizeBytes: number): boolean {
  const bytes = new Uint8Array(sizeBytes);
  for (let done = 0, count = 1; count > 0; done += count) count = readSync(file, bytes, done, sizeBytes - done, done);
  return bytes.every((byte) => byte === 0xff);
}

/** Makes the name of a new file durable, where the file system can. */
function syncFolder(folder: string): void {
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

export function sayOnStandardError(sentence: string): void {
  note(`throwie: ${sentence}`);
}

function refuse(sentence: string): never {
  throw new Error(sentence);
}
