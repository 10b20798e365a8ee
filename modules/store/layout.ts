/**
 * The layout: where everything lies in the partition, and its bytes (docs/store.md, "Shape" and "Bytes"; format version
 * 3). All integers are little-endian.
 *
 * Drops have any size, power may fail at any byte, sectors die, and flash is erased by whole sectors. Mount must find
 * every Drop again without reading all of the flash, and the death of one sector must cost no more than the Drops in
 * it.
 *
 * So there are two kinds of sectors. Sectors of bodies hold whole Drops one after another, and nothing else. Sectors of
 * the log begin with a header, and hold records of 32 bytes. The log is filled two sectors at a time, a pair, and its
 * records go into them by turns. A record that says where a Drop is, or that one died, is followed by a record in the
 * other sector that repeats the essence of it. So each fact is in two sectors.
 *
 * Invariant: the sizes below follow from the flash and the capacity alone. `refuseSector` and `refuseRecord` refuse
 * everything that this version did not write whole.
 *
 * | header | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 2 | magic | "TS" |
 * | 2 | 1 | version | 3 |
 * | 3 | 1 | kind | 1: log |
 * | 4 | 4 | erases | how often this sector was erased |
 * | 8 | 4 | sequence | twice the number of the pair, counted from 1, plus the side: 0 or 1 |
 * | 12 | 4 | crc32 | of bytes 0 .. 11 |
 * | 16 | 4 | tail | the oldest pair that still counts |
 * | 20 | 4 | time | signed heat time when the pair was opened |
 * | 24 | 2 | sectors | number of sectors of the partition |
 * | 26 | 1 | shape | log2 of the sector size; log2 of the unit in the high four bits |
 * | 27 | 1 | before | number of the last bearing record of the pair before |
 * | 28 | 4 | crc32 | of bytes 0 .. 27 |
 *
 * A bearing record bears the essence of the bearing record before it, which is in the other sector.
 *
 * | record | Drop (1) | close (2) | heat (3) | tail (4) | retired (5) | verified (6) |
 * |---|---|---|---|---|---|---|
 * | 0 | kind and flags | kind, cause in bits 3 to 5 | kind, entries in bits 3 to 5 | kind | kind | kind |
 * | 1 | place, 4 bytes | before | time, 4 bytes | 0 | entries | entries |
 * | 2 | | pairs back to the victim's record | | 0 | sectors, 2 bytes each | references, 2 bytes each |
 * | 3 | | number of that record; 0xff: none | | 0 | | |
 * | 4 | | time, 4 bytes | from 5 on entries of 6 bytes: | tail, 4 bytes | | |
 * | 5 | sector | | pairs back (1), | | | |
 * | 7 | ShortId, 8 bytes | | number (1), | | | |
 * | 8 | | verified: 6 references | heat key (4) | | | |
 * | 15 | heat key, 4 bytes | | | | | |
 * | 19 | since, 2 bytes | | | | | |
 * | 21 | essence, 7 bytes | essence, 7 bytes | | | | |
 * | 28 | crc32 of bytes 0 .. 27, XOR the sector's sequence, XOR the record's number << 24 | same | | | | |
 *
 * The essence of a record is its first 7 bytes. The place is: length - 1 (11 bits), offset / 4 (11 bits), life (5 bits:
 * the low bits of the erases of the sector), before (5 bits: so many records before this one is the record whose
 * essence is here; 0: that record is in the pair before).
 */
import { crc32 } from "./crc32.ts";
import type { Flash } from "./flash.ts";

export const FORMAT_VERSION = 3;
const FORMAT_VERSION_OLDEST = 3;
export const SECTOR_HEADER_BYTES = 16;
export const LOG_HEADER_BYTES = 32;
/** Where a log header has the number of the last bearing record of the pair before. */
export const BEFORE_AT = 27;
export const LOG_SECTOR = 1;
/** Format 1 and 2 only. */
export const BODY_SECTOR = 2;
/** A sector of the log during an upgrade: the log of format 2 still counts, too. */
export const UPGRADE_SECTOR = 3;

export const DROP_RECORD = 1;
export const CLOSE_RECORD = 2;
export const HEAT_RECORD = 3;
export const TAIL_RECORD = 4;
export const RETIRED_RECORD = 5;
export const VERIFIED_RECORD = 6;
/**
 * A Drop whose first bytes are in its record, as in format 2. A record of kind 0 has those for which there is no room.
 */
export const OLD_RECORD = 7;
export const OLD_HEAD_RECORD = 0;
export const OLD_HEAD_AT = 19;
export const OLD_HEAD_BYTES = 8;
/** Where the record says which entry of the record before the group has the rest of the first bytes. */
export const OLD_ENTRY_AT = 27;
/** Where a tail record has the oldest sequence of format 2 that still counts. */
export const OLD_TAIL_AT = 8;
/** A tail record: the oldest pair that counts. */
export const TAIL_AT = 4;
export const KIND_MASK = 7;
export const VERIFIED_FLAG = 8;
/** The owner's mark, three bits: the owner of the store wrote the Drop; to how many others it was handed on. */
export const MARK_SHIFT = 4;
export const MARK_MASK = 7;
export const ESCAPED_FLAG = 128;

