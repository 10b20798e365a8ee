/**
 * A person names any file as a store, on any disk. These tests open what is no store, what another program holds, and
 * what cannot be written or read, and look at what is left behind.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test, { type ExecutionContext } from "ava";
import { dropAt, openDropStore, openStoredDrops } from "../hosts/store/drop-store.ts";
import { type Snapshot, takeSnapshot, takeStableSnapshot } from "../hosts/store/snapshot.ts";
import { openForReading } from "../hosts/store/store-file.ts";
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import { SeededRandom } from "../sim/random.ts";
import { insertion } from "./insertion.ts";

/** A last guard: on a busy machine the test itself may hold a store for long. */
const PATIENT = { patienceMs: 600_000 };
const PARTITION_BYTES = 448 * 4096;
const CLI = join(process.cwd(), "build", "hosts", "cli", "throwie.js");

function folderOf(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "throwie-opening-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const dropOf = (number: number): Uint8Array => new Uint8Array(2000).fill(number);

/** Puts the Drops with these numbers into the store. */
async function keep(path: string, numbers: number[], options = {}): Promise<void> {
  const { store, close } = await openDropStore(path, { tell: () => {}, ...options });
  for (const number of numbers) {
    const id = dropId(dropOf(number));
    const outcome = store.insert(insertion(shortIdLow(id), shortIdHigh(id), dropOf(number)));
    if (outcome !== "stored") throw new Error(outcome);
  }
  close();
}

/** The first bytes of the Drops in the store: their numbers. */
async function numbersIn(path: string): Promise<number[]> {
  const { store } = await openStoredDrops(path);
  const slots = Array.from({ length: store.capacity }, (_, slot) => slot).filter((slot) => store.occupied(slot));
  return slots.map((slot) => dropAt(store, slot)[0]!).sort((a, b) => a - b);
}

/** Everything in a folder that a command could change: names, kinds, modes, times and bytes. */
function traces(folder: string): unknown[] {
  const seen = (name: string): unknown[] => {
    const path = join(folder, name);
    const stats = lstatSync(path);
    const bytes = stats.isFile() ? readFileSync(path) : stats.isSymbolicLink() ? readlinkSync(path) : "";
    return [name, stats.mode, stats.mtimeMs, stats.ctimeMs, stats.ino, bytes];
  };
  return [statSync(folder).mtimeMs, ...readdirSync(folder).sort().map(seen)];
}

/** Opens a store for writing, as every command that writes does, and fails then: there is no such port. */
const OPEN = "$T mule --radio none --store";

/** Runs a shell script in a mount namespace of its own, with the command in $T and a folder as the first argument. */
function inNamespace(script: string, folder: string): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, T: `${process.execPath} ${CLI}`, THROWIE_PASSPHRASE: "x" };
  return spawnSync("unshare", ["-rm", "sh", "-c", script, "sh", folder], { encoding: "utf8", env });
}

const NAMESPACES = spawnSync("unshare", ["-rm", "mount", "-t", "tmpfs", "none", tmpdir()]).status === 0;
/** These tests need a file system of their own. Some systems allow no mount to a user, not even in a namespace. */
const mountingTest = NAMESPACES ? test : test.skip;

for (const [name, make, sentence] of [
  ["an empty name", () => "", /name of the store is empty/],
  ["a folder", (path) => mkdirSync(path), /is a folder/],
  ["a pipe", (path) => spawnSync("mkfifo", [path]), /is a pipe/],
  ["a socket", (path) => createServer().listen(path).unref(), /is a socket/],
  ["a device", () => "/dev/null", /is a device/],
  ["a file of the kernel", () => "/proc/self/status", /file system of the kernel \(proc\)/],
  ["a link to nothing", (path) => symlinkSync("nothing", path), /link to a file that does not exist/],
  ["a link to itself", (path) => symlinkSync(path, path), /ELOOP|circle/],
  ["a text", (path) => writeFileSync(path, "hello"), /has a size that no store has/],
  ["a database", (path) => writeFileSync(path, database()), /is not a store of Drops/],
  ["zeros", (path) => writeFileSync(path, new Uint8Array(PARTITION_BYTES)), /is not a store of Drops/],
  ["a large file", (path) => largeFile(path), /is not a store of Drops/],
] as [string, (path: string) => unknown, RegExp][]) {
  test(`no command opens ${name} as a store, or changes it`, async (t) => {
    const folder = folderOf(t);
    const made = make(join(folder, "x"));
    const path = typeof made === "string" ? made : join(folder, "x");
    const before = name === "a large file" ? [] : traces(folder);
    await t.throwsAsync(openStoredDrops(path), { message: sentence });
    await t.throwsAsync(openDropStore(path), { message: sentence });
    if (name !== "a large file") t.deepEqual(traces(folder), before);
  });
}

