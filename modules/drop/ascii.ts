/**
 * The bytes of ASCII constants: context strings, salts, geohash cells.
 *
 * XS has no TextEncoder. A typed array that a module body makes becomes read-only when the module is preloaded. So
 * constants stay strings, and this function makes their bytes at each use.
 *
 * Refuses a character above 0x7f. Text that people write is UTF-8, and the host encodes it.
 */
export function asciiBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) throw new Error("drop: an ASCII constant holds another character");
    bytes[i] = code;
  }
  return bytes;
}
