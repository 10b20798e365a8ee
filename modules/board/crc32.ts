/**
 * modules/store/crc32.ts on a board: the table in its ROM instead of a loop in XS. The manifest replaces the one by the
 * other.
 */
declare function native(name: string): { call(self: unknown, ...parameters: unknown[]): never };

/**
 * The CRC of `bytes[offset .. offset + lengthBytes)` as a signed 32-bit integer. This function is nothing but the
 * native call, so XS binds it when the module is compiled.
 */
export function crc32(this: unknown, bytes: Uint8Array, offset: number, lengthBytes: number): number {
  return native("xs_crc32").call(this, bytes, offset, lengthBytes);
}
