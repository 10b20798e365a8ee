/**
 * The flash port: NOR memory as the store needs it (design section 7).
 *
 * Erasing sets a whole sector to ones; programming only clears bits. Programs start at, and have the length of, a
 * multiple of `programSizeBytes` (4 on an ESP32, 16 with flash encryption). The caller owns every buffer; nothing is
 * kept. `program` and `eraseSector` return false when the part reports failure: the sector is then worn, and what it
 * holds may be read but not trusted. Addresses are bytes from the start of the partition; an address or a length out
 * of range, or unaligned, is a bug of the caller and may throw.
 */
export interface Flash {
  readonly sizeBytes: number;
  readonly sectorSizeBytes: number;
  readonly programSizeBytes: number;
  read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void;
  program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean;
  eraseSector(sector: number): boolean;
}
