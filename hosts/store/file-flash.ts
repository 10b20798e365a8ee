/**
 * Flash in a file: the store of a Mule, a gateway or the `throwie` command (design section 7).
 *
 * The file is the partition, byte for byte: what a board's partition holds can be copied into one, and the other way
 * round. A new one is created whole, all ones, under another name and then renamed, so that no half of one is ever found.
 * NOR rules hold here too (a program that would set a bit is the store's bug and throws), because a file that a board
 * could not have written would prove nothing.
 *
 * Durability: writes go to the kernel at once, so they outlive this process however it ends. `sync` is fdatasync, and so makes
 * them outlive the machine's power too. The store calls it after a body and before the record that commits it, before it
 * reports a Drop stored, and before it erases; between those the kernel may write in any order.
 *
 * One process at a time: a lock file beside it names the holder by process id and start time. A holder that no longer
 * runs is taken over from. Refuses, with an error that says what to do: a file that another holds, and one of another
 * size. A failing disk (EIO) makes `program` and `eraseSector` return false; other errors of the system are thrown.
 */
import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Flash } from "../../modules/store/flash.ts";

const SECTOR_SIZE_BYTES = 4096;
/** As on a board: 448 sectors, 1.75 MB. */
const SIZE_BYTES_DEFAULT = 448 * SECTOR_SIZE_BYTES;
const PROGRAM_SIZE_BYTES_DEFAULT = 4;
/** Takeovers that others may win against us before we give up. */
const LOCK_ATTEMPTS_MAX = 5;

export interface FileFlashOptions {
  /** Of a new file, and what an existing one must have. Without it an existing file may have any size. */
  sizeBytes?: number;
  programSizeBytes?: number;
}

export class FileFlash implements Flash {
  readonly sizeBytes: number;
  readonly sectorSizeBytes = SECTOR_SIZE_BYTES;
  readonly programSizeBytes: number;
  readonly #path: string;
  readonly #before: Uint8Array;
  readonly #ones = new Uint8Array(SECTOR_SIZE_BYTES).fill(0xff);
  #file: number;
  /** From the start: what a crashed process left in the kernel's hands is read like the rest, and is not synced. */
  #dirty = true;

