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
export interface Flash {
  readonly sizeBytes: number;
  readonly sectorSizeBytes: number;
  readonly programSizeBytes: number;
  read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void;
  program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean;
  eraseSector(sector: number): boolean;
  sync(): void;
}
