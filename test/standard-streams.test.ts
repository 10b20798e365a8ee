/**
 * The commands' standard input and output as they really are: late, closed, full, or read by a program that has ended.
 * These tests run the command as a process, because a process has its own descriptors.
 */
import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";

const folder = mkdtempSync(join(tmpdir(), "throwie-streams-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const env = { ...process.env, XDG_DATA_HOME: folder, THROWIE_PASSPHRASE: "paper lanterns", FRAMESIZELIMIT: "" };
const COMMAND = "build/hosts/cli/throwie.js";

function throwie(words: string[], options: SpawnOptions = {}): ChildProcess {
  return spawn(process.execPath, [COMMAND, ...words], { env, ...options });
}

async function told(child: ChildProcess): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const parts = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (text) => (parts.stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text) => (parts.stderr += text));
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { status, ...parts };
}

/** Runs a line of shell, in which `throwie` is the built command. */
function shell(line: string) {
  const { status, stdout, stderr } = spawnSync("/bin/bash", ["-c", `throwie() { "$NODE" "$COMMAND" "$@"; }; ${line}`], {
    encoding: "utf8",
    env: { ...env, NODE: process.execPath, COMMAND },
  });
  return { status, stdout, stderr };
}

/** One sentence, and no stack. */
const SENTENCE = /^throwie: [^\n]+\n$/;

