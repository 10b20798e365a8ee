/**
 * NOR flash that enforces its rules and loses power where a test tells it to.
 *
 * The rules are those of modules/store/flash.ts, and one that encrypted flash adds: between two erases, a program unit
 * may be programmed again only with the same bytes. After a power cut these are the bytes that the cut program was to
 * write. A caller that breaks a rule gets an assertion. So a simulation proves that a store never breaks one.
 *
 * `cutAt(n)` cuts the power inside the n-th program or erase from now. A cut program has written some of its first
 * bytes, and then some bits of the next byte, or none. A cut erase leaves some pages of the sector all ones, some as
 * before, and some bytes in between: these read differently each time, until the sector is erased whole. A cut throws a
 * PowerCut and switches the flash off. Every later call throws too, until `cutAt` is called for the next life. `chance`
 * decides where in the operation the cut falls.
 *
 * Invariant: the same calls with the same random numbers leave the same bytes. `wear(sector)` makes a sector fail from
 * then on. The flash counts all operations. It refuses nothing else: a torn write reads as torn, and `sync` has nothing
 * to do.
 */
import type { Flash } from "../modules/store/flash.ts";

const SIZE_BYTES_DEFAULT = 448 * 4096;
const SECTOR_SIZE_BYTES_DEFAULT = 4096;
const PROGRAM_SIZE_BYTES_DEFAULT = 4;
/** A cut erase leaves pieces of this size in different states. */
const ERASE_PIECE_BYTES = 64;
/** So few bytes are copied one by one: a view of them would cost more. */
const FEW_BYTES = 64;

/** Thrown by the operation in which the power failed. Only code that is about to restart the node may catch it. */
export class PowerCut extends Error {
  constructor() {
    super("nor-flash: power cut");
  }
}

/** Numbers from 0 to n - 1; SeededRandom is one. */
export interface Chance {
  below(n: number): number;
}

export interface NorFlashOptions {
  sizeBytes?: number;
  sectorSizeBytes?: number;
  programSizeBytes?: number;
  /** Decides how a cut operation ends. Without it, half of the operation is done. */
  chance?: Chance;
}

/** The content of the flash at a moment, see `snapshot`. */
export interface FlashImage {
  readonly bytes: Uint8Array;
  readonly programmed: Uint8Array;
  readonly unstable: Uint8Array;
  readonly intended: ReadonlyMap<number, Uint8Array>;
}

export class NorFlashCounters {
  reads = 0;
  readBytes = 0;
  programs = 0;
  programmedBytes = 0;
  erases = 0;
  syncs = 0;
}

export class NorFlash implements Flash {
  readonly sizeBytes: number;
  readonly sectorSizeBytes: number;
  readonly programSizeBytes: number;
  readonly counters = new NorFlashCounters();
  /** The number of erases of each sector since the beginning. */
  readonly erasesOf: Uint32Array;
  readonly #bytes: Uint8Array;
  /** The units that were programmed since their last erase. */
  readonly #programmed: Uint8Array;
  /** For each unit where a program was cut, the bytes that the program was to write. */
  readonly #intended = new Map<number, Uint8Array>();
  /** Sectors whose last erase was cut. Some of their bytes read at random. */
  readonly #unstable: Uint8Array;
  readonly #worn: Uint8Array;
  readonly #chance: Chance | undefined;
  /** Operations left until the cut. 0 when the power is off. */
  #left: number | undefined = undefined;

  constructor(options: NorFlashOptions = {}) {
    this.sizeBytes = options.sizeBytes ?? SIZE_BYTES_DEFAULT;
    this.sectorSizeBytes = options.sectorSizeBytes ?? SECTOR_SIZE_BYTES_DEFAULT;
    this.programSizeBytes = options.programSizeBytes ?? PROGRAM_SIZE_BYTES_DEFAULT;
    if (this.sizeBytes % this.sectorSizeBytes !== 0 || this.sectorSizeBytes % this.programSizeBytes !== 0) {
      throw new Error("nor-flash: sizes do not divide");
    }
    const sectorCount = this.sizeBytes / this.sectorSizeBytes;
    this.erasesOf = new Uint32Array(sectorCount);
    this.#bytes = new Uint8Array(this.sizeBytes).fill(0xff);
    this.#programmed = new Uint8Array(this.sizeBytes / this.programSizeBytes);
    this.#unstable = new Uint8Array(sectorCount);
    this.#worn = new Uint8Array(sectorCount);
    this.#chance = options.chance;
  }

