/** modules/dongle/crc32.ts on a board: the table in its ROM instead of a loop in XS. The manifest maps the one to the other. */
declare function Native(destructor: string): new () => object;
declare function native(name: string): { call(rom: object, ...parameters: unknown[]): never };

class Rom extends Native("xs_crc32_destructor") {
  crc32(bytes: Uint8Array, offset: number, lengthBytes: number): number {
    return native("xs_crc32").call(this, bytes, offset, lengthBytes);
  }
}

const rom = /* @__PURE__ */ new Rom();

/** CRC of `bytes[offset .. offset + lengthBytes)` as a signed 32-bit integer. */
export function crc32(bytes: Uint8Array, offset: number, lengthBytes: number): number {
  return rom.crc32(bytes, offset, lengthBytes);
}
