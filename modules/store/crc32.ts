/**
 * CRC-32 (IEEE 802.3: polynomial 0x04c11db7, reflected, initial value and final XOR all ones; "123456789" gives
 * 0xcbf43926).
 *
 * A power cut may tear a write to flash, and noise may damage a message on a dongle's line. The reader must find out.
 * So this CRC commits a sector header or a record to the store's flash (docs/store.md, "Bytes"), and ends a message on
 * a dongle's line (docs/dongle.md, "Framing").
 *
 * It has 32 bits, not 16 as Glacier's CRC, for two reasons. A store is cut in the middle of a write thousands of times
 * in its life, and a line as often in the middle of a message. With 16 bits, one torn write in 65,536 would be taken
 * for a whole one. And a frame from the air ends in that very CRC-16, so a second CRC-16 would overlook the same damage
 * as the first.
 *
 * It finds torn writes, worn cells and noise. It does not find forgery. The table has 256 words, because mount checks
 * every record of the log. A board has such a table in its ROM, and maps this module to it (modules/board/crc32.ts).
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
