/**
 * NOR flash that keeps the rules (design section 7) and loses power where it is told to.
 *
 * The rules of modules/store/flash.ts, and one that encrypted parts add: between erases no program unit is programmed
 * again with other bytes than those it was programmed with, or was to be when the power failed. Whoever breaks one gets an assertion, so that a simulation proves that a store never does.
 *
 * `cutAt(n)` cuts the power inside the n-th program or erase from now. Of a cut program some first bytes took, and of the next
 * byte some bits, or none of it at all; of a cut erase some sectors' pages are ones, some are as before, and some bytes are neither: those read
 * differently each time, until the sector is erased whole. A cut throws a PowerCut and leaves the part off: every
 * call throws again until `cutAt` is called for the next life. Where in the operation it fell is drawn from `chance`.
 *
 * Invariant: the same calls with the same draws leave the same bytes. `wear(sector)` makes a sector fail from then on. It
 * keeps counts of all that was asked of it. Refuses nothing else: what is torn reads as torn, and `sync` has nothing to do.
 */
import type { Flash } from "../modules/store/flash.ts";

const SIZE_BYTES_DEFAULT = 448 * 4096;
const SECTOR_SIZE_BYTES_DEFAULT = 4096;
const PROGRAM_SIZE_BYTES_DEFAULT = 4;
/** An erase that was cut leaves pieces of this size in different states. */
const ERASE_PIECE_BYTES = 64;

/** Thrown by the operation in which the power failed. Nothing that is not about to restart may catch it. */
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
  /** Decides how a cut operation ends. Without it half of it took. */
  chance?: Chance;
}

/** What the flash held at a moment, see `snapshot`. */
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
  /** Erases of each sector since the beginning. */
  readonly erasesOf: Uint32Array;
  readonly #bytes: Uint8Array;
  /** Units programmed since their erase. */
  readonly #programmed: Uint8Array;
  /** By unit, what a program that was cut there would have left. */
  readonly #intended = new Map<number, Uint8Array>();
  /** Sectors whose last erase was cut: some of their bytes read as chance has it. */
  readonly #unstable: Uint8Array;
  readonly #worn: Uint8Array;
  readonly #chance: Chance | undefined;
  /** Operations left until the cut, 0 when the power is off. */
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

  /** Cut the power inside the `operation`-th program or erase from now, 1 or more; undefined: never. Turns it on again. */
  cutAt(operation: number | undefined): void {
    if (operation !== undefined && operation < 1) throw new Error("nor-flash: operations count from 1");
    this.#left = operation;
  }

  /** From now on the sector can be neither programmed nor erased. */
  wear(sector: number): void {
    this.#worn[sector] = 1;
  }

  read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    this.#powered();
    this.#within(address, lengthBytes);
    if (offset < 0 || offset + lengthBytes > into.length) throw new Error("nor-flash: read past the buffer");
    this.counters.reads++;
    this.counters.readBytes += lengthBytes;
    into.set(this.#bytes.subarray(address, address + lengthBytes), offset);
    const last = Math.floor((address + lengthBytes - 1) / this.sectorSizeBytes);
    for (let sector = Math.floor(address / this.sectorSizeBytes); sector <= last; sector++) {
      if (this.#unstable[sector] === 1) this.#disturb(sector, address, into, offset, lengthBytes);
    }
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

  /** A copy of what the flash holds now, for `restore`. Counts and wear are not part of it. */
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

  /** Change bytes as wear, radiation or a file's writer would: no rule holds, and all of it may be programmed again. */
  overwrite(address: number, bytes: Uint8Array): void {
    this.#within(address, bytes.length);
    this.#bytes.set(bytes, address);
    const unit = this.programSizeBytes;
    for (let start = address - (address % unit); start < address + bytes.length; start += unit) {
      this.#programmed[start / unit] = this.#bytes.subarray(start, start + unit).some((byte) => byte !== 0xff) ? 1 : 0;
    }
  }

  /** Throw unless the unit at `address` was programmed, or was to be, with these very bytes. */
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

  /** Pieces erased, pieces as they were, pieces that are neither; units count as used, so that nobody builds on them. */
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

  /** One byte in 16 of an unstable sector reads with bits of it set at random. */
  #disturb(sector: number, address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    const start = Math.max(address, sector * this.sectorSizeBytes);
    const end = Math.min(address + lengthBytes, (sector + 1) * this.sectorSizeBytes);
    for (let at = start; at < end; at++) {
      if (this.#draw(16) === 0) into[offset + at - address] = this.#bytes[at]! | this.#draw(256);
    }
  }

  #draw(n: number): number {
    return this.#chance === undefined ? n >> 1 : this.#chance.below(n);
  }

  /** Count an operation; is it the one to cut? */
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