/** A file with nothing in it, larger than any memory. */
function largeFile(path: string): void {
  writeFileSync(path, "");
  truncateSync(path, 2 ** 40);
}

function database(): Uint8Array {
  const bytes = new Uint8Array(PARTITION_BYTES);
  new SeededRandom(1, "database").fill(bytes);
  bytes.set(Buffer.from("SQLite format 3\0"));
  return bytes;
}

test("a part of a store, and a store with bytes after it, are not opened", async (t) => {
  const folder = folderOf(t);
  const path = join(folder, "x");
  await keep(path, [1, 2, 3]);
  const whole = readFileSync(path);
  for (const bytes of [whole.subarray(0, 8192), whole.subarray(0, -1), Buffer.concat([whole, Buffer.alloc(1)])]) {
    writeFileSync(path, bytes);
    const before = traces(folder);
    await t.throwsAsync(openStoredDrops(path), { message: /has a size that no store has/ });
    await t.throwsAsync(openDropStore(path), { message: /has a size that no store has/ });
    t.deepEqual(traces(folder), before);
  }
});

test("a store is created in a folder that is there, and in no other", async (t) => {
  const folder = folderOf(t);
  await t.throwsAsync(openDropStore(join(folder, "none", "x")), { message: /There is no folder .*none: create/ });
  t.deepEqual(readdirSync(folder), []);
  const data = join(folder, "data");
  const written = spawnSync(process.execPath, [CLI, "write", "--passphrase", "x", "hello"], {
    env: { ...process.env, XDG_DATA_HOME: data },
  });
  t.is(written.status, 0);
  t.is(statSync(join(data, "throwie")).mode & 0o777, 0o700);
  t.deepEqual(readdirSync(join(data, "throwie")), ["drops.flash"]);
});

test("write refuses a file that is no store before it waits for the message", async (t) => {
  const path = join(folderOf(t), "x");
  writeFileSync(path, database());
  const words = [CLI, "write", "--passphrase", "x", "--store", path];
  const writing = spawn(process.execPath, words, { stdio: ["pipe", "inherit", "pipe"] });
  const [[said], [code]] = await Promise.all([once(writing.stderr, "data"), once(writing, "exit")]);
  t.is(code, 1);
  t.regex(String(said), /is not a store of Drops/);
});

test("an empty file, and a creation that was cut short, are new stores", async (t) => {
  for (const sizeBytes of [0, 1, 4096, 100_001]) {
    const folder = folderOf(t);
    const path = join(folder, "x");
    writeFileSync(path, new Uint8Array(sizeBytes).fill(0xff));
    const before = traces(folder);
    t.deepEqual(await numbersIn(path), []);
    t.deepEqual(traces(folder), before);
    await keep(path, [1]);
    t.is(statSync(path).size, PARTITION_BYTES);
    t.deepEqual(await numbersIn(path), [1]);
  }
});

test("reading leaves no trace, whatever the store is and whoever writes to it", async (t) => {
  const folder = folderOf(t);
  const path = join(folder, "x");
  const { close } = await openDropStore(path);
  close();
  await keep(path, [1, 2]);
  chmodSync(path, 0o400);
  const before = traces(folder);
  t.deepEqual(await numbersIn(path), [1, 2]);
  t.deepEqual(traces(folder), before);
  chmodSync(path, 0o600);
  const writer = await openDropStore(path);
  t.deepEqual(await numbersIn(path), [1, 2]);
  writer.close();
});

