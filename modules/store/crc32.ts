/**
 * CRC-32 (IEEE 802.3: polynomial 0x04c11db7, reflected, initial value and final XOR all ones; "123456789" gives 0xcbf43926).
 *
 * What commits a sector header or a record to the store's flash (docs/store.md, "Bytes"). 32 bits, not Glacier's 16: a store
 * is cut in the middle of a write thousands of times in its life, and one torn record in 65,536 taken for whole would lose
 * a Drop. It finds torn writes and worn cells, not forgery: nothing that a peer sends is ever read as a record. A table of
 * 256 words, because mount checks every record of the log and a bit at a time would take a board seconds.
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

/** CRC of `bytes[0 .. lengthBytes)` as a signed 32-bit integer. */
export function crc32(bytes: Uint8Array, lengthBytes: number): number {
  let crc = -1;
  for (let i = 0; i < lengthBytes; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[i]!) & 0xff]!;
  return ~crc;
}
