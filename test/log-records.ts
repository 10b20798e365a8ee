/** A canary that changes a record of the log must give it the right CRC, or the store would not read it at all. */
import type { Flash } from "../modules/store/flash.ts";
import {
  CRC_AT,
  KIND_MASK,
  LOG_HEADER_BYTES,
  LOG_RECORD_BYTES,
  putWord,
  recordCrc,
  word,
} from "../modules/store/layout.ts";

/** The kind of the record that is programmed or read at this address; 0 when it is no record of the log. */
export function recordKind(flash: Flash, address: number, bytes: Uint8Array): number {
  const inSector = address % flash.sectorSizeBytes;
  if (bytes.length !== LOG_RECORD_BYTES || inSector < LOG_HEADER_BYTES || inSector % LOG_RECORD_BYTES !== 0) return 0;
  const header = headerOf(flash, address);
  if (header[0] !== 0x54 || header[1] !== 0x53) return 0;
  return word(bytes, CRC_AT) === crcOf(header, inSector, bytes) ? bytes[0]! & KIND_MASK : 0;
}

/** Gives the record, which was changed, the CRC for its place. */
export function reseal(flash: Flash, address: number, record: Uint8Array): void {
  putWord(record, CRC_AT, crcOf(headerOf(flash, address), address % flash.sectorSizeBytes, record));
}

function headerOf(flash: Flash, address: number): Uint8Array {
  const header = new Uint8Array(16);
  flash.read(address - (address % flash.sectorSizeBytes), header, 0, header.length);
  return header;
}

function crcOf(header: Uint8Array, inSector: number, record: Uint8Array): number {
  const number = 2 * (inSector / LOG_RECORD_BYTES - 1) + (header[8]! & 1);
  return recordCrc(record, word(header, 8) >>> 1, number);
}
