/**
 * Replaces a board's native CRCs where bytecodes are counted. Native code costs no bytecodes, so these functions do no
 * work. Every CRC is 0, so the side that writes a CRC and the side that checks it agree. Nothing is damaged or torn in
 * such a run, so no check has to fail.
 */
export function crc16(): number {
  return 0;
}

export function crc32(): number {
  return 0;
}
