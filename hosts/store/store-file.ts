/**
 * The file of a store: how a command opens or creates it. Which names can be one is in path-rules.ts.
 *
 * A reader opens the file read-only, and leaves no trace: no lock, no folder, no byte. A writer creates the file if
 * nothing has its name, and holds the lock (lock.ts) until it closes the file. While another program writes, a writer
 * waits, says so after a second, and gives up when nothing happened in the file for ten.
 *
 * A new file is created under its own name and filled with ones in place, under the lock. There is no draft that a kill
 * could leave, and no rename that could replace another file. So a file that is empty, or that has only ones and is too
 * short, is a new file: `touch` made it, or a creation was cut short. The next writer fills it.
 */
import {
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileSystemWords } from "../machine/file-system.ts";
import { harmlessLine } from "../machine/harmless.ts";
import { syncFolder } from "../machine/new-file.ts";
import { allowOwner, keepToOwner, PRIVATE_MODE } from "../machine/private-file.ts";
import { note } from "../machine/standard-streams.ts";
import { tryLock } from "./lock.ts";
import { NO_WAIT, openExisting, prepareFolder, refuse, refuseFolder } from "./path-rules.ts";

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

export interface WritingOptions {
  /** The size of a new file. */
  sizeBytes?: number;
  /** Throws when a file that is there cannot be a store, before the file is locked. */
  inspect?: (file: number) => void;
  /** How long to wait while another program holds the file and does not change it. */
  patienceMs?: number | undefined;
  /** Ends the waiting: `openForWriting` rejects with the reason of the abort. */
  signal?: AbortSignal;
  /** Called again and again while another program holds the file. When it rejects, the waiting ends with that error. */
  whileHeld?: () => Promise<void>;
  /** Gets what a person should know: that the program waits, or that others could read the file. */
  tell?: (sentence: string) => void;
}

/** Opens the file for reading, and checks what it is. The caller closes it. */
export function openForReading(path: string): number {
  return openExisting(path, constants.O_RDONLY) ?? refuse(`There is no store ${path}: name another file.`);
}

/** Opens or creates the file for one writer, and locks it until the caller closes it. */
export async function openForWriting(path: string, options: WritingOptions = {}): Promise<number> {
  const { sizeBytes = SIZE_BYTES_DEFAULT, tell = sayOnStandardError } = options;
  const patience = new Patience(path, tell, options.patienceMs);
  let inspected = false;
  for (;;) {
    const { file, created } = openOrCreate(path);
    let mine = created;
    try {
      if (!created && !inspected) options.inspect?.(file);
      inspected = true;
      const locked = await tryLock(file, path);
      // The file that is locked may have lost its name meanwhile: to a removal, or to another file.
      if (locked && names(path, file)) {
        if (created) allowOwner(file);
        keepToOwner(file, path, tell);
        fillNew(file, path, sizeBytes);
        return file;
      }
      if (!locked) {
        mine = false;
        options.signal?.throwIfAborted();
        await patience.while(options.whileHeld);
      }
      patience.check(file);
    } catch (error) {
      if (mine && fstatSync(file).size === 0) unlinkSync(path);
      closeSync(file);
      throw error;
    }
    closeSync(file);
    await pause(RETRY_MS / 2 + Math.random() * RETRY_MS);
  }
}

/** How long a writer waits for another. A holder that changes the file is a short command, or a Mule at work. */
class Patience {
  readonly #path: string;
  readonly #tell: (sentence: string) => void;
  readonly #limitMs: number;
  readonly #begin = performance.now();
  #changedAt = this.#begin;
  #change: number | undefined;
  #told = false;

  constructor(path: string, tell: (sentence: string) => void, limitMs = PATIENCE_MS_DEFAULT) {
    this.#path = path;
    this.#tell = tell;
    this.#limitMs = limitMs;
  }

  /** Waits for `action`, which may ask a holder that does not answer. The person hears of the wait in time. */
  async while(action: () => Promise<void> = async () => {}): Promise<void> {
    const saying = setTimeout(() => this.#say(), this.#begin + TELL_AFTER_MS - performance.now());
    try {
      await action();
    } finally {
      clearTimeout(saying);
    }
  }

  /** Throws a sentence when the wait is over. */
  check(file: number): void {
    const now = performance.now();
    const { mtimeMs } = fstatSync(file);
    if (mtimeMs !== this.#change) this.#changedAt = now;
    this.#change = mtimeMs;
    if (now - this.#changedAt >= this.#limitMs || now - this.#begin >= Math.max(PATIENCE_MS_MAX, this.#limitMs))
      refuse(`${this.#path} is in use by another process: stop that process, or name another file.`);
    if (now - this.#begin >= TELL_AFTER_MS) this.#say();
  }

  #say(): void {
    if (this.#told) return;
    this.#told = true;
    this.#tell(`Another process writes to ${this.#path}: waiting for that process.`);
  }
}

function openOrCreate(path: string): { file: number; created: boolean } {
  for (;;) {
    const file = openExisting(path, constants.O_RDWR);
    if (file !== undefined) return { file, created: false };
    prepareFolder(path);
    try {
      return { file: createNew(path), created: true };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
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
    const isNew = size < sizeBytes && isBlank(file, size);
    if (isNew) {
      const ones = new Uint8Array(SECTOR_SIZE_BYTES).fill(0xff);
      for (let done = size; done < sizeBytes; )
        done += writeSync(file, ones, 0, Math.min(ones.length, sizeBytes - done), done);
    }
    // Some file systems refuse fdatasync. Then nothing that is stored would be safe.
    fdatasyncSync(file);
    if (isNew) syncFolder(dirname(path));
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

export function sayOnStandardError(sentence: string): void {
  note(harmlessLine(`throwie: ${sentence}`));
}

/** Throws a sentence when a new file cannot have this name. */
export function refuseTaken(path: string): void {
  const file = openExisting(path, constants.O_RDONLY);
  if (file !== undefined) {
    closeSync(file);
    refuse(`${path} exists already, and is not replaced: name another file.`);
  }
  refuseFolder(path);
}

/** Creates a file that has no name yet. O_EXCL follows no link, so a link to nothing cannot make a file elsewhere. */
function createNew(path: string): number {
  return openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | NO_WAIT, PRIVATE_MODE);
}
