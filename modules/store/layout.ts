/**
 * The layout: where everything lies in the partition, and its bytes (docs/store.md, "Shape" and "Bytes"; format version
 * 2). All integers are little-endian.
 *
 * Drops have any size, power may fail at any byte, and flash is erased by whole sectors. Mount must find every Drop
 * again without reading all of the flash.
 *
 * So every sector in use begins with a header, and there are two kinds of sectors. A sector of the log holds records of
 * fixed size. A record says everything that is known of one Drop, except the bytes of the Drop from `headBytes` on.
 * These bytes are the body, and lie in one piece in a sector of bodies. The first `headBytes` bytes of the Drop are in
 * the record, for two reasons. Two Drops of 2,048 bytes and the sector's header fit into 4,096 bytes. And the bytes
 * that a stranger sends never lie where a header or a record is read.
 *
 * Invariant: the sizes below follow from the flash and the capacity alone. `refuseSector` and `refuseRecord` refuse
 * everything that this version, or an older one, did not write whole.
 *
 * | sector header | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 2 | magic | "TS" |
 * | 2 | 1 | version | 2; 1 is read too |
 * | 3 | 1 | kind | 1 log, 2 bodies |
 * | 4 | 4 | erases | how often this sector was erased |
 * | 8 | 4 | sequence | log: its place, counted from 1; bodies: sequence of the newest log sector at that time |
 * | 12 | 4 | crc32 | of bytes 0 .. 11 |
 * | 16 | 4 | tail | log only, as all fields below: the oldest sequence that still counts |
 * | 20 | 4 | time | signed heat time when the sector was opened |
 * | 24 | 2 | sectors | number of sectors of the partition |
 * | 26 | 1 | sector_bits | log2 of the sector size |
 * | 27 | 1 | unit | the smallest size that can be programmed, in bytes |
 * | 28 | 4 | crc32 | of bytes 0 .. 27 |
 *
 * | record | size | field | meaning |
 * |---|---|---|---|
 * | 0 | 1 | kind | 1 Drop, 2 verified Drop, 3 heat, 4 tail, 5 retired sectors |
 * | 1 | 1 | life | low byte of `erases` of the body's sector; heat, retired sectors: number of entries |
 * | 2 | 2 | length | of the Drop |
 * | 4 | 8 | short_id | |
 * | 12 | 4 | heat | key, signed |
 * | 16 | 2 | sector | of the body; 0xffff: none, since all of the Drop is in its head |
 * | 18 | 2 | offset | of the body in its sector |
 * | 20 | headBytes | head | first bytes of the Drop |
 * | headBytes + 20 | 4 | crc32 | of all bytes before, XOR the sector's sequence, XOR record number << 24 |
 *
 * The last two program units of a record are its marks: VERIFIED, then DEAD. Each is programmed once (marks.ts).
 */
import { crc32 } from "./crc32.ts";
import type { Flash } from "./flash.ts";

export const FORMAT_VERSION = 2;
/**
 * Version 1 differs in the contents of the marks, and has no list of retired sectors. A reader of version 2 reads it.
 */
const FORMAT_VERSION_OLDEST = 1;
export const SECTOR_HEADER_BYTES = 16;
export const LOG_HEADER_BYTES = 32;
export const LOG_SECTOR = 1;
export const BODY_SECTOR = 2;

export const DROP_RECORD = 1;
export const VERIFIED_DROP_RECORD = 2;
export const HEAT_RECORD = 3;
export const TAIL_RECORD = 4;
export const RETIRED_RECORD = 5;

export const HEAD_AT = 20;
export const NOWHERE = 0xffff;
/** The sector of a body whose own sector is gone. No partition has so many sectors. Mount alone uses this. */
export const LOST = 0xfffe;
/** A heat record: kind, count, time (4), then entries of: log sectors back (1), record number (1), heat key (4). */
export const HEAT_ENTRIES_AT = 6;
export const HEAT_ENTRY_BYTES = 6;
/** A record of retired sectors: kind, count, then the numbers of sectors, 2 bytes each. */
export const RETIRED_ENTRIES_AT = 2;
export const RETIRED_ENTRY_BYTES = 2;

/**
 * Shorter bodies take as much room. So a sector holds at most 64 bodies for each 4,096 bytes, and a byte can count
 * them.
 */
export const BODY_BYTES_MIN = 64;
/** A sector of this size holds two of the largest Drops. All bounds of the store depend on that. */
const SECTOR_SIZE_BYTES_MIN = 4096;
const SECTOR_SIZE_BYTES_MAX = 8192;
const UNIT_BYTES_MIN = 4;
const UNIT_BYTES_MAX = 32;
/**
 * Records that the log has room for, for each Drop of the capacity. With more room, fewer records are copied. With less
 * room, fewer bodies are copied.
 */
const LOG_ROOM = 1.6;
const LOG_SECTORS_MIN = 3;
/** Sectors that the log may take beyond its usual size. It takes them only after power cuts during its cleaning. */
const LOG_SECTORS_SPARE = 3;
/**
 * Sectors of bodies that are being filled at once. The next body goes into the sector where it leaves the least room.
 */
const OPEN_SECTORS_MAX = 4;

export type SectorRefusal = "blank" | "magic" | "version" | "kind" | "crc";
export type RecordRefusal = "blank" | "crc" | "kind";