  /**
   * Cuts the power inside the `operation`-th program or erase from now, 1 or more. Undefined means never. Also switches
   * the power on again.
   */
  cutAt(operation: number | undefined): void {
    if (operation !== undefined && operation < 1) throw new Error("nor-flash: operations count from 1");
    this.#left = operation;
  }

  /** From now on, every program and every erase of the sector fails. */
  wear(sector: number): void {
    this.#worn[sector] = 1;
  }

  read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    this.#powered();
    this.#within(address, lengthBytes);
    if (offset < 0 || offset + lengthBytes > into.length) throw new Error("nor-flash: read past the buffer");
    this.counters.reads++;
    this.counters.readBytes += lengthBytes;
    if (lengthBytes > FEW_BYTES) into.set(this.#bytes.subarray(address, address + lengthBytes), offset);
    else for (let i = 0; i < lengthBytes; i++) into[offset + i] = this.#bytes[address + i]!;
    this.#disturb(address, into, offset, lengthBytes);
  }

  program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    this.#powered();
    this.#within(address, lengthBytes);
    const unit = this.programSizeBytes;
    if (address % unit !== 0 || lengthBytes % unit !== 0) throw new Error("nor-flash: unaligned program");
    if (offset < 0 || offset + lengthBytes > bytes.length) throw new Error("nor-flash: program from past the buffer");
    this.counters.programs++;
    this.counters.programmedBytes += lengthBytes;
    for (let at = address; at < address + lengthBytes; at += unit) {
      if (this.#programmed[at / unit] === 1) this.#sameAgain(at, bytes, offset + at - address);
    }
    for (let i = 0; i < lengthBytes; i++) {
      if ((bytes[offset + i]! & ~this.#bytes[address + i]! & 0xff) !== 0) {
        throw new Error(`nor-flash: program would set a bit at ${address + i}`);
      }
    }
    const sector = Math.floor(address / this.sectorSizeBytes);
    if (this.#worn[sector] === 1) return false;
    const cut = this.#counts();
    const took = cut ? this.#draw(lengthBytes + 1) : lengthBytes;
    this.#bytes.set(bytes.subarray(offset, offset + took), address);
    let touched = took;
    if (cut && took < lengthBytes) {
      const before = this.#bytes[address + took]!;
      const after = before & (bytes[offset + took]! | this.#draw(256));
      this.#bytes[address + took] = after;
      if (after !== before) touched++;
      const torn = took - (took % unit);
      this.#intended.set((address + torn) / unit, bytes.slice(offset + torn, offset + torn + unit));
    }
    for (let at = address; at < address + touched; at += unit) this.#programmed[at / unit] = 1;
    if (cut) throw new PowerCut();
    return true;
  }

  eraseSector(sector: number): boolean {
    this.#powered();
    if (sector < 0 || sector >= this.erasesOf.length) throw new Error("nor-flash: no such sector");
    this.counters.erases++;
    this.erasesOf[sector] = this.erasesOf[sector]! + 1;
    if (this.#worn[sector] === 1) return false;
    const start = sector * this.sectorSizeBytes;
    const end = start + this.sectorSizeBytes;
    if (this.#counts()) {
      this.#eraseHalf(sector, start, end);
      throw new PowerCut();
    }
    this.#bytes.fill(0xff, start, end);
    this.#programmed.fill(0, start / this.programSizeBytes, end / this.programSizeBytes);
    this.#forgetIntended(start, end);
    this.#unstable[sector] = 0;
    return true;
  }

  sync(): void {
    this.#powered();
    this.counters.syncs++;
  }

  /** A copy of the content of the flash, for `restore`. Counts and wear are not part of it. */
  snapshot(): FlashImage {
    return {
      bytes: this.#bytes.slice(),
      programmed: this.#programmed.slice(),
      unstable: this.#unstable.slice(),
      intended: new Map(this.#intended),
    };
  }

  restore(image: FlashImage): void {
    this.#bytes.set(image.bytes);
    this.#programmed.set(image.programmed);
    this.#unstable.set(image.unstable);
    this.#intended.clear();
    for (const [unit, bytes] of image.intended) this.#intended.set(unit, bytes);
  }

  /** Changes bytes against all rules, as wear, radiation or another writer of a file would. */
  overwrite(address: number, bytes: Uint8Array): void {
    this.#within(address, bytes.length);
    this.#bytes.set(bytes, address);
    const unit = this.programSizeBytes;
    for (let start = address - (address % unit); start < address + bytes.length; start += unit) {
      this.#programmed[start / unit] = this.#bytes.subarray(start, start + unit).some((byte) => byte !== 0xff) ? 1 : 0;
    }
  }

  /** Throws unless the unit at `address` was programmed, or was to be programmed, with the same bytes. */
  #sameAgain(address: number, bytes: Uint8Array, offset: number): void {
    const unit = this.programSizeBytes;
    const intended = this.#intended.get(address / unit);
    for (let i = 0; i < unit; i++) {
      const before = intended === undefined ? this.#bytes[address + i] : intended[i];
      if (before !== bytes[offset + i]) throw new Error(`nor-flash: unit at ${address} programmed twice`);
    }
  }

  #forgetIntended(start: number, end: number): void {
    for (const unit of this.#intended.keys()) {
      if (unit * this.programSizeBytes >= start && unit * this.programSizeBytes < end) this.#intended.delete(unit);
    }
  }

  /**
   * Leaves some pieces erased, some as they were, and some in between. All units count as programmed, so that a store
   * that uses the sector without an erase is caught.
   */
  #eraseHalf(sector: number, start: number, end: number): void {
    this.#programmed.fill(1, start / this.programSizeBytes, end / this.programSizeBytes);
    this.#forgetIntended(start, end);
    this.#unstable[sector] = 1;
    for (let piece = start; piece < end; piece += ERASE_PIECE_BYTES) {
      const fate = this.#draw(3);
      const pieceEnd = Math.min(piece + ERASE_PIECE_BYTES, end);
      if (fate === 0) this.#bytes.fill(0xff, piece, pieceEnd);
      else if (fate === 1)
        for (let at = piece; at < pieceEnd; at++) this.#bytes[at] = this.#bytes[at]! | this.#draw(256);
    }
  }

  /** One byte in 16 of an unstable sector reads with random bits set. */
  #disturb(address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    const last = Math.floor((address + lengthBytes - 1) / this.sectorSizeBytes);
    for (let sector = Math.floor(address / this.sectorSizeBytes); sector <= last; sector++) {
      if (this.#unstable[sector] === 0) continue;
      const start = Math.max(address, sector * this.sectorSizeBytes);
      const end = Math.min(address + lengthBytes, (sector + 1) * this.sectorSizeBytes);
      for (let at = start; at < end; at++) {
        if (this.#draw(16) === 0) into[offset + at - address] = this.#bytes[at]! | this.#draw(256);
      }
    }
  }

  #draw(n: number): number {
    return this.#chance === undefined ? n >> 1 : this.#chance.below(n);
  }

  /** Counts an operation. True when the power fails in this one. */
  #counts(): boolean {
    if (this.#left === undefined) return false;
    this.#left--;
    return this.#left === 0;
  }

  #powered(): void {
    if (this.#left === 0) throw new PowerCut();
  }

  #within(address: number, lengthBytes: number): void {
    if (address < 0 || lengthBytes < 0 || address + lengthBytes > this.sizeBytes) {
      throw new Error(`nor-flash: ${lengthBytes} bytes at ${address} are out of range`);
    }
  }
}
