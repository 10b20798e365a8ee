/**
 * The store's Flash port (modules/store/flash.ts) over a flash partition, by ECMA-419's `embedded:storage/flash`.
 *
 * The SDK reads and writes whole buffers, so a part of a buffer needs a view. The last few views are kept: the
 * fragments of frames are always read to the same few places, and a new view for each frame would be garbage for each
 * frame.
 *
 * The flash must report a program that failed, so `targets/` switches on ESP-IDF's verification
 * (CONFIG_SPI_FLASH_VERIFY_WRITE). For any failure the sector then counts as worn. A bit that should be 1 and reads 0
 * may be a cell that no erase sets any more. If the board treated this as a bug, it would crash for ever. Finding such
 * bugs is the task of the simulator's flash.
 */
import partitions, { type Flash as Part } from "embedded:storage/flash";
import type { Flash } from "../store/flash.ts";

/** An ESP32 programs words of 4 bytes. */
const PROGRAM_SIZE_BYTES = 4;
/** Two frame sizes, each with a first, a full and a last fragment, and two spare views. */
const VIEWS = 8;

export class Partition implements Flash {
  readonly sizeBytes: number;
  readonly sectorSizeBytes: number;
  readonly programSizeBytes = PROGRAM_SIZE_BYTES;
  readonly #part: Part;
  readonly #views: Uint8Array[] = [];
  #oldest = 0;

  /** Throws when there is no data partition with that label. */
  constructor(label: string) {
    this.#part = partitions.open({ path: label, mode: "r+" });
    const { size, blockLength } = this.#part.status();
    this.sizeBytes = size;
    this.sectorSizeBytes = blockLength;
  }

  read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    this.#within(address, into, offset, lengthBytes);
    if (lengthBytes > 0) this.#part.read(this.#view(into, offset, lengthBytes), address);
  }

  program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    this.#within(address, bytes, offset, lengthBytes);
    if (address % PROGRAM_SIZE_BYTES !== 0 || lengthBytes % PROGRAM_SIZE_BYTES !== 0) {
      throw new Error("partition: unaligned program");
    }
    if (lengthBytes === 0) return true;
    try {
      this.#part.write(this.#view(bytes, offset, lengthBytes), address);
      return true;
    } catch {
      return false;
    }
  }

  eraseSector(sector: number): boolean {
    if (sector < 0 || sector * this.sectorSizeBytes >= this.sizeBytes) throw new Error("partition: no such sector");
    try {
      this.#part.eraseBlock(sector);
      return true;
    } catch {
      return false;
    }
  }

  /** Nothing to do: `program` and `eraseSector` return after the flash has finished. */
  sync(): void {}

  #within(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): void {
    if (address < 0 || lengthBytes < 0 || address + lengthBytes > this.sizeBytes) throw new Error("partition: outside");
    if (offset < 0 || offset + lengthBytes > bytes.length) throw new Error("partition: past the buffer");
  }

  #view(bytes: Uint8Array, offset: number, lengthBytes: number): Uint8Array {
    if (offset === 0 && lengthBytes === bytes.length) return bytes;
    const { buffer } = bytes;
    const byteOffset = bytes.byteOffset + offset;
    for (const view of this.#views) {
      if (view.length === lengthBytes && view.byteOffset === byteOffset && view.buffer === buffer) return view;
    }
    const view = bytes.subarray(offset, offset + lengthBytes);
    this.#views[this.#oldest] = view;
    this.#oldest = (this.#oldest + 1) % VIEWS;
    return view;
  }
}