export const LOG_RECORD_BYTES = 32;
export const ID_AT = 7;
export const HEAT_AT = 15;
export const SINCE_AT = 19;
export const ESSENCE_AT = 21;
/** The five high bits of `since` are in five bits that the essence does not need. */
export const SINCE_HIGH_AT = ESSENCE_AT + 4;
export const ESSENCE_BYTES = 7;
export const CRC_AT = 28;
export const NOWHERE = 0xffff;
/** The sector of a body whose own sector is gone. No partition has so many sectors. Mount alone uses this. */
export const LOST = 0xfffe;
export const NO_RECORD = 0xff;
export const CLOSE_VERIFIED_AT = 8;
export const CLOSE_VERIFIED = 6;
export const HEAT_ENTRIES_AT = 5;
export const HEAT_ENTRY_BYTES = 6;
export const HEAT_ENTRIES = 3;
export const LIST_ENTRIES_AT = 2;
export const LIST_ENTRIES = 13;

/**
 * Shorter bodies take as much room. So a sector holds at most 64 bodies for each 4,096 bytes, and a byte can count
 * them.
 */
const BODY_BYTES_MIN = 64;
/** A sector of this size holds two of the largest Drops. All bounds of the store depend on that. */
const SECTOR_SIZE_BYTES_MIN = 4096;
const SECTOR_SIZE_BYTES_MAX = 8192;
const UNIT_BYTES_MIN = 4;
const UNIT_BYTES_MAX = 32;
/** Records in one sector of the log. A record's number in its pair is a byte. */
const RECORDS_PER_SECTOR_MAX = 127;
/**
 * Records that the log has room for, for each Drop of the capacity. With more room, fewer records are copied. With less
 * room, fewer bodies are copied.
 */
const LOG_ROOM = 2;
const LOG_PAIRS_MIN = 2;
/** Pairs that the log may take beyond its usual size. It takes them only after power cuts during its cleaning. */
const LOG_PAIRS_SPARE = 1;
/**
 * Sectors of bodies that are being filled at once. The next body goes into the sector where it leaves the least room.
 */
const OPEN_SECTORS_MAX = 4;

export type SectorRefusal = "blank" | "magic" | "version" | "kind" | "crc";
export type RecordRefusal = "blank" | "crc";

export class Layout {
  readonly sectorSizeBytes: number;
  readonly sectorCount: number;
  /** The smallest size that can be programmed, in bytes. */
  readonly unitBytes: number;
  /** Records in a pair of sectors. */
  readonly recordsPerPair: number;
  /** Pairs of the log at its usual size. */
  readonly logPairs: number;
  /** Pairs of the log at most, after power cuts during its cleaning. */
  readonly logPairsMax: number;
  readonly openSectorsMax: number;
  /** First bytes of a Drop that format 2 has in its record. */
  readonly oldHeadBytes: number;
  /** So many such Drops share a record for the first bytes for which their own records have no room. */
  readonly oldGroup: number;
  /** Whether the partition can hold `capacity` Drops of any size. */
  readonly fits: boolean;

  constructor(flash: Flash, capacity: number) {
    const { sizeBytes, sectorSizeBytes, programSizeBytes } = flash;
    const unit = Math.max(programSizeBytes, UNIT_BYTES_MIN);
    this.sectorSizeBytes = sectorSizeBytes;
    this.oldHeadBytes = Math.max(8, unit);
    this.oldGroup = Math.max(
      1,
      Math.min(3, Math.floor((CRC_AT - 1) / Math.max(1, this.oldHeadBytes - OLD_HEAD_BYTES))),
    );
    this.sectorCount = Math.floor(sizeBytes / sectorSizeBytes);
    this.unitBytes = unit;
    const perSector = Math.floor((sectorSizeBytes - LOG_HEADER_BYTES) / LOG_RECORD_BYTES);
    this.recordsPerPair = 2 * Math.min(RECORDS_PER_SECTOR_MAX, perSector);
    this.logPairs = Math.max(LOG_PAIRS_MIN, Math.ceil((capacity * LOG_ROOM) / this.recordsPerPair));
    this.logPairsMax = this.logPairs + LOG_PAIRS_SPARE;
    // A sector held at least two Drops when it became full. With so many full sectors, one of them holds at most one
    // Drop now. So cleaning finds a sector that it can empty, even with a single free sector.
    const fullSectorsMin = Math.floor(capacity / 2) + 1;
    this.openSectorsMax = Math.min(OPEN_SECTORS_MAX, this.sectorCount - 2 * this.logPairsMax - 1 - fullSectorsMin);
    this.fits =
      this.openSectorsMax >= 1 &&
      sizeBytes === this.sectorCount * sectorSizeBytes &&
      this.sectorCount < LOST &&
      sectorSizeBytes >= SECTOR_SIZE_BYTES_MIN &&
      sectorSizeBytes <= SECTOR_SIZE_BYTES_MAX &&
      powerOfTwo(sectorSizeBytes) &&
      powerOfTwo(unit) &&
      unit <= UNIT_BYTES_MAX;
  }

