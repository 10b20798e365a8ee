/**
 * Stands for a board's native CRCs where bytecodes are counted: they cost none, and whoever made one and whoever checks it
 * agree. Nothing is damaged or torn there, so nobody has to notice.
 */
export function crc16(): number {
  return 0;
}

export function crc32(): number {
  return 0;
}