export class Layout {
  readonly sectorSizeBytes: number;
  readonly sectorCount: number;
  /** The smallest size that can be programmed, in bytes. */
  readonly unitBytes: number;
  readonly headBytes: number;
  readonly recordBytes: number;
  /** Where the CRC stands in a record. The CRC covers all bytes before it. */
  readonly crcAt: number;
  readonly verifiedAt: number;
  readonly deadAt: number;
  readonly heatEntries: number;
  readonly retiredEntries: number;
  readonly logStart: number;
  readonly bodyStart: number;
  readonly recordsPerSector: number;
  /** Sectors of the log at its usual size. */
  readonly logSectors: number;
  /** Sectors of the log at most, after power cuts during its cleaning. */
  readonly logSectorsMax: number;
  readonly openSectorsMax: number;
  /** Whether the partition can hold `capacity` Drops of any size. */
  readonly fits: boolean;

  constructor(flash: Flash, capacity: number) {
    const { sizeBytes, sectorSizeBytes, programSizeBytes } = flash;
    const unit = Math.max(programSizeBytes, UNIT_BYTES_MIN);
    this.sectorSizeBytes = sectorSizeBytes;
    this.sectorCount = Math.floor(sizeBytes / sectorSizeBytes);
    this.unitBytes = unit;
    this.headBytes = Math.max(8, unit);
    this.crcAt = HEAD_AT + this.headBytes;
    this.verifiedAt = roundUp(this.crcAt + 4, unit);
    this.deadAt = this.verifiedAt + unit;
    this.recordBytes = this.deadAt + unit;
    this.heatEntries = Math.floor((this.crcAt - HEAT_ENTRIES_AT) / HEAT_ENTRY_BYTES);
    this.retiredEntries = Math.floor((this.crcAt - RETIRED_ENTRIES_AT) / RETIRED_ENTRY_BYTES);
    this.logStart = roundUp(LOG_HEADER_BYTES, unit);
    this.bodyStart = roundUp(SECTOR_HEADER_BYTES, unit);
    this.recordsPerSector = Math.floor((sectorSizeBytes - this.logStart) / this.recordBytes);
    this.logSectors = Math.max(LOG_SECTORS_MIN, Math.ceil((capacity * LOG_ROOM) / this.recordsPerSector));
    this.logSectorsMax = this.logSectors + LOG_SECTORS_SPARE;
    // A sector held at least two Drops when it became full. With so many full sectors, one of them holds at most one
    // Drop now. So cleaning finds a sector that it can empty, even with a single free sector.
    const fullSectorsMin = Math.floor(capacity / 2) + 1;
    this.openSectorsMax = Math.min(OPEN_SECTORS_MAX, this.sectorCount - this.logSectorsMax - 1 - fullSectorsMin);
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
    return 2 * (sectorsUsable - this.logSectorsMax - this.openSectorsMax - 2) + 1;
  }

  /** Bytes of a Drop that are programmed as its body; 0 when the record holds the whole Drop. */
  bodyBytes(lengthBytes: number): number {
    return lengthBytes <= this.headBytes ? 0 : roundUp(lengthBytes - this.headBytes, this.unitBytes);
  }

  /** Bytes that the body of a Drop of this length takes in its sector. */
  bodyRoom(lengthBytes: number): number {
    const bytes = this.bodyBytes(lengthBytes);
    return bytes === 0 ? 0 : Math.max(bytes, BODY_BYTES_MIN);
  }

  recordAddress(sector: number, number: number): number {
    return sector * this.sectorSizeBytes + this.logStart + number * this.recordBytes;
  }
}

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

/** Fill `into[16 .. 32)`, after `encodeSectorHeader`. */
export function encodeLogHeader(into: Uint8Array, tail: number, time: number, layout: Layout): void {
  putWord(into, 16, tail);
  putWord(into, 20, time);
  putHalf(into, 24, layout.sectorCount);
  into[26] = bitsOf(layout.sectorSizeBytes);
  into[27] = layout.unitBytes;
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
  if (bytes[3] !== LOG_SECTOR && bytes[3] !== BODY_SECTOR) return "kind";
  return undefined;
}

/** Whether the 32 bytes of a log header are whole. `refuseSector` must have accepted the first 16. */
export function logHeaderWhole(bytes: Uint8Array): boolean {
  return word(bytes, 28) === crc32(bytes, 0, 28);
}

export function sameGeometry(bytes: Uint8Array, layout: Layout): boolean {
  return (
    half(bytes, 24) === layout.sectorCount &&
    bytes[26] === bitsOf(layout.sectorSizeBytes) &&
    bytes[27] === layout.unitBytes
  );
}

/**
 * The CRC of the record in `bytes`, which stands at `crcAt`. It contains the record's place, so that an old record in a
 * reused sector is not taken for a record of the sector's new life.
 */
export function recordCrc(bytes: Uint8Array, crcAt: number, sequence: number, number: number): number {
  return crc32(bytes, 0, crcAt) ^ sequence ^ (number << 24);
}

/** Why the record must not be used; undefined when it is a whole record of a known kind. */
export function refuseRecord(
  bytes: Uint8Array,
  layout: Layout,
  sequence: number,
  number: number,
): RecordRefusal | undefined {
  if (blank(bytes, 0, layout.recordBytes)) return "blank";
  if (word(bytes, layout.crcAt) !== recordCrc(bytes, layout.crcAt, sequence, number)) return "crc";
  if (bytes[0]! < DROP_RECORD || bytes[0]! > RETIRED_RECORD) return "kind";
  return undefined;
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
