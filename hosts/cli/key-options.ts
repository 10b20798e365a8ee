/** Chooses the key: from the options, from the environment, or by a question on the terminal. */
import process from "node:process";
import { placeMaterial } from "../../modules/drop/key.ts";
import { contentKey } from "../../modules/drop/seal.ts";
import { note } from "../machine/standard-streams.ts";
import { keyOfWords } from "../node/message.ts";
import {
  givenWords,
  invisibleOddities,
  oddities,
  PASSPHRASE_VARIABLE,
  typedWords,
  wordsOfEnvironment,
  wordsOfFile,
} from "./passphrase.ts";
import { type GeoPlace, parsePlace, placeWords } from "./place.ts";

export interface KeyOptions {
  passphrase?: string;
  passphraseFile?: string;
  place?: string;
  json?: boolean;
}

/** What a person shares with others: words or a place. */
export type Secret = { words: string; place?: undefined } | { place: GeoPlace; words?: undefined };

/**
 * The secret that the options name. An option counts before the environment, and the environment before a question on
 * the terminal. A place is said back, and so is what a writer cannot see in a passphrase. Throws a RangeError that says
 * which option to give.
 */
export async function secretOf(options: KeyOptions, use: "write" | "read"): Promise<Secret> {
  const { passphrase, passphraseFile, place: placeText } = options;
  if ([passphrase, passphraseFile, placeText].filter((option) => option !== undefined).length > 1) {
    throw new RangeError("Give one of --passphrase, --passphrase-file and --place, not both.");
  }
  if (placeText !== undefined) {
    const place = parsePlace(placeText);
    if (!options.json) note(placeWords(place));
    return { place };
  }
  const words =
    passphrase !== undefined
      ? givenWords(passphrase, "--passphrase")
      : passphraseFile !== undefined
        ? wordsOfFile(passphraseFile)
        : (wordsOfEnvironment() ?? (await typedWords(use === "write")));
  if (words === undefined) {
    throw new RangeError(
      `Say who can read the message: ${PASSPHRASE_VARIABLE} in the environment, --passphrase-file FILE, ` +
        "--passphrase WORDS, or --place LATITUDE,LONGITUDE.",
    );
  }
  if (use === "write") {
    for (const oddity of invisibleOddities(words))
      note(`The passphrase ${oddity}. A reader must give it the same way.`);
  }
  return { words };
}

/** The memory that a key takes while it is made (docs/protocol.md, "Keys"). */
const KEY_MEGABYTES = 128;

/** Takes about a second and 128 MB of memory, because the key is stretched on purpose (modules/drop/key.ts). */
export function keyOf({ words, place }: Secret): Uint8Array {
  const freeMegabytes = Math.floor(process.availableMemory() / 2 ** 20);
  // Linux ends a program that takes too much without a word. Other systems call little memory free and give more.
  if (process.platform === "linux" && freeMegabytes < KEY_MEGABYTES) {
    note(
      `A key takes ${KEY_MEGABYTES} MB of memory, and ${freeMegabytes} MB are free. If this fails, close other programs.`,
    );
  }
  try {
    if (place === undefined) return keyOfWords(words);
    return contentKey(placeMaterial(place.latitude, place.longitude, place.precision));
  } catch (error) {
    if (!/allocation failed/i.test((error as Error).message)) throw error;
    throw new Error(
      `A key takes ${KEY_MEGABYTES} MB of memory, and the system does not give it: close other programs, or raise the limit.`,
    );
  }
}

/** Sentences about why a secret may open nothing. */
export function hintsFor({ words, place }: Secret): string[] {
  if (words !== undefined) return oddities(words).map((oddity) => `The passphrase ${oddity}.`);
  return [`A message that was left near the edge of ${place.cell} may lie in a square beside it: try places around.`];
}
