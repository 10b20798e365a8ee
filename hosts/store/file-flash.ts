/**
 * Flash in a file: the store of a Mule, a gateway or the `throwie` command.
 *
 * The file is the partition, byte for byte: the content of a board's partition can be copied into a file, and a file
 * into a partition. The NOR rules hold here too: to program a bit from 0 to 1 is a bug of the store and throws.
 * Otherwise a file could hold a state that no board can write.
 *
 * Durability: each write goes to the kernel at once, so it survives the end of this process. `sync` is fdatasync, so a
 * write before it also survives a power cut of the machine. The store calls `sync` after a body and before the record
 * that commits the body, before it reports a Drop stored, and before it erases. Between those points the kernel may
 * write in any order.
 *
 * A disk that fails (EIO) makes `program` and `eraseSector` return false, and a read give zeros, which are no Drop: a
 * node goes on without that sector. `failedReads` counts these reads, and `tell` gets one sentence for each sector.
 * Other errors of the system are thrown, with the path of the file. So is a file that another program made shorter or
 * longer: to write to it would fill the gap with zeros, which no store has.
 *
 * This class opens nothing: store-file.ts opens, creates and locks the file.
 */
import { closeSync, fdatasyncSync, fstatSync, writeSync } from "node:fs";
import type { Flash } from "../../modules/store/flash.ts";
import { readWhole } from "./snapshot.ts";
import { SECTOR_SIZE_BYTES } from "./store-file.ts";

export class FileFlash implements Flash {
  readonly sizeBytes: number;
  readonly sectorSizeBytes = SECTOR_SIZE_BYTES;
  readonly programSizeBytes = 4;
  /** How many reads the disk failed. */
  failedReads = 0;
  readonly #path: string;
  readonly #tell: (sentence: string) => void;
  readonly #failed = new Set<number>();
  readonly #before = new Uint8Array(SECTOR_SIZE_BYTES);
  readonly #ones = new Uint8Array(SECTOR_SIZE_BYTES).fill(0xff);
  #file: number;
  /**
   * True at the start: a crashed process may have left writes in the kernel. This process reads them like the rest, but
   * they are not on the disk yet.
   */
  #dirty = true;

  /** Takes over a file that is open for reading and writing. */
  constructor(file: number, path: string, tell: (sentence: string) => void) {
    this.#file = file;
    this.#path = path;
    this.#tell = tell;
    this.sizeBytes = fstatSync(file).size;
  }

  read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    this.#within(address, lengthBytes);
    if (offset < 0 || offset + lengthBytes > into.length) throw new Error("file-flash: read past the buffer");
    const part = into.subarray(offset, offset + lengthBytes);
    if (!this.#filled(address, part)) part.fill(0);
  }

  program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    this.#within(address, lengthBytes);
    if (address % this.programSizeBytes !== 0 || lengthBytes % this.programSizeBytes !== 0) {
      throw new Error("file-flash: unaligned program");
    }
    if (offset < 0 || offset + lengthBytes > bytes.length) throw new Error("file-flash: program from past the buffer");
    for (let done = 0; done < lengthBytes; done += SECTOR_SIZE_BYTES) {
      const size = Math.min(SECTOR_SIZE_BYTES, lengthBytes - done);
      if (!this.#filled(address + done, this.#before.subarray(0, size))) return false;
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
    this.#checkSize();
    if (!this.#dirty) return;
    try {
      fdatasyncSync(this.#file);
    } catch (error) {
      throw this.#named(error);
    }
    this.#dirty = false;
  }

  /** Sync, and release the file with its lock. */
  close(): void {
    if (this.#file < 0) return;
    try {
      this.sync();
    } finally {
      closeSync(this.#file);
      this.#file = -1;
    }
  }

  /** Fills the buffer from the file. False: the disk failed. */
  #filled(address: number, into: Uint8Array): boolean {
    try {
      readWhole(this.#file, this.#path, into, address);
      return true;
    } catch (error) {
      if (codeOf(error) !== "EIO") throw this.#named(error);
    }
    this.failedReads++;
    const sector = Math.floor(address / SECTOR_SIZE_BYTES);
    if (!this.#failed.has(sector))
      this.#tell(`The disk cannot read sector ${sector} of ${this.#path}: its Drops are hidden.`);
    this.#failed.add(sector);
    return false;
  }

  #write(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    this.#checkSize();
    this.#dirty = true;
    let done = 0;
    try {
      while (done < lengthBytes) {
        done += writeSync(this.#file, bytes, offset + done, lengthBytes - done, address + done);
      }
      return true;
    } catch (error) {
      if (codeOf(error) === "EIO") return false;
      throw this.#named(error);
    }
  }

  #checkSize(): void {
    if (fstatSync(this.#file).size === this.sizeBytes) return;
    throw new Error(
      `Another program changed the size of ${this.#path}, so its Drops may be gone: stop that program, and look with throwie recover.`,
    );
  }

  /** A failure of the system, with the path that a sentence about the failure names. */
  #named(error: unknown): unknown {
    return codeOf(error) === undefined ? error : Object.assign(error as Error, { path: this.#path });
  }

  #within(address: number, lengthBytes: number): void {
    if (address < 0 || lengthBytes < 0 || address + lengthBytes > this.sizeBytes) {
      throw new Error(`file-flash: ${lengthBytes} bytes at ${address} are out of range`);
    }
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
