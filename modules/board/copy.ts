/**
 * modules/dongle/copy.ts on a board: the C library instead of a loop in XS. The manifest replaces the one by the other.
 */
declare function native(name: string): { call(self: unknown, ...parameters: unknown[]): never };

/** This function is nothing but the native call, so XS binds it when the module is compiled. */
// biome-ignore lint/complexity/useMaxParams: source, at, into, offset, length, as every copy of bytes
export function copy(
  this: unknown,
  from: Uint8Array,
  fromAt: number,
  to: Uint8Array,
  toAt: number,
  lengthBytes: number,
): void {
  native("xs_copy").call(this, from, fromAt, to, toAt, lengthBytes);
}
