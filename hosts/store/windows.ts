/**
 * Where in a file a store may lie: a copy of a whole flash chip has a boot loader and programs before the store.
 *
 * A log header says how many sectors its store has, but not which of them it is. So the store begins at any sector from
 * which so many sectors cover the log. The first header is the likeliest beginning, since a new store
 * fills its sectors from the first. The caller mounts each window, and takes the one in which most Drops are right:
 * records name the sectors of bodies by number, so in other windows almost none is.
 *
 * Refuses to choose, and finds one store in a file.
 */
import { half, LOG_HEADER_BYTES, LOG_SECTOR, logHeaderWhole, refuseSector } from "../../modules/store/layout.ts";
import { SECTOR_SIZE_BYTES } from "./store-file.ts";

export interface Window {
  offsetBytes: number;
  sizeBytes: number;
}

/** The windows of the file that can be a store, the likeliest first. None when no log header is whole. */
export function windowsOf(file: Uint8Array): Window[] {
  let first: number | undefined;
  const logs: number[] = [];
  let sectors = 0;
  for (let at = 0; at + LOG_HEADER_BYTES <= file.length; at += SECTOR_SIZE_BYTES) {
    const header = file.subarray(at, at + LOG_HEADER_BYTES);
    if (refuseSector(header) !== undefined) continue;
    first ??= at / SECTOR_SIZE_BYTES;
    if (header[3] !== LOG_SECTOR || !logHeaderWhole(header)) continue;
    if (sectors === 0) sectors = half(header, 24);
    logs.push(at / SECTOR_SIZE_BYTES);
  }
  if (first === undefined || logs.length === 0) return [];
  const firstLog = logs[0]!;
  const lastLog = logs.findLast((sector) => sector < firstLog + sectors)!;
  const begins: number[] = [];
  for (let sector = first; sector >= Math.max(0, lastLog - sectors + 1); sector--) begins.push(sector);
  for (let sector = Math.max(first, lastLog - sectors) + 1; sector <= firstLog; sector++) begins.push(sector);
  return begins.map((sector) => ({ offsetBytes: sector * SECTOR_SIZE_BYTES, sizeBytes: sectors * SECTOR_SIZE_BYTES }));
}
