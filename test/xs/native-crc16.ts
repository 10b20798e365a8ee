/** Stands for a board's native CRC where bytecodes are counted: it costs none, and both ends agree on it. */
export function crc16(): number {
  return 0;
}
