/**
 * The flash port: NOR memory as the store needs it (docs/store.md).
 *
 * The store must run on a board's flash chip, on a file and in the simulator, and survive power cuts on each of them.
 * So this port says exactly what a partition does, and when its contents are durable.
 *
 * - An erase sets a whole sector to ones. A program only clears bits.
 * - The address and the length of a program are multiples of `programSizeBytes`, a power of two: 4 on an ESP32, 16 with
 *   flash encryption.
 * - A read may start anywhere and have any length. It gives 0xff for every byte that was erased and not programmed
 *   since. A driver that decrypts must ensure this itself.
 * - `sync` returns when everything that was programmed and erased before it would survive a power cut. It does nothing
 *   where `program` and `eraseSector` already wait for the chip.
 *
 * The caller owns every buffer, and the port keeps none. `program` and `eraseSector` return false when the chip reports
 * a failure. The sector is then worn: its contents may be read but not trusted. Addresses are bytes from the start of
 * the partition. An address or a length that is out of range, or not aligned where it must be, is a bug of the caller,
 * and the port may throw.
 */

/** A partition of NOR flash that one store uses from its first byte to its last. */
export interface Flash {
  /** A whole number of sectors. `mount` says "geometry" when there are too few for the store's capacity. */
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
  /** Return when everything that was programmed and erased survives a power cut. */
  sync(): void;
}
