/**
 * The content of a store's file at one moment, as flash in memory.
 *
 * A command that only reads must not write: a store mounts the snapshot, and what mount repairs stays in memory. So a
 * reader needs no rights but to read, no lock and no room on the disk, and a running Mule does not notice it.
 *
 * A writer may write while the file is read. So the file is read again until nothing differs: a sector of flash does
 * not come back to an earlier content within moments, so the file held just these bytes when the last reading began.
 *
 * A sector that the disk cannot read counts as all zeros, which no store takes for free, and is named in `unreadable`.
 *
 * Refuses a file that becomes shorter meanwhile, and one that is written to without a pause.
 */
import { fstatSync, readSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { Flash } from "../../modules/store/flash.ts";
import { SECTOR_SIZE_BYTES, SIZE_BYTES_DEFAULT } from "./store-file.ts";
import type { Window } from "./windows.ts";

/** More than any board has. A larger file is not read at all. */
const SIZE_BYTES_MAX = 64 * 1024 * 1024;
const READINGS_MAX = 100;
const PAUSE_MS = 20;

export class Snapshot implements Flash {
  readonly sizeBytes: number;
  readonly sectorSizeBytes = SECTOR_SIZE_BYTES;
  readonly programSizeBytes = 4;
  /** The numbers of the sectors that the disk could not read. */
  readonly unreadable: readonly number[];
  /** So many sectors at the end are not in the file, because a copy was cut short. */
  readonly missingSectors: number;
  /** The file's bytes, from the first to the last. */
  readonly bytes: Uint8Array;
  /** The file's bytes as they were read, without what a mount repaired. */
  readonly #found: Uint8Array;
  #showsFound = false;

  constructor(bytes: Uint8Array, unreadable: readonly number[] = [], missingSectors = 0) {
    // A creation that was cut short.
    const begun = bytes.length < SIZE_BYTES_DEFAULT && bytes.every((byte) => byte === 0xff);
    this.bytes = begun ? new Uint8Array(SIZE_BYTES_DEFAULT).fill(0xff) : bytes;
    this.sizeBytes = this.bytes.length;
    this.unreadable = unreadable;
    this.missingSectors = missingSectors;
    this.#found = this.bytes.slice();
  }

  /** Calls `look`. Meanwhile a read gives the bytes of the file, without what a mount repaired in memory. */
  asFound<Seen>(look: () => Seen): Seen {
    this.#showsFound = true;
    try {
      return look();
    } finally {
      this.#showsFound = false;
    }
  }

  /** The content of a part of the file that begins with a sector. What lies behind the end of the file is missing. */
  window({ offsetBytes, sizeBytes }: Window): Snapshot {
    const bytes = new Uint8Array(sizeBytes);
    bytes.set(this.bytes.subarray(offsetBytes, offsetBytes + sizeBytes));
    const unreadable = this.unreadable
      .map((sector) => sector - offsetBytes / SECTOR_SIZE_BYTES)
      .filter((sector) => sector >= 0 && sector * SECTOR_SIZE_BYTES < sizeBytes);
    // A sector that is there in part is not missing: its records and Drops have checks of their own.
    const missing = Math.max(0, offsetBytes + sizeBytes - this.sizeBytes);
    return new Snapshot(bytes, unreadable, Math.floor(missing / SECTOR_SIZE_BYTES));
  }

  read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    const part = this.#part(address, lengthBytes);
    into.set(this.#showsFound ? this.#found.subarray(address, address + lengthBytes) : part, offset);
  }

  program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    if (address % this.programSizeBytes !== 0 || lengthBytes % this.programSizeBytes !== 0)
      throw new Error("snapshot: unaligned program");
    const part = this.#part(address, lengthBytes);
    if (offset < 0 || offset + lengthBytes > bytes.length) throw new Error("snapshot: program from past the buffer");
    for (let i = 0; i < lengthBytes; i++) if ((bytes[offset + i]! & ~part[i]!) !== 0) return false;
    part.set(bytes.subarray(offset, offset + lengthBytes));
    return true;
  }

  eraseSector(sector: number): boolean {
    this.#part(sector * SECTOR_SIZE_BYTES, SECTOR_SIZE_BYTES).fill(0xff);
    return true;
  }

  sync(): void {}

  #part(address: number, lengthBytes: number): Uint8Array {
    if (address < 0 || lengthBytes < 0 || address + lengthBytes > this.sizeBytes)
      throw new Error(`snapshot: ${lengthBytes} bytes at ${address} are out of range`);
    return this.bytes.subarray(address, address + lengthBytes);
  }
}

/** Reads the open file once. It must not be written to meanwhile. Undefined when it is too large for a store. */
export function takeSnapshot(file: number, path: string): Snapshot | undefined {
  const { size } = fstatSync(file);
  if (size > SIZE_BYTES_MAX) return undefined;
  const bytes = new Uint8Array(size);
  const unreadable: number[] = [];
  let failure: unknown;
  for (let sector = 0; sector * SECTOR_SIZE_BYTES < size; sector++) {
    const part = bytes.subarray(sector * SECTOR_SIZE_BYTES, (sector + 1) * SECTOR_SIZE_BYTES);
    try {
      readWhole(file, path, part, sector * SECTOR_SIZE_BYTES);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).errno === undefined) throw error;
      failure = error;
      unreadable.push(sector);
      part.fill(0);
    }
  }
  if (failure !== undefined && unreadable.length * SECTOR_SIZE_BYTES >= size)
    throw Object.assign(failure as Error, { path });
  return new Snapshot(bytes, unreadable);
}

/** Reads the open file while another program may write to it. Undefined when it is too large for a store. */
export async function takeStableSnapshot(file: number, path: string): Promise<Snapshot | undefined> {
  let before = takeSnapshot(file, path);
  for (let reading = 1; reading < READINGS_MAX; reading++) {
    if (before === undefined) return undefined;
    const now = takeSnapshot(file, path);
    if (now !== undefined && Buffer.compare(before.bytes, now.bytes) === 0) return now;
    before = now;
    await pause(PAUSE_MS);
  }
  throw new Error(`${path} is written to without a pause by another program: try again.`);
}

/** Fills the buffer from the open file. Throws when the file ends before. */
export function readWhole(file: number, path: string, into: Uint8Array, position: number): void {
  for (let done = 0; done < into.length; ) {
    const count = readSync(file, into, done, into.length - done, position + done);
    if (count === 0) throw new Error(`${path} became shorter: another program writes to it.`);
    done += count;
  }
}
