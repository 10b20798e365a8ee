/** What the commands print fits the terminal, and a line of progress is shown only to a person who waits. */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import test from "ava";
import { item, Progress, wrapped } from "../hosts/cli/screen.ts";

const COMMAND = "build/hosts/cli/throwie.js";
const COMMANDS = ["write", "read", "delete", "journal", "recover", "mule", "gateway", "sim", "negentropy", "help"];
const folder = mkdtempSync(join(tmpdir(), "throwie-screen-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

// A long home must not make the help wider.
const env = { ...process.env, HOME: `/${"long/".repeat(20)}`, XDG_DATA_HOME: "", COLUMNS: "" };

function throwie(words: string[], columns = "") {
  const { status, stdout, stderr } = spawnSync(process.execPath, [COMMAND, ...words], {
    encoding: "utf8",
    env: { ...env, COLUMNS: columns },
  });
  return { status, stdout, stderr };
}

function widest(text: string): number {
  return Math.max(...text.split("\n").map((line) => line.length));
}

test("the help of every command fits 80 columns, and a narrow terminal", async (t) => {
  const helps = [["--help"], ...COMMANDS.map((name) => ["help", name])].flatMap((words) =>
    ["", "46", "40", "20"].map(async (columns) => {
      const { stdout } = await promisify(execFile)(process.execPath, [COMMAND, ...words], {
        env: { ...env, COLUMNS: columns },
      });
      t.true(widest(stdout) <= Math.max(40, Number(columns || 80)), `${words.join(" ")} at ${columns}:\n${stdout}`);
      t.regex(stdout, /^Usage: throwie/);
    }),
  );
  await Promise.all(helps);
});

test("the report of the simulator fits too", (t) => {
  t.true(widest(throwie(["sim", "pair"]).stdout) <= 80);
});

test("the version is that of the package", (t) => {
  t.regex(throwie(["--version"]).stdout, /^\d+\.\d+\.\d+\n$/);
});

test("a name that is unknown is answered with those that are known", (t) => {
  const help = throwie(["help", "foo"]);
  t.is(help.status, 1);
  t.regex(help.stderr, /^throwie: There is no command foo: the commands are write, read, .*negentropy.*\.\n$/);
  t.regex(throwie(["sim", "nowhere"]).stderr, /no scenario nowhere: give .*pair, .*town, or the path of a \.json file/);
});

test("an error about a message says how to give it", (t) => {
  for (const words of [
    ["write", "two", "words"],
    ["write", "-x is the answer"],
  ]) {
    const { status, stderr } = throwie(words);
    t.is(status, 1);
    t.regex(stderr, /Quote a message of several words.* write -- before a message that begins with a dash/);
  }
});

test("numbers have one spelling", (t) => {
  for (const seed of ["", " 5", "0x10", "1e3", "+1", "-1", "4294967296", "1.0", "NaN"]) {
    const { status, stderr } = throwie(["sim", "pair", "--seed", seed]);
    t.is(status, 1, seed);
    t.regex(stderr, /A seed is a whole number from 0 to 4294967295/);
  }
  t.is(throwie(["sim", "pair", "--seed", "\ufeff7", "--json"]).status, 0);
  const { stderr } = throwie(["mule", "--store", join(folder, "none.flash"), "--air", "127.0.0.1:0x1ce8"]);
  t.regex(stderr, /is not the address of an air/);
});

test("a scenario may begin with a byte order mark, and must be UTF-8", (t) => {
  const file = join(folder, "scenario.json");
  writeFileSync(file, '\ufeff{"name": "x"}');
  t.regex(throwie(["sim", file]).stderr, /description|durationS/);
  writeFileSync(file, Buffer.from('{"name": "\xe9"}', "latin1"));
  t.regex(throwie(["sim", file]).stderr, /not UTF-8/);
  t.regex(throwie(["sim", join(folder, "none.json")]).stderr, /There is no scenario/);
});

test("text is wrapped between words, and keeps its indentation", (t) => {
  t.is(wrapped("one two three\n  four five six\n\nx", 10), "one two\nthree\n  four\n  five six\n\nx");
  t.is(wrapped("averyverylongword x", 5), "averyverylongword\nx");
  t.is(item("term", 6, "some words", 80), "  term    some words");
  t.is(item("term", 6, "some words", 20), "  term\n      some words");
  t.is(item("term", 6, "", 20), "  term");
});

test("progress is shown after a second, ten times a second, and goes away", (t) => {
  const shown: string[] = [];
  let nowMs = 5_000;
  const port = { now: () => nowMs, show: (text: string) => void shown.push(text) };
  const quick = new Progress("Drops", port);
  nowMs += 999;
  quick.update(750, 750);
  quick.end();
  t.deepEqual(shown, []);
  const slow = new Progress("Drops", port);
  for (let done = 1; done <= 100; done++) {
    nowMs += 25;
    slow.update(done, 100);
  }
  slow.end();
  t.is(shown[0], "\rDrops: 40 of 100");
  t.is(shown.length, 17);
  t.is(shown.at(-1), "\r\u001b[K");
  t.notThrows(() => new Progress("Drops", undefined).update(1, 2));
});
