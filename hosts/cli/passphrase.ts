/**
 * A passphrase, from where a person keeps it (docs/messages.md, "Passphrases").
 *
 * The words count exactly as they are given, in Unicode form NFKC. A passphrase file has one line, and the line ends
 * after it do not count. No other character is taken away, because messages that are sealed with it must still open.
 * Instead, `oddities` names what a person cannot see or easily mistypes.
 *
 * Refuses words that are empty, not UTF-8, or spoilt on their way: many passphrases would then be one key.
 */
import { closeSync, openSync } from "node:fs";
import process from "node:process";
import { askHidden } from "../machine/prompt.ts";
import { readInput, readToEnd } from "../machine/standard-streams.ts";
import { isSpoilt, textOf } from "./text.ts";

export const PASSPHRASE_VARIABLE = "THROWIE_PASSPHRASE";
/** A page of words. A larger file is another file than the person meant. */
const FILE_BYTES_MAX = 65_536;

/** The words of an argument or of the environment. `what` names where they are from. */
export function givenWords(words: string, what: string): string {
  if (isSpoilt(words)) {
    throw new RangeError(
      `There are bytes in ${what} that are not UTF-8, or that were lost before: ` +
        "save the words in a file as UTF-8, and give --passphrase-file.",
    );
  }
  return notEmpty(words, what);
}

/** The words in a file; `-` is standard input. */
export function wordsOfFile(path: string): string {
  const what = path === "-" ? "standard input" : path;
  const words = textOf(bytesOfFile(path, what), what).replace(/[\r\n]+$/, "");
  if (/[\r\n]/.test(words)) throw new RangeError(`There is more than one line in ${what}: a passphrase is one line.`);
  return notEmpty(words, what);
}

function bytesOfFile(path: string, what: string): Uint8Array {
  if (path === "-") return readInput(FILE_BYTES_MAX);
  const file = openSync(path, "r");
  try {
    return readToEnd(file, what, FILE_BYTES_MAX);
  } finally {
    closeSync(file);
  }
}

/** Asks for the words on the terminal; a writer twice. Undefined when there is no terminal. */
export async function typedWords(isWriter: boolean): Promise<string | undefined> {
  const answers = await askHidden(isWriter ? ["Passphrase: ", "The same passphrase again: "] : ["Passphrase: "]);
  if (answers === undefined) return undefined;
  const [words = "", again = words] = answers;
  if (words !== again) throw new RangeError("The two passphrases are not the same: try again.");
  return notEmpty(words, "the answer");
}

function notEmpty(words: string, what: string): string {
  if (words === "") throw new RangeError(`There is no passphrase in ${what}: give some words.`);
  return words;
}

/** What is tried in order, and what it says of the passphrase. The first group is what a person cannot see. */
const INVISIBLE: [pattern: RegExp, words: string][] = [
  [/\r$/, "ends in a carriage return"],
  [/\n$/, "ends in a line end"],
  [/^\p{Zs}/u, "begins with a space"],
  [/\p{Zs}$/u, "ends in a space"],
  [/\S\p{Zs}{2,}\S/u, "has two spaces in a row"],
  [/\S[\r\n]+\S/, "has more than one line"],
  [/\t/, "has a tab"],
  [/[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Zl}\p{Zp}]/u, "has an invisible character"],
  [/(?![\r\n\t])\p{Cc}/u, "has a control character"],
  [/\ufffd/, "has the character U+FFFD, which stands for lost bytes"],
];
const MISTYPED: [pattern: RegExp, words: string][] = [
  [/^(["'`]).*\1$/, "stands in quotation marks"],
  [/[\u2018-\u201f\u2010-\u2015]/, "has a typographic quotation mark or dash"],
  [/(?=.*\p{Script=Latin})(?=.*[\p{Script=Cyrillic}\p{Script=Greek}])/su, "mixes letters of two alphabets"],
  [/\p{Lu}/u, "has capital letters, and case counts"],
];

/** What a person cannot see in the words, each as the end of a sentence about the passphrase. */
export function invisibleOddities(words: string): string[] {
  return matching(INVISIBLE, words);
}

/** All that may be wrong with words that open nothing. */
export function oddities(words: string): string[] {
  return [...invisibleOddities(words), ...matching(MISTYPED, words)];
}

function matching(table: typeof INVISIBLE, words: string): string[] {
  const counted = words.normalize("NFKC");
  return table.filter(([pattern]) => pattern.test(counted)).map(([, oddity]) => oddity);
}

/** The words of the environment, or undefined when the variable is not set. */
export function wordsOfEnvironment(): string | undefined {
  const words = process.env[PASSPHRASE_VARIABLE];
  return words === undefined ? undefined : givenWords(words, PASSPHRASE_VARIABLE);
}
