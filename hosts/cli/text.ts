/**
 * Text at the edge of the program: words that a person gave, and messages that a stranger wrote.
 *
 * Inside the program, text is Unicode. Outside, text is bytes, and they need not be UTF-8: a file name, an old
 * terminal, a file from another system. Node replaces bytes that are not UTF-8 by U+FFFD, so different texts become the
 * same text. A passphrase that is spoilt in this way is one key for many people. So text with spoilt or half characters
 * is refused, and a message from standard input stays bytes.
 *
 * A message that is shown keeps what writing systems need: joiners, variation selectors, direction marks, tabs and line
 * ends. Characters that could rewrite the reader's terminal or turn its lines around appear as escapes.
 */
import { readFileSync } from "node:fs";
import process from "node:process";

/** What Node shows for bytes that are not UTF-8. */
const SPOILT = "\ufffd";

/** The UTF-8 of the text. Throws a RangeError when the text has half of a surrogate pair, which has no UTF-8. */
export function utf8Of(text: string, what: string): Uint8Array {
  if (/\p{Cs}/u.test(text)) {
    throw new RangeError(`There is half a character (an unpaired surrogate) in ${what}: write the character again.`);
  }
  return new TextEncoder().encode(text);
}

/** The text of a file's bytes. A byte order mark is skipped. Throws a RangeError when the bytes are not UTF-8. */
export function textOf(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new RangeError(`There are bytes in ${what} that are not UTF-8: save it as UTF-8.`);
  }
}

/** The text without the byte order mark that some editors put before it. */
export function withoutMark(text: string): string {
  return text.replace(/^\ufeff/, "");
}

/** Whether the text may have lost bytes on its way into this program. */
export function isSpoilt(text: string): boolean {
  return text.includes(SPOILT);
}

/**
 * Throws a RangeError when an argument of this program was not UTF-8. The character U+FFFD itself is a right argument,
 * where the system shows that its bytes were given.
 */
export function refuseSpoiltArguments(): void {
  const spoilt = process.argv.findIndex((word, number) => number >= 2 && isSpoilt(word) && !isExact(number));
  if (spoilt < 0) return;
  throw new RangeError(
    // The argument may be a passphrase, so it is not shown.
    `Argument ${spoilt - 1} has bytes that are not UTF-8. ` +
      "Give a message on standard input, a passphrase in a file, and a file by another name.",
  );
}

/** Whether the bytes of an argument are those of its text. Only Linux shows the bytes, and npm spoils them before. */
function isExact(number: number): boolean {
  if (process.env.npm_execpath !== undefined) return false;
  try {
    const given = readFileSync("/proc/self/cmdline", "latin1").split("\0").slice(0, -1);
    const bytes = given[given.length - process.argv.length + number];
    return bytes === Buffer.from(process.argv[number]!).toString("latin1");
  } catch {
    return false;
  }
}

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

/** The number and the noun, like "1 Drop" or "2 Drops". */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** JSON that a terminal shows harmlessly, and that gives back the same strings. */
export function harmlessJson(value: unknown): string {
  return JSON.stringify(value).replace(DANGEROUS_CHARACTER, (character) =>
    Array.from(character.split(""), (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
  );
}
