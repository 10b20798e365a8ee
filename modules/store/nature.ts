/**
 * What is a partition on which mount finds no log? Blank, a damaged store, or somebody else's bytes (docs/store.md,
 * "Order of writes").
 *
 * A person may name the wrong file, and a new chip may hold anything. Mount formats only what is blank, so it must know
 * for certain. It reads the first bytes of each sector, and all bytes only if nothing else than a blank partition is
 * left. A power cut while a blank partition was formatted leaves a part of one log header. Such a partition counts as
 * blank, since no Drop was ever stored on it.
 */
import { crc32 } from "./crc32.ts";
import {
  BEFORE_AT,
  encodeLogHeader,
  encodeSectorHeader,
  LOG_HEADER_BYTES,
  LOG_SECTOR,
  NO_RECORD,
  refuseSector,
} from "./layout.ts";
import type { RecordLog } from "./record-log.ts";

/** "ours": a sector carries a header of a store. "foreign": none does, and not all bits are ones. */
export type Nature = "blank" | "ours" | "foreign";

/** The nature of a partition without a whole log header. */
export function natureOf(log: RecordLog): Nature {
  const { flash, layout, piece } = log.sectors;
  // The header of a new store's first sector.
  encodeSectorHeader(log.record, LOG_SECTOR, 1, 2);
  log.record[BEFORE_AT] = NO_RECORD;
  encodeLogHeader(log.record, 1, 0, layout);
  // Looking at each byte of 1.75 MB would take a board seconds. A board computes the CRC natively.
  piece.fill(0xff);
  const ones = crc32(piece, 0, piece.length);
  let foreign = false;
  for (let sector = 0; sector < layout.sectorCount; sector++) {
    flash.read(sector * layout.sectorSizeBytes, piece, 0, LOG_HEADER_BYTES);
    const refusal = refuseSector(piece);
    const other = refusal !== undefined && refusal !== "version";
    if (refusal === "blank" || (foreign && other) || untouched(log, sector, ones)) continue;
    if (!other) return "ours";
    foreign = true;
  }
  for (let sector = 0; !foreign && sector < layout.sectorCount; sector++) foreign = !untouched(log, sector, ones);
  return foreign ? "foreign" : "blank";
}

/**
 * Whether all bytes of the sector are blank, but for a part of the header in `log.record`. `ones` is the CRC of a piece
 * of blank bytes.
 */
function untouched(log: RecordLog, sector: number, ones: number): boolean {
  const { flash, layout, piece } = log.sectors;
  const header = log.record;
  for (let at = 0; at < layout.sectorSizeBytes; at += piece.length) {
    flash.read(sector * layout.sectorSizeBytes + at, piece, 0, piece.length);
    for (let i = 0; at === 0 && i < LOG_HEADER_BYTES; i++) {
      if ((piece[i]! & header[i]!) !== header[i]) return false;
      piece[i] = 0xff;
    }
    if (crc32(piece, 0, piece.length) !== ones) return false;
  }
  return true;
}
