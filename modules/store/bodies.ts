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
import { BODY_BYTES_MIN, BODY_SECTOR, encodeSectorHeader, type Layout } from "./layout.ts";
import { BODIES, FILLING, RETIRED, type Sectors, WORN } from "./sectors.ts";

export class Bodies {
  /** The sector in which `take` found room. */
  sector = 0;
  /** The byte in that sector at which the room begins. */
  offset = 0;
  readonly #sectors: Sectors;
  readonly #layout: Layout;
  readonly #openSectors: Uint16Array;
  readonly #ends: Uint16Array;
  readonly #header: Uint8Array;
  #count = 0;

  constructor(sectors: Sectors) {
    const { layout } = sectors;
    this.#sectors = sectors;
    this.#layout = layout;
    this.#openSectors = new Uint16Array(Math.max(1, layout.openSectorsMax));
    this.#ends = new Uint16Array(this.#openSectors.length);
    this.#header = new Uint8Array(layout.bodyStart);
  }

  clear(): void {
    this.#count = 0;
  }

  /** Whether an open sector has room for a body of this size. */
  fits(roomBytes: number): boolean {
    return roomBytes === 0 || this.#bestFor(roomBytes) >= 0;
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
    const { headBytes, unitBytes, sectorSizeBytes } = this.#layout;
    const sectors = this.#sectors;
    const address = this.sector * sectorSizeBytes + this.offset;
    const size = lengthBytes - headBytes;
    const rest = size % unitBytes;
    const whole = size - rest;
    if (whole > 0 && !sectors.program(address, bytes, offset + headBytes, whole)) return false;
    if (rest === 0) return true;
    const { piece } = sectors;
    for (let i = 0; i < unitBytes; i++) piece[i] = i < rest ? bytes[offset + headBytes + whole + i]! : 0xff;
    return sectors.program(address + whole, piece, 0, unitBytes);
  }

  /** Copy the body of a Drop of this length to the place where `take` found room. False: a program failed. */
  copy(fromSector: number, fromOffset: number, lengthBytes: number): boolean {
    const { sectorSizeBytes } = this.#layout;
    const sectors = this.#sectors;
    const { piece } = sectors;
    const size = this.#layout.bodyBytes(lengthBytes);
    const from = fromSector * sectorSizeBytes + fromOffset;
    const to = this.sector * sectorSizeBytes + this.offset;
    for (let done = 0; done < size; done += piece.length) {
      const pieceBytes = Math.min(piece.length, size - done);
      sectors.flash.read(from + done, piece, 0, pieceBytes);
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
   * Open a free sector. If too many sectors were open then, the fullest is closed. False: no free sector could be
   * erased and programmed.
   */
  open(sequence: number): boolean {
    const sectors = this.#sectors;
    const layout = this.#layout;
    for (;;) {
      const sector = sectors.leastWornFree();
      if (sector < 0) return false;
      if (!sectors.erase(sector)) continue;
      this.#header.fill(0xff);
      encodeSectorHeader(this.#header, BODY_SECTOR, sectors.eraseCount(sector), sequence);
      if (!sectors.program(sector * layout.sectorSizeBytes, this.#header, 0, layout.bodyStart)) {
        sectors.set(sector, RETIRED);
        continue;
      }
      if (this.#count === this.#openSectors.length) this.#close(this.#fullest(), BODIES);
      sectors.set(sector, FILLING);
      this.#openSectors[this.#count] = sector;
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
    const sector = this.#openSectors[entry]!;
    const last = --this.#count;
    this.#openSectors[entry] = this.#openSectors[last]!;
    this.#ends[entry] = this.#ends[last]!;
    this.#sectors.set(sector, state);
    this.#sectors.reclaim(sector);
  }
}
