/**
 * The flash port: NOR memory as the store needs it (design section 7).
 *
 * Erasing sets a whole sector to ones; programming only clears bits. A program starts at, and has the length of, a
 * multiple of `programSizeBytes` (4 on an ESP32, 16 with flash encryption; a power of two). A read may start anywhere
 * and have any length, and gives 0xff for every byte that was erased and not programmed since: a driver that decrypts
 * must see to that itself. `sync` returns when all that was programmed and erased before it would outlive a power cut;
 * where `program` and `eraseSector` already wait for the part, it does nothing.
 *
 * The caller owns every buffer; nothing is kept. `program` and `eraseSector` return false when the part reports
 * failure: the sector is then worn, and what it holds may be read but not trusted. Addresses are bytes from the start of the
 * partition; an address or a length out of range, or unaligned where it must not be, is a bug of the caller and may throw.
 */

/** A partition of NOR flash that one store uses from its first byte to its last. */
export interface Flash {
  /** A whole number of sectors: `mount` says "geometry" when they are too few for the store's capacity. */
  readonly sizeBytes: number;
  /** 4,096 or 8,192. */
  readonly sectorSizeBytes: number;
  /** Address and length of a program are multiples of this size: a power of two, at most 32. */
  readonly programSizeBytes: number;
  /** Copy `lengthBytes` bytes from `address` on to `into[offset ..]`. */
  read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void;
  /** Clear the bits at `address` that are 0 in `bytes[offset .. offset + lengthBytes)`. False: the sector is worn. */
  program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean;
  /** Set all bits of the sector with this number. False: the sector is worn. */
  eraseSector(sector: number): boolean;
  /** Return when all that was programmed and erased outlives a power cut. */
  sync(): void;
}
