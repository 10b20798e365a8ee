/** modules/dongle/copy.ts on a board: its C library instead of a loop in XS. The manifest maps the one to the other. */
declare function native(name: string): { call(self: unknown, ...parameters: unknown[]): never };

/** Only the call: so it is bound when it is compiled. */
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
