/**
 * Reads the bytes of a stored Drop, in whichever of the three ways they lie (docs/store.md, "Bytes"): as they are; with
 * the first byte inverted, because the Drop would look like the header of a sector; or with the first bytes in the log,
 * where format 2 put them.
 */
import { LOG_RECORD_BYTES, OLD_ENTRY_AT, OLD_HEAD_AT, OLD_HEAD_BYTES } from "./layout.ts";
import type { LogRing } from "./log-ring.ts";
import type { Sectors } from "./sectors.ts";
import { ESCAPED, OLD, type Slots } from "./slots.ts";

export class DropReader {
  readonly #ring: LogRing;
  readonly #sectors: Sectors;
  readonly #slots: Slots;
  readonly #entry = new Uint8Array(1);

  constructor(ring: LogRing, sectors: Sectors, slots: Slots) {
    this.#ring = ring;
    this.#sectors = sectors;
    this.#slots = slots;
  }

  lengthBytes(slot: number): number {
    return this.#slots.lengthBytes[slot]!;
  }

  /** Copy bytes of the slot's Drop, from its byte `from` on, to `into[offset .. offset + lengthBytes)`. */
  // biome-ignore lint/complexity/useMaxParams: source, at, into, offset, length, as every copy of bytes
  read(slot: number, from: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    const { flash, layout } = this.#sectors;
    const { sectorSizeBytes, oldHeadBytes } = layout;
    const start = this.#slots.offset(slot);
    let body = this.#slots.bodySector[slot]! * sectorSizeBytes + (start & ~3) + from;
    let done = 0;
    if ((start & OLD) !== 0) {
      done = Math.max(0, Math.min(lengthBytes, oldHeadBytes - from));
      for (let i = 0; i < done; i++) flash.read(this.#headAt(slot, from + i), into, offset + i, 1);
      body -= oldHeadBytes;
    }
    if (done < lengthBytes) flash.read(body + done, into, offset + done, lengthBytes - done);
    if (from === 0 && lengthBytes > 0 && (start & ESCAPED) !== 0) into[offset] = into[offset]! ^ 0xff;
  }

  /** Where the byte of the slot's Drop is, one of the first bytes of a Drop of format 2. */
  #headAt(slot: number, byte: number): number {
    const { flash, layout } = this.#sectors;
    const address = this.#ring.addressOf(slot);
    if (byte < OLD_HEAD_BYTES) return address + OLD_HEAD_AT + byte;
    flash.read(address + OLD_ENTRY_AT, this.#entry, 0, 1);
    const entry = this.#entry[0]!;
    const rest = layout.oldHeadBytes - OLD_HEAD_BYTES;
    return address - (entry + 1) * LOG_RECORD_BYTES + 1 + entry * rest + byte - OLD_HEAD_BYTES;
  }
}