test("a reader sees one moment of a file that another process writes to", async (t) => {
  const path = join(folderOf(t), "x");
  writeFileSync(path, new Uint8Array(PARTITION_BYTES));
  // Writes the same number to all sectors, one after another, pauses, and begins again with the next number.
  const code = `const fs = require("fs"), file = fs.openSync(process.argv[1], "r+");
    for (let number = 1; ; number++) {
      const sector = Buffer.alloc(4096, number);
      for (let at = 0; at < ${PARTITION_BYTES}; at += 4096) fs.writeSync(file, sector, 0, 4096, at);
      if (number === 1) console.log("writing");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);
    }`;
  const writer = spawn(process.execPath, ["-e", code, path], { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => writer.kill("SIGKILL"));
  await once(writer.stdout, "data");
  const file = openForReading(path);
  // At any moment the first sectors have a number, and the others the number before.
  const torn = ({ bytes }: Snapshot): boolean => {
    const numbers = Array.from({ length: bytes.length / 4096 }, (_, sector) => bytes[sector * 4096]!);
    const last = numbers.at(-1)!;
    const begun = numbers.indexOf(last);
    return numbers.some((number, sector) => number !== (sector < begun ? (last + 1) & 0xff : last));
  };
  for (let reading = 0; reading < 20; reading++) t.false(torn((await takeStableSnapshot(file, path))!));
  // Canary: a single reading sees two moments sooner or later.
  while (!torn(takeSnapshot(file, path)!)) await new Promise(setImmediate);
  closeSync(file);
});

mountingTest("a store on a read-only file system is read, and not written to", async (t) => {
  const folder = folderOf(t);
  await keep(join(folder, "x"), [1]);
  const script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && cd "$1" || exit 9; $T journal --store x;';
  const { status, stdout, stderr } = inNamespace(`${script} ${OPEN} x; ${OPEN} y`, folder);
  t.is(status, 1, stderr);
  t.regex(stdout, /1 Drop held/);
  t.regex(stderr, /^throwie: x is on a read-only file system.*\nthrowie: y is on a read-only file system.*\n$/);
  t.deepEqual(readdirSync(folder), ["x"]);
});

mountingTest("on a full disk a store is read, and a new one leaves nothing behind", async (t) => {
  const folder = folderOf(t);
  await keep(join(folder, "old"), [1]);
  const disk = join(folder, "disk");
  mkdirSync(disk);
  const mount = 'mount -t tmpfs -o size=1800k none "$1/disk" && cd "$1/disk" && cp ../old x || exit 9;';
  const full = "head -c 10000000 /dev/zero > rest 2>/dev/null;";
  const act = `: > empty; $T journal --store x && ${OPEN} new; ${OPEN} empty; ls -s`;
  const { stdout, stderr } = inNamespace(`${mount} ${full} ${act}`, folder);
  t.regex(stdout, /1 Drop held/);
  t.regex(stdout, /^ *0 empty\n *\d+ rest\n *\d+ x\n$/m);
  t.regex(stderr, /^throwie: The disk that holds new is full.*$/m);
  t.regex(stderr, /^throwie: The disk that holds empty is full.*$/m);
});

test("one writer at a time, also within a process, through links, and whatever lock files lie about", async (t) => {
  const folder = folderOf(t);
  const path = join(folder, "x");
  await keep(path, [1]);
  symlinkSync("x", join(folder, "soft"));
  linkSync(path, join(folder, "hard"));
  // Lock files of version 0.1.0, of processes that do not have the store open.
  for (const holder of ["1 ", `${process.ppid} `, "4194305 77", "", "no number"]) {
    writeFileSync(`${path}.lock`, holder);
    await keep(path, []);
    t.is(readFileSync(`${path}.lock`, "utf8"), holder);
  }
  rmSync(`${path}.lock`);
  const { close } = await openDropStore(path);
  for (const name of ["x", "soft", "hard"]) {
    await t.throwsAsync(openDropStore(join(folder, name), { patienceMs: 0 }), { message: /in use by another process/ });
  }
  close();
  close();
  for (const name of ["x", "soft", "hard"]) await keep(join(folder, name), []);
  t.deepEqual(readdirSync(folder), ["hard", "soft", "x"]);
});

test("a process that is killed leaves no lock, and version 0.1.0 keeps its own while it runs", async (t) => {
  const path = join(folderOf(t), "x");
  await keep(path, [1]);
  const hold = `require("fs-native-extensions").tryLock(file)`;
  for (const [lock, lockFile] of [
    [hold, false],
    ["true", true],
  ] as const) {
    const code = `const file = require("fs").openSync(process.argv[1], "r+"); ${lock}; console.log("held"); setInterval(() => {}, 1000);`;
    const holder = spawn(process.execPath, ["-e", code, path], { stdio: ["ignore", "pipe", "inherit"] });
    await once(holder.stdout, "data");
    if (lockFile) writeFileSync(`${path}.lock`, `${holder.pid} 1`);
    // Only Linux tells which files a process of another program has open.
    if (!lockFile || process.platform === "linux")
      await t.throwsAsync(openDropStore(path, { patienceMs: 0 }), { message: /in use/ });
    holder.kill("SIGKILL");
    await once(holder, "exit");
    await keep(path, []);
  }
});

test("twelve writers at once all get their turn, also those that find no file", async (t) => {
  const path = join(folderOf(t), "x");
  const numbers = Array.from({ length: 12 }, (_, number) => number);
  await Promise.all(numbers.map((number) => keep(path, [number], PATIENT)));
  t.deepEqual(await numbersIn(path), numbers);
});

test("a writer that waits says so once, and writes to the file that has the name in the end", async (t) => {
  const folder = folderOf(t);
  const path = join(folder, "x");
  const { close } = await openDropStore(path);
  const said: string[] = [];
  let waiting: Promise<void> | undefined;
  await new Promise<void>((resolve) => {
    const tell = (words: string): void => {
      said.push(words);
      resolve();
    };
    waiting = keep(path, [1], { ...PATIENT, tell });
  });
  rmSync(path);
  close();
  await waiting;
  t.deepEqual(said, [`Another process writes to ${path}: waiting for that process.`]);
  t.deepEqual(await numbersIn(path), [1]);
});

test("a writer says that it waits also while it asks a holder that does not answer", async (t) => {
  const path = join(folderOf(t), "x");
  const { close } = await openDropStore(path);
  const tell = (words: string): void => answer?.(words);
  let answer: ((words: string) => void) | undefined;
  // The holder is asked once, and what ends the question is the sentence for the person.
  const whileHeld = async (): Promise<void> => {
    throw new Error(await new Promise<string>((resolve) => (answer = resolve)));
  };
  await t.throwsAsync(keep(path, [1], { ...PATIENT, tell, whileHeld }), {
    message: /^Another process writes to .*: waiting/,
  });
  close();
});

// The umask is the whole process's, and ava's workers may not change it. So a process of its own creates the store.
test("only its owner can read a store, whatever the umask, and an older store is narrowed with a word", async (t) => {
  const folder = folderOf(t);
  for (const umask of ["000", "777"]) {
    const path = join(folder, umask);
    const script = `umask ${umask}; exec "$0" "$1" write --passphrase x --store "$2" hello`;
    const { stderr } = spawnSync("sh", ["-c", script, process.execPath, CLI, path], { encoding: "utf8" });
    t.is(stderr, "");
    t.is(statSync(path).mode & 0o777, 0o600);
  }
  const path = join(folder, "000");
  chmodSync(path, 0o664);
  const said: string[] = [];
  await keep(path, [], { tell: (words: string) => said.push(words) });
  await keep(path, [], { tell: (words: string) => said.push(words) });
  t.is(statSync(path).mode & 0o777, 0o600);
  t.deepEqual(said, [`Other users of this machine could read or write ${path}: now only its owner can.`]);
});
