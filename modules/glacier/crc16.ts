/**
 * CRC-16/ARC: polynomial 0x8005, reflected, initial value 0; "123456789" gives 0xBB3D (docs/protocol.md, "Frames").
 *
 * Frames arrive damaged. So this CRC is the trailer of every Glacier frame. It finds damage, not forgery. A board maps
 * this module to its native CRC, so no other module may compute one.
 */
const TABLE = /* @__PURE__ */ (() => {
  const table = new Uint16Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
    table[byte] = crc;
  }
  return table;
})();

/**
 * What a byte adds to the CRC when another byte follows it. Two bytes a step take two thirds of the bytecodes (slicing
 * by two).
 */
const TABLE_BEFORE = /* @__PURE__ */ TABLE.map((crc) => (crc >>> 8) ^ TABLE[crc & 0xff]!);

/** The CRC of the first `lengthBytes` bytes of `bytes`. */
export function crc16(bytes: Uint8Array, lengthBytes: number): number {
  let crc = 0;
  let i = 0;
  for (const pairs = lengthBytes - 1; i < pairs; i += 2) {
    crc ^= bytes[i]! | (bytes[i + 1]! << 8);
    crc = TABLE_BEFORE[crc & 0xff]! ^ TABLE[crc >>> 8]!;
  }
  return i < lengthBytes ? (crc >>> 8) ^ TABLE[(crc ^ bytes[i]!) & 0xff]! : crc;
}
