/**
 * Text that a stranger may have written, as a terminal shows it harmlessly: messages, paths, and what a log quotes.
 *
 * What is shown keeps what writing systems need: joiners, variation selectors, direction marks, tabs and line ends.
 * Characters that could rewrite the reader's terminal or turn its lines around appear as escapes.
 */

/** Text of several lines that a terminal shows harmlessly. A CR LF becomes a line end. */
export function harmless(text: string): string {
  return text
    .replaceAll("\r\n", "\n")
    .replace(DANGEROUS_CHARACTER_OR_FLAG, (found) => (/^[\n\t\u{1f3f4}]/u.test(found) ? found : escaped(found)));
}

/** One line that a terminal shows harmlessly. A line end in it, as a path may have, cannot begin another line. */
export function harmlessLine(text: string): string {
  return text.replace(DANGEROUS_CHARACTER_OR_FLAG, (found) => (/^\u{1f3f4}/u.test(found) ? found : escaped(found)));
}

/**
 * Control characters, line separators, embeddings, overrides and isolates of direction, marks of annotations, and tags,
 * which hide text.
 */
const DANGEROUS = String.raw`[\p{Cc}\u2028-\u202e\u2066-\u206f\ufff9-\ufffb\u{e0000}-\u{e007f}]`;
/** The flags of England, Scotland and Wales are a black flag with tags, so tags are allowed there. */
const FLAG = String.raw`\u{1f3f4}[\u{e0030}-\u{e0039}\u{e0061}-\u{e007a}]{1,6}\u{e007f}`;
const DANGEROUS_CHARACTER = new RegExp(DANGEROUS, "gu");
const DANGEROUS_CHARACTER_OR_FLAG = new RegExp(`${FLAG}|${DANGEROUS}`, "gu");

function escaped(character: string): string {
  const hex = character.codePointAt(0)!.toString(16);
  return hex.length <= 4 ? `\\u${hex.padStart(4, "0")}` : `\\u{${hex}}`;
}

/** A message as a terminal shows it harmlessly. Bytes that are not UTF-8 appear as escapes, like \xe9. */
export function harmlessMessage(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let shown = "";
  for (let at = 0; at < bytes.length; ) {
    const sizeBytes = [bytes.length - at, 4, 3, 2, 1].find((size) => decodes(decoder, bytes.subarray(at, at + size)));
    if (sizeBytes === undefined) shown += `\\x${bytes[at]!.toString(16).padStart(2, "0")}`;
    else shown += decoder.decode(bytes.subarray(at, at + sizeBytes));
    at += sizeBytes ?? 1;
  }
  return harmless(shown);
}

function decodes(decoder: InstanceType<typeof TextDecoder>, bytes: Uint8Array): boolean {
  try {
    decoder.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** JSON that a terminal shows harmlessly, and that gives back the same strings. */
export function harmlessJson(value: unknown): string {
  return withEscapes(JSON.stringify(value));
}

/** The same JSON, on one line, with the characters escaped that `harmlessJson` escapes. */
export function withEscapes(json: string): string {
  return json.replace(DANGEROUS_CHARACTER, (character) =>
    Array.from(character.split(""), (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
  );
}
