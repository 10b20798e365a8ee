/**
 * The open sectors: sectors of bodies that are being filled, and where the next body goes (docs/store.md, "Shape").
 *
 * Bodies have any size. A sector that were closed for the first body that does not fit would waste a sixth of its
 * bytes. So up to `openSectorsMax` sectors are open at once, and a body goes into the sector where it leaves the least
 * room. Bodies follow each other from the front of a sector, without gaps.
 *
 * Invariant: room that was given once is never given again before the next erase, whether or not its program succeeded.
 * So no byte is programmed twice. For the same reason mount opens no sector: mount cannot know where an earlier life
 * stopped filling. This class refuses to choose which sector is emptied (collector.ts).
 */
import type { DropReader } from "./drop-reader.ts";
import { BODY_BYTES_MIN, type Layout, looksLikeHeader } from "./layout.ts";
import { BODIES, FILLING, type Sectors, WORN } from "./sectors.ts";

export class Bodies {
  /** The sector in which `take` found room. */
  sector = 0;
  /**
   * The byte in that sector at which the room begins. After a program, the lowest bit says: the first byte is escaped.
   */
  offset = 0;
  readonly #sectors: Sectors;
  readonly #layout: Layout;
  readonly #openSectors: Uint16Array;
  readonly #ends: Uint16Array;
  #count = 0;

  constructor(sectors: Sectors) {
    const { layout } = sectors;
    this.#sectors = sectors;
    this.#layout = layout;
    this.#openSectors = new Uint16Array(Math.max(1, layout.openSectorsMax));
    this.#ends = new Uint16Array(this.#openSectors.length);
  }

  clear(): void {
    this.#count = 0;
  }

  /** Whether an open sector has room for a body of this size. */
  fits(roomBytes: number): boolean {
    return this.#bestFor(roomBytes) >= 0;
  }

  /** Take the room for a Drop's body. `fits` must have been true. `Sectors.release` gives the room back as garbage. */
  take(roomBytes: number): void {
    const entry = this.#bestFor(roomBytes);
    const end = this.#ends[entry]! + roomBytes;
    this.sector = this.#openSectors[entry]!;
    this.offset = this.#ends[entry]!;
    this.#ends[entry] = end;
    this.#sectors.hold(this.sector, roomBytes);
    if (end + BODY_BYTES_MIN > this.#layout.sectorSizeBytes) this.#close(entry, BODIES);
  }

  /**
   * Program the body of the Drop in `bytes[offset .. offset + lengthBytes)` where `take` found room. False: the program
   * failed.
   */
  program(bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    const { unitBytes, sectorSizeBytes } = this.#layout;
    const sectors = this.#sectors;
    const { piece } = sectors;
    const address = this.sector * sectorSizeBytes + this.offset;
    let done = 0;
    if (this.#mustEscape(bytes, offset)) {
      done = unitBytes;
      for (let i = 0; i < done; i++) piece[i] = i < lengthBytes ? bytes[offset + i]! : 0xff;
      this.#escape(piece);
      if (!sectors.program(address, piece, 0, done)) return false;
      if (done >= lengthBytes) return true;
    }
    const rest = lengthBytes % unitBytes;
    const whole = lengthBytes - rest - done;
    if (whole > 0 && !sectors.program(address + done, bytes, offset + done, whole)) return false;
    if (rest === 0) return true;
    for (let i = 0; i < unitBytes; i++) piece[i] = i < rest ? bytes[offset + done + whole + i]! : 0xff;
    return sectors.program(address + done + whole, piece, 0, unitBytes);
  }

  /** Copy the slot's Drop to the place where `take` found room. False: a program failed. */
  copy(reader: DropReader, slot: number): boolean {
    const sectors = this.#sectors;
    const { piece } = sectors;
    const { sectorSizeBytes, unitBytes } = this.#layout;
    const lengthBytes = reader.lengthBytes(slot);
    const size = Math.ceil(lengthBytes / unitBytes) * unitBytes;
    const to = this.sector * sectorSizeBytes + this.offset;
    for (let done = 0; done < size; done += piece.length) {
      const pieceBytes = Math.min(piece.length, size - done);
      piece.fill(0xff, 0, pieceBytes);
      reader.read(slot, done, piece, 0, Math.min(pieceBytes, lengthBytes - done));
      if (done === 0 && this.#mustEscape(piece, 0)) this.#escape(piece);
      if (!sectors.program(to + done, piece, 0, pieceBytes)) return false;
    }
    return true;
  }

  /** A program in this sector failed: the sector takes no more bodies. */
  fail(sector: number): void {
    for (let entry = 0; entry < this.#count; entry++) {
      if (this.#openSectors[entry] === sector) this.#close(entry, WORN);
    }
    if (this.#sectors.state[sector] === BODIES) this.#sectors.set(sector, WORN);
  }

  /**
   * Open a free sector. If too many sectors were open then, the fullest is closed. False: there is no free sector, or
   * it could not be erased, and is retired.
   */
  open(): boolean {
    const sectors = this.#sectors;
    const sector = sectors.leastWornFree();
    if (sector < 0 || !sectors.erase(sector)) return false;
    if (this.#count === this.#openSectors.length) this.#close(this.#fullest(), BODIES);
    sectors.set(sector, FILLING);
    this.#openSectors[this.#count] = sector;
    this.#ends[this.#count] = 0;
    this.#count++;
    return true;
  }

  /** Whether these first bytes of a Drop would be taken for a header. */
  #mustEscape(bytes: Uint8Array, offset: number): boolean {
    return this.offset === 0 && looksLikeHeader(bytes, offset);
  }

  #escape(bytes: Uint8Array): void {
    bytes[0] = bytes[0]! ^ 0xff;
    this.offset |= 1;
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
    const sector = this.#openSectors[entry]!;
    const last = --this.#count;
    this.#openSectors[entry] = this.#openSectors[last]!;
    this.#ends[entry] = this.#ends[last]!;
    this.#sectors.set(sector, state);
    this.#sectors.reclaim(sector);
  }
}
