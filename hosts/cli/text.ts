/**
 * Text that a person gives to the program.
 *
 * Inside the program, text is Unicode. Outside, text is bytes, and they need not be UTF-8: a file name, an old
 * terminal, a file from another system. Node replaces bytes that are not UTF-8 by U+FFFD, so different texts become the
 * same text. A passphrase that is spoilt in this way is one key for many people. So text with spoilt or half characters
 * is refused, and a message from standard input stays bytes.
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
