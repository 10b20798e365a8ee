/**
 * CRC-32 (IEEE 802.3) of every message on a dongle's line (docs/dongle.md, "Framing"); "123456789" gives 0xcbf43926.
 *
 * Not Glacier's CRC-16: on a line that is cut and disturbed thousands of times one damaged message in 65,536 would pass, and
 * since a frame from the air ends in that very CRC, damage that one of the two overlooks the other overlooks too. A board maps this
 * module to the CRC in its ROM (modules/serial/crc32.ts), so nothing else may compute one.
 */
const TABLE = /* @__PURE__ */ (() => {
  const table = new Int32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    table[byte] = crc;
  }
  return table;
})();

/** CRC of `bytes[offset .. offset + lengthBytes)` as a signed 32-bit integer. */
export function crc32(bytes: Uint8Array, offset: number, lengthBytes: number): number {
  let crc = -1;
  const end = offset + lengthBytes;
  for (let i = offset; i < end; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[i]!) & 0xff]!;
  return ~crc;
}
