/**
 * Flash in a file: the store of a Mule, a gateway or the `throwie` command.
 *
 * The file is the partition, byte for byte: the content of a board's partition can be copied into a file, and a file
 * into a partition. A new file is written whole, all ones, under another name, and then renamed. So no process ever
 * finds half of a file. The NOR rules hold here too: to program a bit from 0 to 1 is a bug of the store and throws.
 * Otherwise a file could hold a state that no board can write.
 *
 * Durability: each write goes to the kernel at once, so it survives the end of this process. `sync` is fdatasync, so a
 * write before it also survives a power cut of the machine. The store calls `sync` after a body and before the record
 * that commits the body, before it reports a Drop stored, and before it erases. Between those points the kernel may
 * write in any order.
 *
 * One process at a time: a lock file beside the store names its holder by process id and start time. When the holder no
 * longer runs, the next process takes the lock over.
 *
 * Refuses, with an error that says what to do, a file that another process holds and a file of another size. A failing
 * disk (EIO) makes `program` and `eraseSector` return false. Other errors of the system are thrown.
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
/** The size of a board's partition: 448 sectors, 1.75 MB. */
const SIZE_BYTES_DEFAULT = 448 * SECTOR_SIZE_BYTES;
const PROGRAM_SIZE_BYTES_DEFAULT = 4;
/** How many times this process tries to get the lock while other processes take over stale locks. */
const LOCK_ATTEMPTS_MAX = 5;

export interface FileFlashOptions {
  /**
   * The size of a new file, and the size that an existing file must have. Without it an existing file may have any
   * size.
   */
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
  /**
   * True at the start: a crashed process may have left writes in the kernel. This process reads them like the rest, but
   * they are not on the disk yet.
   */
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
        throw new Error(`${path} is not a store of ${expected} bytes; move the file away, or name another file`);
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
      if (count === 0) throw new Error(`${this.#path} became shorter; another program writes to it`);
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

  /** Sync, and release the file. */
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

/**
 * Takes the lock, or throws. The lock file is complete when its name appears: it is linked, not written in place.
 */
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

/**
 * Takes a stale lock away. The rename decides which process does it. Another process may have replaced the stale lock
 * by its own meanwhile: then this function puts that lock back and throws.
 */
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
  // The kernel uses process ids again: after a restart of the machine another process may have this id.
  const now = startOf(pid);
  return start === "" || now === undefined || now === start;
}

/** The start time of the process, in the kernel's own unit. Undefined where the kernel does not tell. */
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
