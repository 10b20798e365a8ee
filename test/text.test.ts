/** Text at the edge of the program: what a terminal is shown, and which text is refused because bytes were lost. */
import test from "ava";
import { isSpoilt, textOf, utf8Of } from "../hosts/cli/text.ts";
import { harmless, harmlessJson, harmlessMessage } from "../hosts/machine/harmless.ts";

const bytes = (...values: (string | number)[]): Uint8Array =>
  Buffer.concat(values.map((value) => (typeof value === "number" ? Buffer.of(value) : Buffer.from(value))));

test("what writing systems need is shown as it is", (t) => {
  for (const text of [
    "می‌خواهم", // Persian, with a zero width non-joiner.
    "क्‍ष", // Devanagari, with a zero width joiner.
    "👩‍🚀 ❤️ 🏴󠁧󠁢󠁳󠁣󠁴󠁿", // Emoji with a joiner, a variation selector, and the tags of the flag of Scotland.
    "שלום\u200f!", // Hebrew, with a right-to-left mark.
    "a\tb\nc",
    "co\u00adoperate",
    "\ufeffx",
  ]) {
    t.is(harmless(text), text);
    t.is(harmlessMessage(bytes(text)), text);
  }
  t.is(harmless("one\r\ntwo\r\n"), "one\ntwo\n");
});

test("what could rewrite the terminal or turn lines around is shown as an escape", (t) => {
  const cases: [string, string][] = [
    ["\u001b[31m", "\\u001b[31m"],
    ["a\rb", "a\\u000db"],
    ["\u0000\u0007\u0008\u000b\u000c\u007f", "\\u0000\\u0007\\u0008\\u000b\\u000c\\u007f"],
    ["\u0085\u009b31m", "\\u0085\\u009b31m"],
    ["\u2028\u2029", "\\u2028\\u2029"],
    ["\u202a\u202b\u202c\u202d\u202e", "\\u202a\\u202b\\u202c\\u202d\\u202e"],
    ["\u2066\u2067\u2068\u2069\u206a", "\\u2066\\u2067\\u2068\\u2069\\u206a"],
    ["\ufff9", "\\ufff9"],
    ["\u{e0001}hidden\u{e0041}", "\\u{e0001}hidden\\u{e0041}"],
    ["\u{1f3f4}\u{e0041}", "\u{1f3f4}\\u{e0041}"],
  ];
  for (const [text, shown] of cases) {
    t.is(harmless(text), shown);
    const json = harmlessJson({ text });
    t.notRegex(json, /[\p{Cc}\u2028-\u202e\u2066-\u206f]/u);
    t.deepEqual(JSON.parse(json), { text });
  }
});

test("bytes that are not UTF-8 are shown as escapes, and the text around them as it is", (t) => {
  t.is(harmlessMessage(bytes("caf", 0xe9, " ok")), "caf\\xe9 ok");
  t.is(harmlessMessage(bytes(0xf0, 0x9f, "é", 0x9b)), "\\xf0\\x9fé\\x9b");
  t.is(harmlessMessage(bytes(0xed, 0xa0, 0x80)), "\\xed\\xa0\\x80");
  t.is(harmlessMessage(bytes(0xff, 0xfe, "h", 0)), "\\xff\\xfeh\\u0000");
});

test("text with lost bytes or half characters is refused", (t) => {
  t.throws(() => utf8Of("a\ud800b", "the message"), {
    instanceOf: RangeError,
    message: /half a character.*the message/,
  });
  t.deepEqual([...utf8Of("é", "the message")], [0xc3, 0xa9]);
  t.throws(() => textOf(bytes(0xf0, 0xd2), "words.txt"), { instanceOf: RangeError, message: /words\.txt.*not UTF-8/ });
  t.is(textOf(bytes("\ufeffé"), "words.txt"), "é");
  t.true(isSpoilt(Buffer.of(0xf0, 0xd2).toString()));
});
