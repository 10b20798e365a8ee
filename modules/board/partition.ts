/**
 * The store's Flash port (modules/store/flash.ts) over a partition, by ECMA-419's `embedded:storage/flash`.
 *
 * The SDK reads and writes whole buffers, so parts of buffers go through views; the last few are kept, because a frame's
 * fragments are read to the same few places for ever, and a view a frame would be garbage a frame.
 *
 * A part must report a program that did not take: `targets/` switches ESP-IDF's verification on
 * (CONFIG_SPI_FLASH_VERIFY_WRITE). Whatever the reason, the sector is then worn: a bit that was to be set and reads clear
 * may be a cell that no erase sets any more, and a board that took it for a bug would crash for ever. Such bugs are the
 * simulator's flash to find.
 */
import partitions, { type Flash as Part } from "embedded:storage/flash";
import type { Flash } from "../store/flash.ts";

/** An ESP32 programs words of 4 bytes. */
const PROGRAM_SIZE_BYTES = 4;
/** Two sizes of frame, each with a first, a full and a last fragment, and two to spare. */
const VIEWS = 8;

export class Partition implements Flash {
  readonly sizeBytes: number;
  readonly sectorSizeBytes: number;
  readonly programSizeBytes = PROGRAM_SIZE_BYTES;
  readonly #part: Part;
  readonly #views: Uint8Array[] = [];
  #oldest = 0;

  /** Throws when there is no data partition of that label. */
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

  /** `program` and `eraseSector` wait for the part. */
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
