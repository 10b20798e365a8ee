/**
 * ASCII constants as bytes: context strings, salts, cells. XS has no TextEncoder, and a typed array made in a module
 * body would become read-only when the module is preloaded; so constants stay strings and become bytes at each use.
 * Refuses anything outside 0x00..0x7f: text of people is UTF-8 and is encoded by the host.
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
