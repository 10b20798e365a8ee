/**
 * A canary needs flash that does one thing wrong and everything else right. `Around` stands between a store and its
 * flash and passes every call on. A canary extends it and breaks one call.
 */
import type { Flash } from "../modules/store/flash.ts";

export class Around implements Flash {
  readonly sizeBytes: number;
  readonly sectorSizeBytes: number;
  readonly programSizeBytes: number;
  protected readonly flash: Flash;

  constructor(flash: Flash) {
    this.flash = flash;
    this.sizeBytes = flash.sizeBytes;
    this.sectorSizeBytes = flash.sectorSizeBytes;
    this.programSizeBytes = flash.programSizeBytes;
  }

  read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    this.flash.read(address, into, offset, lengthBytes);
  }

  program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    return this.flash.program(address, bytes, offset, lengthBytes);
  }

  eraseSector(sector: number): boolean {
    return this.flash.eraseSector(sector);
  }

  sync(): void {
    this.flash.sync();
  }
}

/** Flash in which no sector can be erased once `wornOut` is set. It also counts the programs since the last sync. */
export class WornOut extends Around {
  wornOut = false;
  unsynced = 0;

  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    this.unsynced++;
    return super.program(address, bytes, offset, lengthBytes);
  }

  override eraseSector(sector: number): boolean {
    return !this.wornOut && super.eraseSector(sector);
  }

  override sync(): void {
    this.unsynced = 0;
    super.sync();
  }
}
