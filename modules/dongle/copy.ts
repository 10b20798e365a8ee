/**
 * Copies `lengthBytes` bytes from one buffer to another, and makes no garbage. A board replaces this module by its C
 * library (modules/board/copy.ts), because a loop over a frame's bytes takes XS longer than the radio takes for the
 * frame.
 */
// biome-ignore lint/complexity/useMaxParams: source, at, into, offset, length, as every copy of bytes
export function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, lengthBytes: number): void {
  for (let i = 0; i < lengthBytes; i++) to[toAt + i] = from[fromAt + i]!;
}