test("a message that comes late, in pieces, through a pipe that does not block arrives byte for byte", async (t) => {
  const store = ["--store", join(folder, "late.flash")];
  const message = Buffer.from(
    [..."caf", 0xe9, ..."\r\nsecond\n"].map((x) => (typeof x === "string" ? x.charCodeAt(0) : x)),
  );
  // Node's own end of a pipe is a socket that does not block.
  const writing = throwie(["write", ...store]);
  const written = told(writing);
  for (const byte of message) {
    writing.stdin!.write(Buffer.of(byte));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  writing.stdin!.end();
  t.is((await written).status, 0, (await written).stderr);
  const { stdout } = spawnSync(process.execPath, [COMMAND, "read", "--raw", ...store], { env });
  t.deepEqual(stdout, message);
});

test("a descriptor that another program made non-blocking is waited for", (t) => {
  // Node makes its standard input non-blocking, and shares the pipe with the command that it starts.
  const parent = `
    process.stdin.read();
    const { spawnSync } = require("node:child_process");
    process.exitCode = spawnSync(process.execPath, [process.env.COMMAND, "negentropy"], { stdio: "inherit" }).status;`;
  const { status, stdout, stderr } = shell(`(sleep 0.5; echo seal; sleep 0.2; echo initiate) | "$NODE" -e '${parent}'`);
  t.is(status, 0, stderr);
  t.regex(stdout, /^msg,61/);
});

test("several raw messages have a zero byte between them, and --drop chooses one", async (t) => {
  const store = ["--store", join(folder, "raw.flash")];
  for (const words of ["one\n", "two"]) {
    const writing = throwie(["write", ...store]);
    writing.stdin!.end(words);
    t.is((await told(writing)).status, 0);
  }
  const read = (...words: string[]) =>
    spawnSync(process.execPath, [COMMAND, "read", ...store, ...words], { encoding: "utf8", env }).stdout;
  t.deepEqual(read("--raw").split("\0").sort(), ["one\n", "two"]);
  const { messages } = JSON.parse(read("--json")) as { messages: { dropId: string; text: string }[] };
  const one = messages.find(({ text }) => text === "one\n")!;
  t.is(read("--raw", "--drop", one.dropId.slice(0, 16)), "one\n");
  // The line end of `echo` makes no empty line.
  t.is(read("--drop", one.dropId.slice(0, 16).toUpperCase()), `${one.dropId.slice(0, 16)}  one\n`);
});

test("input that cannot be a message is refused", (t) => {
  const cases: [line: string, words: RegExp][] = [
    ["throwie write < /dev/null", /empty/],
    ["echo | throwie write", /empty/],
    ["throwie write <&-", /empty or closed/],
    [`throwie write < "${folder}"`, /Standard input is a folder/],
    ["head -c 2000000 /dev/zero | throwie write", /more than 1,000,000 bytes in standard input/],
    ["throwie write $'caf\\xe9'", /Argument 2 has bytes that are not UTF-8.*standard input/],
    ["throwie read --store $'caf\\xe9'", /not UTF-8/],
    ["XDG_DATA_HOME=$'/tmp/caf\\xe9' throwie journal", /path of your data.*not UTF-8/],
    ["throwie write - < /dev/null", /empty/],
  ];
  for (const [line, words] of cases) {
    const { status, stderr } = shell(line);
    t.is(status, 1, line);
    t.regex(stderr, SENTENCE);
    t.regex(stderr, words);
  }
});

test("a value that may be a passphrase is not shown in a refusal", (t) => {
  const lines = [
    "throwie read --passphrase $'secret\\xcb\\xcf'",
    "throwie read --passphrase=$'secret\\xcb\\xcf'",
    "throwie read --passphrse='secret words'",
    "throwie read -p'secret words'",
  ];
  for (const line of lines) {
    const { status, stderr } = shell(line);
    t.is(status, 1, line);
    t.regex(stderr, /not UTF-8|unknown option/);
    t.notRegex(stderr, /secret/);
  }
});

test("a line end or an escape in a path cannot forge a line", (t) => {
  const name = `${folder}/x\nthrowie: all is well\u009b31m.flash`;
  const run = (...words: string[]) => spawnSync(process.execPath, [COMMAND, ...words], { encoding: "utf8", env });
  const cases: string[][] = [
    ["read", "--store", name],
    ["write", "--store", name, "hello"],
    ["write", "--store", name, "hello", "--json"],
    ["journal", "--store", name, "--json"],
    ["sim", name],
    ["sim", "pair", "--seed", name],
    [`--${name}`],
    [name],
  ];
  for (const words of cases) {
    const { stdout, stderr } = run(...words);
    t.notRegex(stdout + stderr, /^throwie: all is well|\u009b/m, words.join(" "));
  }
});

const withFullDevice = process.platform === "linux" ? test : test.skip; // Only Linux has /dev/full.

withFullDevice("a full disk behind standard output is a failure with a sentence", (t) => {
  shell("throwie write here");
  for (const line of ["read --raw", "journal", "--help", "sim pair --json"]) {
    const { status, stderr } = shell(`throwie ${line} > /dev/full`);
    t.is(status, 1, line);
    t.regex(stderr, /^throwie: The disk that holds standard output is full: .*\n$/m);
    t.notRegex(stderr, /\n {4}at /);
  }
  const { status, stderr } = shell("throwie write kept > /dev/full");
  t.is(status, 1);
  t.regex(stderr, /^The message is in .*drops\.flash\. Only this report is lost\.$/m);
  t.regex(shell("throwie read").stdout, /kept/);
});

test("a reader that has ended ends the command quietly, like SIGPIPE", (t) => {
  shell("throwie write here");
  for (const line of ["read", "--help", "sim pair --json"]) {
    const { stderr, stdout } = shell(`{ sleep 0.2; throwie ${line}; echo "$?" >&3; } 3>&2 | true`);
    t.is(`${stdout}${stderr}`, "141\n", line);
  }
  const { stderr } = shell("{ yes seal | head -1; sleep 0.2; echo initiate; } | throwie negentropy | true");
  t.is(stderr, "");
});

test("closed descriptors do not crash a command, and nothing is written into its store by mistake", (t) => {
  const store = `--store "${join(folder, "closed.flash")}"`;
  t.is(shell(`throwie write ${store} first`).status, 0);
  for (const closed of [">&-", "<&- >&- 2>&-"]) {
    t.is(shell(`throwie write ${store} again ${closed}`).status, 0, closed);
  }
  t.is(shell(`throwie read ${store}`).stdout.match(/again/g)!.length, 2);
});

const withArgumentBytes = process.platform === "linux" ? test : test.skip; // Only Linux shows the bytes of arguments.

withArgumentBytes("the character that stands for lost bytes is a right argument where it was given itself", (t) => {
  const { npm_execpath: _, ...outsideNpm } = env as NodeJS.ProcessEnv;
  const refusal = (environment: NodeJS.ProcessEnv): string =>
    spawnSync(process.execPath, [COMMAND, "sim", "a \ufffd b"], { encoding: "utf8", env: environment }).stderr;
  t.regex(refusal(outsideNpm), /There is no scenario a \ufffd b/);
  // npm is written in JavaScript, and loses the bytes before the command could see them.
  t.regex(refusal({ ...outsideNpm, npm_execpath: "npx" }), /not UTF-8/);
});

test("negentropy skips a byte order mark, and an empty FRAMESIZELIMIT is no limit", (t) => {
  const { status, stdout, stderr } = shell(String.raw`printf '\xef\xbb\xbfseal\r\ninitiate' | throwie negentropy`);
  t.is(status, 0, stderr);
  t.regex(stdout, /^msg,61/);
  for (const limit of ["0x10", " 1"]) {
    const refused = shell(`FRAMESIZELIMIT="${limit}" throwie negentropy < /dev/null`);
    t.is(refused.status, 1, limit);
    t.regex(refused.stderr, /FRAMESIZELIMIT must be a number of bytes/);
  }
});

test("a file that is only open for writing is refused as standard input", (t) => {
  const file = join(folder, "write-only");
  writeFileSync(file, "");
  const input = openSync(file, "a");
  const { status, stderr } = spawnSync(process.execPath, [COMMAND, "write"], {
    encoding: "utf8",
    env,
    stdio: [input, "pipe", "pipe"],
  });
  closeSync(input);
  t.is(status, 1);
  t.regex(stderr, SENTENCE);
});
