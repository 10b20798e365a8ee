/**
 * Sectors of bodies that are being filled, and where the next body goes.
 *
 * Up to `openSectorsMax` sectors are open at once; a body goes into the one where it leaves the least room, since
 * closing a sector for the first body that does not fit would waste a sixth of it. Bodies follow each other without
 * gaps from the front; room once given is never given again, whether or not programming it succeeded, so dirt is never
 * programmed over. For the same reason mount opens none: where an earlier life stopped filling cannot be known.
 */
import { BODY_BYTES_MIN, BODY_SECTOR, encodeSectorHeader, type Layout } from "./layout.ts";
import { BODIES, OPEN, type Partition, RETIRED, WORN } from "./partition.ts";

/** A body is copied through RAM in pieces; a multiple of every program unit. */
const PIECE_BYTES = 256;

export class Bodies {
  /** Where `take` found room. */
  sector = 0;
  offset = 0;
  readonly #partition: Partition;
  readonly #layout: Layout;
  readonly #sectors: Uint16Array;
  readonly #ends: Uint16Array;
  readonly #header: Uint8Array;
  readonly #piece = new Uint8Array(PIECE_BYTES);
  #count = 0;

  constructor(partition: Partition) {
    const { layout } = partition;
    this.#partition = partition;
    this.#layout = layout;
    this.#sectors = new Uint16Array(Math.max(1, layout.openSectorsMax));
    this.#ends = new Uint16Array(this.#sectors.length);
    this.#header = new Uint8Array(layout.bodyStart);
  }

  clear(): void {
    this.#count = 0;
  }

  /** Is there room for a body in an open sector? */
  fits(roomBytes: number): boolean {
    return roomBytes === 0 || this.#bestFor(roomBytes) >= 0;
  }

  /** Take the room for a Drop's body; `fits` was true. `Partition.release` gives it back as garbage. */
  take(roomBytes: number): void {
    const entry = this.#bestFor(roomBytes);
    const end = this.#ends[entry]! + roomBytes;
    this.sector = this.#sectors[entry]!;
    this.offset = this.#ends[entry]!;
    this.#ends[entry] = end;
    this.#partition.hold(this.sector, roomBytes);
    if (end + BODY_BYTES_MIN > this.#layout.sectorSizeBytes) this.#close(entry, BODIES);
  }

  /** Program the body of the Drop in `bytes[offset .. offset + lengthBytes)` where `take` found room. */
  program(bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    const { headBytes, unitBytes, sectorSizeBytes } = this.#layout;
    const partition = this.#partition;
    const address = this.sector * sectorSizeBytes + this.offset;
    const size = lengthBytes - headBytes;
    const rest = size % unitBytes;
    const whole = size - rest;
    if (whole > 0 && !partition.program(address, bytes, offset + headBytes, whole)) return false;
    if (rest === 0) return true;
    const piece = this.#piece;
    for (let i = 0; i < unitBytes; i++) piece[i] = i < rest ? bytes[offset + headBytes + whole + i]! : 0xff;
    return partition.program(address + whole, piece, 0, unitBytes);
  }

  /** Copy the body of a Drop of that length to where `take` found room. */
  copy(fromSector: number, fromOffset: number, lengthBytes: number): boolean {
    const { sectorSizeBytes } = this.#layout;
    const partition = this.#partition;
    const size = this.#layout.bodyBytes(lengthBytes);
    const from = fromSector * sectorSizeBytes + fromOffset;
    const to = this.sector * sectorSizeBytes + this.offset;
    for (let done = 0; done < size; done += PIECE_BYTES) {
      const piece = Math.min(PIECE_BYTES, size - done);
      partition.flash.read(from + done, this.#piece, 0, piece);
      if (!partition.program(to + done, this.#piece, 0, piece)) return false;
    }
    return true;
  }

  /** Programming failed there: put nothing more in it. */
  fail(sector: number): void {
    for (let entry = 0; entry < this.#count; entry++) {
      if (this.#sectors[entry] === sector) this.#close(entry, WORN);
    }
    if (this.#partition.state[sector] === BODIES) this.#partition.set(sector, WORN);
  }

  /** Begin a sector; of too many the fullest is closed. False: none could be had. */
  open(sequence: number): boolean {
    const partition = this.#partition;
    const layout = this.#layout;
    for (;;) {
      const sector = partition.leastWornFree();
      if (sector < 0) return false;
      if (!partition.erase(sector)) continue;
      this.#header.fill(0xff);
      encodeSectorHeader(this.#header, BODY_SECTOR, partition.eraseCount(sector), sequence);
      if (!partition.program(sector * layout.sectorSizeBytes, this.#header, 0, layout.bodyStart)) {
        partition.set(sector, RETIRED);
        continue;
      }
      if (this.#count === this.#sectors.length) this.#close(this.#fullest(), BODIES);
      partition.set(sector, OPEN);
      this.#sectors[this.#count] = sector;
      this.#ends[this.#count] = layout.bodyStart;
      this.#count++;
      return true;
    }
  }

  #bestFor(roomBytes: number): number {
    const { sectorSizeBytes } = this.#layout;
    let best = -1;
    for (let entry = 0; entry < this.#count; entry++) {
      if (this.#ends[entry]! + roomBytes > sectorSizeBytes) continue;
      if (best < 0 || this.#ends[entry]! > this.#ends[best]!) best = entry;
    }
    return best;
  }

  #fullest(): number {
    let fullest = 0;
    for (let entry = 1; entry < this.#count; entry++) if (this.#ends[entry]! > this.#ends[fullest]!) fullest = entry;
    return fullest;
  }

  #close(entry: number, state: number): void {
    const sector = this.#sectors[entry]!;
    const last = --this.#count;
    this.#sectors[entry] = this.#sectors[last]!;
    this.#ends[entry] = this.#ends[last]!;
    this.#partition.set(sector, state);
    this.#partition.settle(sector);
  }
}