  constructor(path: string, options: FileFlashOptions = {}) {
    this.#path = path;
    this.programSizeBytes = options.programSizeBytes ?? PROGRAM_SIZE_BYTES_DEFAULT;
    this.#before = new Uint8Array(SECTOR_SIZE_BYTES);
    lock(path);
    try {
      this.#file = openOrCreate(path, options.sizeBytes ?? SIZE_BYTES_DEFAULT);
      this.sizeBytes = fstatSync(this.#file).size;
      const expected = options.sizeBytes ?? this.sizeBytes;
      if (this.sizeBytes !== expected || this.sizeBytes === 0 || this.sizeBytes % SECTOR_SIZE_BYTES !== 0) {
        closeSync(this.#file);
        throw new Error(`${path} is not a store of ${expected} bytes; move it away or name another file`);
      }
    } catch (error) {
      unlinkSync(lockPath(path));
      throw error;
    }
  }

  read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    this.#within(address, lengthBytes);
    if (offset < 0 || offset + lengthBytes > into.length) throw new Error("file-flash: read past the buffer");
    let done = 0;
    while (done < lengthBytes) {
      const count = readSync(this.#file, into, offset + done, lengthBytes - done, address + done);
      if (count === 0) throw new Error(`${this.#path} became shorter; something else writes to it`);
      done += count;
    }
  }

  program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    this.#within(address, lengthBytes);
    if (address % this.programSizeBytes !== 0 || lengthBytes % this.programSizeBytes !== 0) {
      throw new Error("file-flash: unaligned program");
    }
    if (offset < 0 || offset + lengthBytes > bytes.length) throw new Error("file-flash: program from past the buffer");
    for (let done = 0; done < lengthBytes; done += SECTOR_SIZE_BYTES) {
      const size = Math.min(SECTOR_SIZE_BYTES, lengthBytes - done);
      this.read(address + done, this.#before, 0, size);
      for (let i = 0; i < size; i++) {
        if ((bytes[offset + done + i]! & ~this.#before[i]!) !== 0) {
          throw new Error(`file-flash: program would set a bit at ${address + done + i}`);
        }
      }
    }
    return this.#write(address, bytes, offset, lengthBytes);
  }

  eraseSector(sector: number): boolean {
    this.#within(sector * SECTOR_SIZE_BYTES, SECTOR_SIZE_BYTES);
    return this.#write(sector * SECTOR_SIZE_BYTES, this.#ones, 0, SECTOR_SIZE_BYTES);
  }

  sync(): void {
    if (!this.#dirty) return;
    fdatasyncSync(this.#file);
    this.#dirty = false;
  }

  /** Sync, and let others have the file. */
  close(): void {
    if (this.#file < 0) return;
    this.sync();
    closeSync(this.#file);
    this.#file = -1;
    unlinkSync(lockPath(this.#path));
  }

  #write(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    this.#dirty = true;
    let done = 0;
    try {
      while (done < lengthBytes) {
        done += writeSync(this.#file, bytes, offset + done, lengthBytes - done, address + done);
      }
      return true;
    } catch (error) {
      if (codeOf(error) === "EIO") return false;
      throw error;
    }
  }

  #within(address: number, lengthBytes: number): void {
    if (address < 0 || lengthBytes < 0 || address + lengthBytes > this.sizeBytes) {
      throw new Error(`file-flash: ${lengthBytes} bytes at ${address} are out of range`);
    }
  }
}

function openOrCreate(path: string, sizeBytes: number): number {
  try {
    return openSync(path, "r+");
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
  const draft = `${path}.new`;
  const file = openSync(draft, "w+");
  const ones = new Uint8Array(sizeBytes).fill(0xff);
  for (let done = 0; done < sizeBytes; ) done += writeSync(file, ones, done, sizeBytes - done, done);
  fsyncSync(file);
  renameSync(draft, path);
  const folder = openSync(dirname(path), "r");
  fsyncSync(folder);
  closeSync(folder);
  return file;
}

function lockPath(path: string): string {
  return `${path}.lock`;
}

/** Hold the lock file, or throw. The content is complete when the name appears: it is linked, not written in place. */
function lock(path: string): void {
  const name = lockPath(path);
  const draft = `${name}.${process.pid}.${nextDraft++}`;
  writeFileSync(draft, `${process.pid} ${startOf(process.pid) ?? ""}\n`);
  try {
    for (let attempt = 0; attempt < LOCK_ATTEMPTS_MAX; attempt++) {
      if (linked(draft, name)) return;
      const holder = holderOf(name);
      if (holder === undefined) continue;
      if (runs(holder)) throw inUse(path, holder.pid);
      takeAway(path, name, `${draft}.stale`);
    }
    throw new Error(`${path} is being opened by several processes at once; try again`);
  } finally {
    unlinkSync(draft);
  }
}

let nextDraft = 0;

interface Holder {
  pid: number;
  start: string;
}

/** Renaming decides who takes a stale lock away; if it was replaced by a living one meanwhile, that is put back. */
function takeAway(path: string, name: string, aside: string): void {
  try {
    renameSync(name, aside);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return;
    throw error;
  }
  const holder = holderOf(aside);
  const living = holder !== undefined && runs(holder);
  if (living) linked(aside, name);
  unlinkSync(aside);
  if (living) throw inUse(path, holder.pid);
}

function inUse(path: string, pid: number): Error {
  return new Error(`${path} is in use by process ${pid}; stop that process or name another file`);
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

function holderOf(name: string): Holder | undefined {
  try {
    const [pid = "", start = ""] = readFileSync(name, "utf8").trim().split(" ");
    return { pid: Number(pid), start };
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

function runs({ pid, start }: Holder): boolean {
  if (!Number.isInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
  // Process ids are given again: after a restart of the machine another may have this one.
  const now = startOf(pid);
  return start === "" || now === undefined || now === start;
}

/** When the process began, in the kernel's own unit; undefined where the kernel does not say. */
function startOf(pid: number): string | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "utf8");
    return status.slice(status.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
