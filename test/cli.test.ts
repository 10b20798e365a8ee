/**
 * A person types the command, and other programs read its output. These tests run it as a process: what it prints, what
 * it refuses, and what a program can read of it.
 */
import { spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import test from "ava";
import { missed } from "../bench/result.ts";
import { openDropStore } from "../hosts/store/drop-store.ts";
import { CORRUPT } from "../modules/store/causes.ts";
import { insertFromWire, insertion } from "./insertion.ts";

const folder = mkdtempSync(join(tmpdir(), "throwie-cli-"));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

function run(program: string, words: string[], input = "") {
  const env = { ...process.env, THROWIE_PASSPHRASE: undefined, XDG_DATA_HOME: folder } as NodeJS.ProcessEnv;
  const { status, stdout, stderr } = spawnSync(process.execPath, [`build/${program}.js`, ...words], {
    encoding: "utf8",
    // A last guard. The slowest command takes five seconds on an idle machine.
    timeout: 600_000,
    env,
    input,
  });
  return { status, stdout, stderr };
}

const throwie = (words: string[], input?: string) => run("hosts/cli/throwie", words, input);

test("read opens a message with its passphrase, in any spelling of Unicode, and not with another one", (t) => {
  const store = ["--store", join(folder, "phrase.flash")];
  const written = throwie(["write", ...store, "--passphrase", "café lanterns", "--json", "Bring a lamp."]);
  t.is(written.status, 0, written.stderr);
  const { dropId, sizeBytes, held } = JSON.parse(written.stdout);
  t.regex(dropId, /^[0-9a-f]{64}$/);
  t.deepEqual([sizeBytes, held], [13 + 40, 1]);
  const decomposed = throwie(["read", ...store, "--passphrase", "cafe\u0301 lanterns", "--json"]);
  t.deepEqual(JSON.parse(decomposed.stdout).messages, [{ dropId, text: "Bring a lamp." }]);
  const wrong = throwie(["read", ...store, "--passphrase", "tea lanterns"]);
  t.is(wrong.status, 0);
  t.is(wrong.stdout, "The 1 Drop here does not open with that passphrase or place.\n");
});

test("a place opens the message that was left there, from anywhere within its square", (t) => {
  const store = ["--store", join(folder, "place.flash")];
  t.is(throwie(["write", ...store, "--place", "57.64911,10.40744"], "from standard input").status, 0);
  const read = throwie(["read", ...store, "--place", "57.6492,10.4075,7", "--json"]);
  t.is(JSON.parse(read.stdout).messages[0].text, "from standard input");
  t.like(JSON.parse(read.stdout).place, { latitude: 57.6492, longitude: 10.4075, cell: "u4pruyd" });
  const link = throwie(["read", ...store, "--place", "geo:57.64911,10.40744?z=17"]);
  t.regex(link.stdout, /from standard input/);
  t.regex(link.stderr, /^Place: latitude 57\.64911, longitude 10\.40744\. Its square u4pruyd is about 81\.7 m wide/);
  const elsewhere = throwie(["read", ...store, "--place", "57.7,10.4", "--json"]);
  t.deepEqual(JSON.parse(elsewhere.stdout).messages, []);
});

test("a stranger's message cannot control the reader's terminal", (t) => {
  const store = ["--store", join(folder, "escape.flash"), "--passphrase", "x"];
  throwie(["write", ...store, "red \u001b[31m alert"]);
  t.false(throwie(["read", ...store]).stdout.includes("\u001b"));
});

for (const [name, words, expected] of [
  ["no key", ["write", "hello"], /THROWIE_PASSPHRASE in the environment.*--passphrase-file FILE.*--place/],
  ["two keys", ["write", "--passphrase", "a", "--place", "1,2", "x"], /not both/],
  ["an empty message", ["write", "--passphrase", "a", ""], /empty/],
  ["a message too long", ["write", "--passphrase", "a", "x".repeat(2009)], /2009 bytes and a Drop holds 2008/],
  ["no such place", ["read", "--store", "LICENSE", "--place", "91,0"], /latitude/i],
  ["a place without longitude", ["read", "--store", "LICENSE", "--place", "51"], /LATITUDE,LONGITUDE/],
  ["no such store", ["read", "--store", "nowhere.flash", "--passphrase", "a"], /no store nowhere\.flash/],
  ["a journal of no store", ["journal", "--store", "nowhere.flash"], /no store nowhere\.flash/],
  ["no such scenario", ["sim", "atlantis"], /no scenario atlantis/],
  ["a seed that is no whole number", ["sim", "pair", "--seed", "-1"], /whole number from 0/],
  ["no such command", ["fly"], /unknown command/],
  [
    "a peer without an id",
    ["gateway", "--data", folder, "--listen", "127.0.0.1:0", "--air", "127.0.0.1:1", "--follow", "x"],
    /id@ip:port/,
  ],
  ["a gateway without a radio", ["gateway", "--data", folder, "--listen", "127.0.0.1:0"], /--radio PORT .* or --air/],
  ["a Mule without a radio", ["mule"], /--radio PORT .* or --air/],
  ["two radios", ["mule", "--radio", "/dev/ttyUSB0", "--air", "127.0.0.1:7400"], /not both/],
  [
    "no such port",
    ["mule", "--radio", join(folder, "ttyUSB9")],
    /There is no port .*ttyUSB9: is the dongle plugged in/,
  ],
  [
    "an air that is not on this machine",
    ["gateway", "--data", folder, "--listen", "127.0.0.1:0", "--air", "10.0.0.1:1"],
    /loopback/,
  ],
] as [string, string[], RegExp][]) {
  test(`refused in one sentence: ${name}`, (t) => {
    const { status, stdout, stderr } = throwie(words);
    t.is(status, 1, stdout);
    t.regex(stderr, expected);
    t.notRegex(stderr, /\n {4}at /, "the answer shows no stack");
    t.is(stdout, "");
  });
}

test("a store that another process has open can be read, and a second writer says that it waits", async (t) => {
  const path = join(folder, "busy.flash");
  const { close } = await openDropStore(path);
  t.is(throwie(["read", "--store", path, "--passphrase", "a"]).status, 0);
  const { status, stderr } = throwie(["write", "--store", path, "--passphrase", "a", "hello"]);
  t.is(status, 1);
  t.regex(stderr, /^throwie: Another process writes to .*busy\.flash: waiting/);
  t.regex(stderr, /^throwie: .*busy\.flash is in use by another process: stop/m);
  close();
  t.is(throwie(["write", "--store", path, "--passphrase", "a", "hello"]).status, 0);
});

test("a store of a newer version is refused in one sentence, and not changed", async (t) => {
  const path = join(folder, "newer.flash");
  (await openDropStore(path)).close();
  const image = readFileSync(path);
  const header = image.subarray(0, 16);
  t.is(header.toString("latin1", 0, 2), "TS");
  header[2] = header[2]! + 1;
  header.writeUInt32LE(crc32(header.subarray(0, 12)), 12);
  writeFileSync(path, image);
  for (const words of [["journal"], ["read", "--passphrase", "a"], ["write", "--passphrase", "a", "hello"]]) {
    const { status, stderr } = throwie([...words, "--store", path]);
    t.is(status, 1);
    t.regex(
      stderr,
      /^throwie: The store .* was written by a newer version: update this program.*nothing was changed\.\n$/,
    );
  }
  t.deepEqual(readFileSync(path), image);
});

test("the journal lists the Drops that died in a full store, and why", async (t) => {
  const path = join(folder, "full.flash");
  const { store, close } = await openDropStore(path);
  const drop = new Uint8Array(300);
  for (let id = 1; id <= store.capacity + 2; id++) {
    t.is(insertFromWire(store, insertion(id, id, drop, { heatKey: 2 * id, now: id })), "stored");
    store.markVerified(store.lastSlot);
  }
  store.remove(store.find(500, 500), CORRUPT);
  store.checkpoint(1000);
  close();
  const { status, stdout } = throwie(["journal", "--store", path, "--json"]);
  t.is(status, 0);
  const { held, room, deaths } = JSON.parse(stdout);
  t.deepEqual([held, room], [749, 750]);
  t.deepEqual(deaths.map(({ shortId, cause }: { shortId: string; cause: string }) => [shortId, cause]).sort(), [
    ["0100000001000000", "coldest"],
    ["0200000002000000", "coldest"],
    ["f4010000f4010000", "corrupt"],
  ]);
  const told = throwie(["journal", "--store", path]).stdout;
  t.regex(told, /^f4010000f4010000 {2}corrupt +\d/m);
  t.regex(told, /3 deaths on record; 749 Drops held, room for 750, 0 sectors retired/);
});

const isolatedTest = process.env.THROWIE_LOOPBACK_ONLY === "1" ? test : test.skip;

isolatedTest("a gateway that cannot listen says so, ends, and releases its store", async (t) => {
  const taken = createSocket("udp4");
  await new Promise<void>((resolve) => taken.bind(0, "127.0.0.1", resolve));
  const listen = `127.0.0.1:${taken.address().port}`;
  const data = join(folder, "gateway");
  const { status, stderr } = throwie(["gateway", "--data", data, "--listen", listen, "--air", "127.0.0.1:7400"]);
  taken.close();
  t.is(status, 1);
  t.true(stderr.includes(`cannot listen on ${listen}`), stderr);
  (await openDropStore(join(data, "drops.flash"))).close();
});

test("an invalid scenario is refused with the name of its field", (t) => {
  const file = join(folder, "bad.json");
  writeFileSync(
    file,
    JSON.stringify({ name: "bad", description: "bad", durationS: -1, radio: {}, nodes: [], drops: [] }),
  );
  const { status, stderr } = throwie(["sim", file]);
  t.is(status, 1);
  t.regex(stderr, /durationS/);
  writeFileSync(file, "{");
  t.regex(throwie(["sim", file]).stderr, /not JSON/);
});

test("help names every command, and the help of each command its options", (t) => {
  const { status, stdout } = throwie(["--help"]);
  t.is(status, 0);
  for (const command of [
    "write",
    "read",
    "delete",
    "journal",
    "recover",
    "mule",
    "gateway",
    "negentropy",
    "sim",
    "doctor",
  ]) {
    t.regex(stdout, new RegExp(`^ {2}${command} `, "m"));
    t.regex(throwie([command, "--help"]).stdout, /Options:/);
  }
});

test("sim prints the seed and the figures; only the same seed gives the same trace", (t) => {
  const text = throwie(["sim", "pair", "--seed", "3"]);
  t.is(text.status, 0, text.stderr);
  t.regex(text.stdout, /^seed 3: pair\./);
  t.regex(text.stdout, /delivered/);
  const [first, second, other] = ["3", "3", "4"].map((seed) =>
    JSON.parse(throwie(["sim", "pair", "--seed", seed, "--json"]).stdout),
  );
  t.deepEqual(first, second);
  t.not(first.traceHash, other.traceHash);
  t.true(text.stdout.includes(first.traceHash));
  t.like(first, { seed: 3, created: 60, wanted: 60, delivered: 60, evictions: 0 });
  for (const field of ["bytesOnAir", "frames"]) t.true(first[field] > 0);
  for (const field of ["p50", "p90", "p99"]) t.true(first.latencySeconds[field] > 0);
});

test("bench: a cost above its limit and a capacity below its limit are missed promises", (t) => {
  const result = (name: string, value: number, limit?: number) => ({ name, value, unit: "", ...(limit && { limit }) });
  t.true(missed(result("d50", 1_401, 1_400)));
  t.false(missed(result("d50", 1_400, 1_400)));
  t.true(missed(result("full.capacity", 749, 750)));
  t.false(missed(result("full.capacity", 750, 750)));
  t.false(missed(result("loss10", 9)));
});

test("bench prints JSON with names, values and units, and answers an unknown name with the known ones", (t) => {
  const { status, stdout } = run("bench/bench", ["store", "--json"]);
  t.is(status, 0);
  const { bench, results } = JSON.parse(stdout);
  t.is(bench, "store");
  for (const { name, value, unit } of results) {
    t.deepEqual([typeof name, typeof value, typeof unit], ["string", "number", "string"]);
  }
  const unknown = run("bench/bench", ["speed"]);
  t.is(unknown.status, 2);
  t.regex(unknown.stderr, /rbsr/);
});