  /**
   * How many Drops of any size find room in so many usable sectors. Each retired sector takes the room of two Drops,
   * once the result is below the capacity.
   */
  roomIn(sectorsUsable: number): number {
    return 2 * (sectorsUsable - 2 * this.logPairsMax - this.openSectorsMax - 2) + 1;
  }

  /** Bytes that a Drop of this length takes in its sector. */
  bodyRoom(lengthBytes: number): number {
    return Math.max(roundUp(lengthBytes, this.unitBytes), BODY_BYTES_MIN);
  }

  /** Address of the record with this number in its pair, in this sector of the pair. */
  recordAddress(sector: number, number: number): number {
    return sector * this.sectorSizeBytes + LOG_HEADER_BYTES + (number >>> 1) * LOG_RECORD_BYTES;
  }
}

export { BODY_BYTES_MIN };

/** Fill `into[0 .. 16)`. */
export function encodeSectorHeader(into: Uint8Array, kind: number, erases: number, sequence: number): void {
  into[0] = 0x54;
  into[1] = 0x53;
  into[2] = FORMAT_VERSION;
  into[3] = kind;
  putWord(into, 4, erases);
  putWord(into, 8, sequence);
  putWord(into, 12, crc32(into, 0, 12));
}

/** Fill `into[16 .. 32)`, after `encodeSectorHeader` and after the caller has put `before` into its byte. */
export function encodeLogHeader(into: Uint8Array, tail: number, time: number, layout: Layout): void {
  putWord(into, 16, tail);
  putWord(into, 20, time);
  putHalf(into, 24, layout.sectorCount);
  into[26] = bitsOf(layout.sectorSizeBytes) | (bitsOf(layout.unitBytes) << 4);
  putWord(into, 28, crc32(into, 0, 28));
}

/**
 * Why the 16 bytes are not a sector header of a known version; undefined when they are one. The CRC stands at the same
 * place in every version, so a newer header can be told from noise.
 */
export function refuseSector(bytes: Uint8Array): SectorRefusal | undefined {
  if (blank(bytes, 0, SECTOR_HEADER_BYTES)) return "blank";
  if (bytes[0] !== 0x54 || bytes[1] !== 0x53) return "magic";
  if (word(bytes, 12) !== crc32(bytes, 0, 12)) return "crc";
  if (bytes[2]! < FORMAT_VERSION_OLDEST || bytes[2]! > FORMAT_VERSION) return "version";
  if (bytes[3] !== LOG_SECTOR && bytes[3] !== UPGRADE_SECTOR) return "kind";
  return undefined;
}

/** Whether the 32 bytes of a log header are whole. `refuseSector` must have accepted the first 16. */
export function logHeaderWhole(bytes: Uint8Array): boolean {
  return word(bytes, 28) === crc32(bytes, 0, 28);
}

export function sameGeometry(bytes: Uint8Array, layout: Layout): boolean {
  return (
    half(bytes, 24) === layout.sectorCount &&
    bytes[26] === (bitsOf(layout.sectorSizeBytes) | (bitsOf(layout.unitBytes) << 4))
  );
}

/**
 * The CRC of the record in `bytes`. It contains the record's place, so that an old record in a reused sector is not
 * taken for a record of the sector's new life.
 */
export function recordCrc(bytes: Uint8Array, pair: number, number: number): number {
  return crc32(bytes, 0, CRC_AT) ^ pair ^ (number << 24);
}

/** Why the record must not be used; undefined when it is a whole record of a known kind. */
export function refuseRecord(bytes: Uint8Array, pair: number, number: number): RecordRefusal | undefined {
  if (blank(bytes, 0, LOG_RECORD_BYTES)) return "blank";
  if (word(bytes, CRC_AT) !== recordCrc(bytes, pair, number)) return "crc";
  return undefined;
}

/**
 * Whether a reader of any version may take these bytes for a header. A Drop must not lie so at the start of a sector:
 * its first byte is inverted there ("escaped").
 */
export function looksLikeHeader(bytes: Uint8Array, offset: number): boolean {
  return bytes[offset] === 0x54 && bytes[offset + 1] === 0x53;
}

/** Whether all these bytes are 0xff, as an erase leaves them. */
export function blank(bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
  for (let i = offset; i < offset + lengthBytes; i++) if (bytes[i] !== 0xff) return false;
  return true;
}

/** Read a signed 32-bit integer. `>>> 0` makes it unsigned. */
export function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

export function putWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff;
  bytes[at + 1] = (value >>> 8) & 0xff;
  bytes[at + 2] = (value >>> 16) & 0xff;
  bytes[at + 3] = value >>> 24;
}

export function half(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

export function putHalf(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff;
  bytes[at + 1] = (value >>> 8) & 0xff;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

function powerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}

function bitsOf(powerOfTwoBytes: number): number {
  return 31 - Math.clz32(powerOfTwoBytes);
}
