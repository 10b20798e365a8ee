/** Passphrases: from where they come, which are refused, and what a person cannot see in them. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { givenWords, invisibleOddities, oddities, wordsOfFile } from "../hosts/cli/passphrase.ts";
import { keyOfWords } from "../hosts/node/message.ts";

const folder = mkdtempSync(join(tmpdir(), "throwie-passphrase-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(name: string, bytes: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

test("the line ends after the words of a file do not count, and a byte order mark neither", (t) => {
  for (const text of [
    "paper lanterns",
    "paper lanterns\n",
    "paper lanterns\r\n",
    "paper lanterns\r",
    "\ufeffpaper lanterns\n\n",
  ]) {
    t.is(wordsOfFile(fileOf("words", text)), "paper lanterns");
  }
  // Spaces are words' own: a message that is sealed with them must still open.
  t.is(wordsOfFile(fileOf("words", " paper  lanterns \n")), " paper  lanterns ");
});

test("a file without one line of UTF-8 words is refused by its name", (t) => {
  const cases: [bytes: string | Uint8Array, words: RegExp][] = [
    ["", /no passphrase in .*words: give/],
    ["\r\n", /no passphrase/],
    ["one\ntwo\n", /more than one line/],
    [Uint8Array.of(0xf0, 0xd2, 0xc9), /words that are not UTF-8/],
    [Uint8Array.of(0xff, 0xfe, 0x70, 0x00), /not UTF-8/],
    ["x".repeat(65_537), /more than 65,536 bytes/],
  ];
  for (const [bytes, words] of cases) {
    t.throws(() => wordsOfFile(fileOf("words", bytes)), { instanceOf: RangeError, message: words });
  }
  t.throws(() => wordsOfFile(join(folder, "none")), { code: "ENOENT" });
  t.throws(() => wordsOfFile(folder), { message: /is a folder/ });
});

test("words that lost bytes on their way, half characters and no words are refused", (t) => {
  // Two words of five letters in KOI8-R, which Node turns into the same five characters.
  const words = [Buffer.of(0xd0, 0xcf, 0xcc, 0xc5, 0xd4), Buffer.of(0xd3, 0xcc, 0xcf, 0xce, 0xd9)].map(String);
  t.is(words[0], words[1]);
  for (const spoilt of words)
    t.throws(() => givenWords(spoilt, "--passphrase"), { message: /--passphrase.*not UTF-8/ });
  t.throws(() => givenWords("", "THROWIE_PASSPHRASE"), { message: /no passphrase in THROWIE_PASSPHRASE/ });
  t.throws(() => keyOfWords("paper \ud83c"), { instanceOf: RangeError, message: /half a character/ });
});

test("what a person cannot see in a passphrase is named", (t) => {
  const cases: [words: string, oddity: RegExp][] = [
    ["paper lanterns\r", /^ends in a carriage return$/],
    ["paper lanterns\n", /^ends in a line end$/],
    [" paper lanterns", /^begins with a space$/],
    ["paper lanterns\u00a0", /^ends in a space$/],
    ["paper  lanterns", /^has two spaces in a row$/],
    ["paper \u2003lanterns", /^has two spaces in a row$/],
    ["paper\tlanterns", /^has a tab$/],
    ["paper\nlanterns", /^has more than one line$/],
    ["paper\u200b lanterns", /^has an invisible character$/],
    ["\ufeffpaper lanterns", /^has an invisible character$/],
    ["pa\u00adper lanterns", /^has an invisible character$/],
    ["paper\u2028lanterns", /^has an invisible character$/],
    ["paper\u2029lanterns", /^has an invisible character$/],
    ["paper \u001b[Alanterns", /^has a control character$/],
  ];
  for (const [words, oddity] of cases) {
    t.is(invisibleOddities(words).length, 1, JSON.stringify(words));
    t.regex(invisibleOddities(words)[0]!, oddity);
    t.regex(oddities(words)[0]!, oddity);
  }
  t.deepEqual(oddities("café lanterns"), []);
  t.deepEqual(oddities("бумажные фонари"), []);
  for (const words of ['"paper lanterns"', "paper lantern’s", "paper lаnterns", "Paper lanterns"]) {
    t.is(oddities(words).length, 1, words);
    t.is(invisibleOddities(words).length, 0, words);
  }
});

const COMMAND = "build/hosts/cli/throwie.js";
const { THROWIE_PASSPHRASE: _, ...environment } = process.env;
const env: NodeJS.ProcessEnv = { ...environment, XDG_DATA_HOME: folder };

function throwie(
  words: string[],
  { input = "", passphrase }: { input?: string | Uint8Array; passphrase?: string } = {},
) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...words], {
    encoding: "utf8",
    input,
    env: passphrase === undefined ? env : { ...env, THROWIE_PASSPHRASE: passphrase },
  });
  return { status, stdout, stderr };
}

test("the environment, a file and standard input give the same key; nothing that opens gets a hint", (t) => {
  const file = fileOf("lanterns.txt", "paper lanterns\r\n");
  t.is(throwie(["write", "--passphrase-file", "-", "Meet at nine."], { input: "paper lanterns\n" }).status, 0);
  t.regex(throwie(["read"], { passphrase: "paper lanterns" }).stdout, /Meet at nine\./);
  const read = throwie(["read", "--passphrase-file", file]);
  t.regex(read.stdout, /Meet at nine\./);
  t.is(read.stderr, "");
  const wrong = throwie(["read"], { passphrase: "paper  lanterns\r" });
  t.regex(wrong.stdout, /The 1 Drop here does not open/);
  t.is(wrong.stderr, "The passphrase ends in a carriage return.\nThe passphrase has two spaces in a row.\n");
});

test("a key that is given twice, empty or not at all is refused in one sentence", (t) => {
  const cases: [words: string[], passphrase: string | undefined, sentence: RegExp][] = [
    [["write", "x"], undefined, /THROWIE_PASSPHRASE in the environment, --passphrase-file FILE, .* or --place/],
    [["write", "x"], "", /no passphrase in THROWIE_PASSPHRASE/],
    [["write", "x", "--passphrase", ""], undefined, /no passphrase in --passphrase/],
    [["write", "x", "--passphrase", "a", "--passphrase-file", "b"], undefined, /not both/],
    [["write", "x", "--passphrase-file", "b", "--place", "1,2"], undefined, /not both/],
    [["write", "--passphrase-file", "-"], undefined, /Standard input cannot be both/],
    [["write", "x", "--passphrase-file", join(folder, "none")], undefined, /There is no .*none/],
  ];
  for (const [words, passphrase, sentence] of cases) {
    const { status, stderr } = throwie(words, passphrase === undefined ? {} : { passphrase });
    t.is(status, 1, words.join(" "));
    t.regex(stderr, /^throwie: [^\n]+\n$/);
    t.regex(stderr, sentence);
  }
});
