/**
 * The app partition that does not run (modules/update/ports.ts). A board with 4 MB of flash has none.
 */
import type { Flash } from "../store/flash.ts";
import { DIGEST_BYTES } from "../update/message.ts";
import type { NextImage } from "../update/ports.ts";
import { imageLoader } from "./image-loader.ts";

export class NextImageOnBoard implements NextImage {
  readonly sizeBytes: number;
  readonly chip = imageLoader.chip();
  readonly trial = imageLoader.onTrial();
  readonly #flash: Flash;

  constructor(flash: Flash) {
    this.#flash = flash;
    this.sizeBytes = flash.sizeBytes;
  }

  write(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    const flash = this.#flash;
    const { sectorSizeBytes } = flash;
    const end = address + lengthBytes;
    for (let sector = Math.ceil(address / sectorSizeBytes); sector * sectorSizeBytes < end; sector++) {
      if (!flash.eraseSector(sector)) return false;
    }
    return flash.program(address, bytes, offset, lengthBytes);
  }

  holds(digest: Uint8Array): boolean {
    const found = new Uint8Array(DIGEST_BYTES);
    if (!imageLoader.digest(found)) return false;
    for (let i = 0; i < DIGEST_BYTES; i++) if (found[i] !== digest[i]) return false;
    return true;
  }

  choose(): boolean {
    return imageLoader.choose();
  }
}
