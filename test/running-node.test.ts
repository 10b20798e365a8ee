/**
 * A person writes and reads while a Mule or a gateway has the store open. These tests run the commands as processes:
 * the Mules on an air in this process, a write in the middle of everything, and every way to stop a node.
 *
 * A node carries on whoever goes away, so each one has a guard, which kills the node when this process ends in whatever
 * way. A `throwie write` stretches its key for half a second of work. Where the command is not the point of a test,
 * this process gives the message to the node itself, under a key that was stretched once.
 */
import { type ChildProcess, type StdioOptions, spawn, spawnSync } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import {
  closeSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { createInterface } from "node:readline";
import type { Duplex } from "node:stream";
import test, { type ExecutionContext } from "ava";
import { askNode } from "../hosts/control/client.ts";
import { placesOf } from "../hosts/control/places.ts";
import { HostNode } from "../hosts/node/host-node.ts";
import { keyOfWords, leaveMessage, openMessages, sealMessage } from "../hosts/node/message.ts";
import { decodeDatagram, SENT_DATAGRAM } from "../hosts/radio/air-datagram.ts";
import { openDropStore, openStoredDrops } from "../hosts/store/drop-store.ts";

const THROWIE = "build/hosts/cli/throwie.js";
const WORDS = "paper lanterns";
const KEY = ["--passphrase", WORDS];
const key = keyOfWords(WORDS);

function newFolder(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "throwie-running-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** An air on which every radio hears every other one. Resolves to its address. */
async function openAir(t: ExecutionContext): Promise<string> {
  const socket = createSocket("udp4");
  const ports = new Set<number>();
  socket.on("message", (datagram, { port }) => {
    if (typeof decodeDatagram(datagram) !== "object") return;
    ports.add(port);
    socket.send(SENT_DATAGRAM, port, "127.0.0.1");
    for (const other of ports) if (other !== port) socket.send(datagram, other, "127.0.0.1");
  });
  // The port of a Mule that ended refuses its datagrams.
  socket.on("error", () => {});
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  t.teardown(() => socket.close());
  return `127.0.0.1:${socket.address().port}`;
}

/**
 * Becomes the command of its arguments, under the same process id. What stays behind waits for the end of this test's
 * process, or of the test: then descriptor 3 ends, and the command is killed.
 */
const GUARDED = `{ trap '' HUP; cat; kill -9 $$; } <&3 >/dev/null 2>&1 & exec "$@" 3<&-`;

/** Starts a program that ends with this process. The standard streams are as given. */
function guarded(t: ExecutionContext, program: string[], streams: StdioOptions & unknown[]): ChildProcess {
  const child = spawn("sh", ["-c", GUARDED, "sh", ...program], { stdio: [...streams, "pipe"] as StdioOptions });
  const guard = child.stdio[3] as Duplex;
  guard.on("error", () => {});
  // The guard must not outlive the command, because another process may get its id.
  child.on("exit", () => guard.destroy());
  t.teardown(() => guard.destroy());
  return child;
}

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** A command that runs. Its lines can be waited for. */
class Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly lines: string[] = [];
  #wake: () => void = () => {};

  constructor(t: ExecutionContext, words: string[]) {
    const child = guarded(t, [process.execPath, THROWIE, ...words], ["ignore", "pipe", "pipe"]);
    this.child = child;
    const errors: string[] = [];
    child.stderr!.on("data", (text) => errors.push(String(text)));
    createInterface({ input: child.stdout! }).on("line", (line) => {
      this.lines.push(line);
      this.#wake();
    });
    this.ended = once(child, "close").then(([code, signal]) => {
      this.#wake();
      return { code, signal, stdout: this.lines.map((line) => `${line}\n`).join(""), stderr: errors.join("") };
    });
  }

  /** Resolves to the first line of JSON with this event. */
  async event(name: string): Promise<Record<string, unknown>> {
    for (;;) {
      const line = this.lines.find((candidate) => candidate.includes(`"event":"${name}"`));
      if (line !== undefined) return JSON.parse(line);
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        const { stdout, stderr } = await this.ended;
        throw new Error(`ended before ${name}: ${stdout}${stderr}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

async function startMule(t: ExecutionContext, store: string, air: string): Promise<Running> {
  const mule = new Running(t, ["mule", "--store", store, "--air", air, "--json"]);
  await mule.event("carrying");
  return mule;
}

const write = (t: ExecutionContext, store: string, text: string): Promise<Ended> =>
  new Running(t, ["write", "--store", store, ...KEY, text]).ended;

const sealed = (text: string): Uint8Array => sealMessage(new TextEncoder().encode(text), key);

/** Puts a message into a store that no node has open. */
async function put(store: string, text: string): Promise<void> {
  const node = await HostNode.open({ storePath: store });
  leaveMessage(node, sealed(text), store);
  node.close();
}

/**
 * Gives a message to the node that has the store open. The other tests of this process may hold it up for longer than a
 * node waits for a request. Then the answer is lost, and the request is repeated, as a command does.
 */
async function give(t: ExecutionContext, store: string, text: string): Promise<void> {
  const drop = sealed(text);
  const outcomes = ["stored"];
  let answer = await askNode(store, "publish", { drop });
  while (answer === "lost") {
    outcomes.push("known");
    answer = await askNode(store, "publish", { drop });
  }
  t.true(typeof answer === "object" && outcomes.includes(answer.outcome), JSON.stringify(answer));
}

/** The messages in the store, in the order of the alphabet. */
async function texts(store: string): Promise<string[]> {
  const { store: drops } = await openStoredDrops(store);
  return openMessages(drops, key)
    .map(({ plaintext }) => new TextDecoder().decode(plaintext))
    .sort();
}

test("what is written while a Mule runs is in its store, and reaches another Mule", async (t) => {
  const folder = newFolder(t);
  const air = await openAir(t);
  const mine = join(folder, "mine.flash");
  const theirs = join(folder, "theirs.flash");
  await put(mine, "before");
  const mule = await startMule(t, mine, air);
  const { code, stdout, stderr } = await write(t, mine, "during");
  t.is(code, 0, stderr);
  t.regex(stdout, /^Drop [0-9a-f]{64}, 46 bytes, is in .*mine\.flash with 1 other Drop\.\n$/);
  const read = await new Running(t, ["read", "--store", mine, ...KEY]).ended;
  t.is(read.code, 0, read.stderr);
  t.regex(read.stdout, /^[0-9a-f]{16} {2}before$/m);
  t.regex(read.stdout, /^[0-9a-f]{16} {2}during$/m);
  const other = await startMule(t, theirs, air);
  await other.event("parted");
  // On a busy machine a contact may break. The next one brings the rest.
  while ((await texts(theirs)).length < 2) await new Promise((resolve) => setTimeout(resolve, 100));
  t.deepEqual(await texts(theirs), ["before", "during"]);
  for (const { child, ended } of [mule, other]) {
    child.kill("SIGTERM");
    t.is((await ended).code, 0);
  }
  t.deepEqual(await texts(mine), ["before", "during"]);
});

test("a Drop is deleted with and without a running Mule, and only the one that is meant", async (t) => {
  const store = join(newFolder(t), "drops.flash");
  const remove = (...words: string[]): Promise<Ended> => new Running(t, ["delete", "--store", store, ...words]).ended;
  await put(store, "one");
  const mule = await startMule(t, store, "127.0.0.1:9");
  for (const text of ["two", "three"]) t.is((await write(t, store, text)).code, 0);
  const { stdout } = await new Running(t, ["read", "--store", store, ...KEY, "--json"]).ended;
  const messages = JSON.parse(stdout).messages as { dropId: string; text: string }[];
  const idOf = (wanted: string): string => messages.find(({ text }) => text === wanted)!.dropId;
  const before = readFileSync(store);
  for (const [digits, sentence] of [
    ["", /is not 4 to 64 hexadecimal digits/],
    ["abc", /is not 4 to 64 hexadecimal digits/],
    ["two words", /is not 4 to 64 hexadecimal digits/],
    [`${idOf("two").slice(0, 40)}${"0".repeat(24)}`, /has no Drop/],
  ] as const) {
    const refused = await remove(digits);
    t.is(refused.code, 1);
    t.regex(refused.stderr, sentence);
    t.is(refused.stderr.split("\n").length, 2);
  }
  t.deepEqual(readFileSync(store), before);
  const deleted = await remove(idOf("two").slice(0, 12).toUpperCase());
  t.is(deleted.code, 0, deleted.stderr);
  t.regex(deleted.stdout, /^Drop [0-9a-f]{16} is deleted\. .*drops\.flash holds 2 Drops\.\n$/);
  t.deepEqual(await texts(store), ["one", "three"]);
  mule.child.kill("SIGTERM");
  await mule.ended;
  t.is(JSON.parse((await remove(idOf("one"), "--json")).stdout).held, 1);
  t.deepEqual(await texts(store), ["three"]);
  t.is((await remove(idOf("one"))).code, 1);
});

test("every name of the store leads to the running Mule, and twelve at once all arrive", async (t) => {
  const folder = newFolder(t);
  const store = join(folder, "drops.flash");
  const mule = await startMule(t, store, "127.0.0.1:9");
  symlinkSync("drops.flash", join(folder, "link"));
  symlinkSync(folder, join(folder, "here"));
  linkSync(store, join(folder, "hard"));
  const names = [store, join(folder, "link"), join(folder, "here", "link"), join(folder, "hard")];
  const all = Array.from({ length: 12 }, (_, number) => `message ${number}`);
  const outcomes = await Promise.all(
    all.map((text, number) => write(t, [...names, relative(process.cwd(), store)][number % 5]!, text)),
  );
  for (const { code, stderr } of outcomes) t.is(code, 0, stderr);
  t.deepEqual(await texts(store), all.sort());
  mule.child.kill("SIGINT");
  t.is((await mule.ended).code, 0);
  t.deepEqual(await texts(join(folder, "hard")), all);
});

test("a second Mule says that a Mule carries the store already, and does not wait", async (t) => {
  const store = join(newFolder(t), "drops.flash");
  const mule = await startMule(t, store, "127.0.0.1:9");
  const { code, stdout, stderr } = await new Running(t, ["mule", "--store", store, "--air", "127.0.0.1:9"]).ended;
  t.is(code, 1);
  t.is(stdout, "");
  // On a busy machine the answer takes longer than a second. Then a line before says that this Mule waits.
  t.regex(
    stderr,
    /^throwie: A Mule already carries .*drops\.flash: stop that program first, or use another store\.\n$/m,
  );
  await give(t, store, "the first one carries on");
  mule.child.kill("SIGTERM");
  t.is((await mule.ended).code, 0);
});

test("a Mule that is killed while others write loses nothing, and every write is right in the end", async (t) => {
  const store = join(newFolder(t), "drops.flash");
  const mule = await startMule(t, store, "127.0.0.1:9");
  const places = placesOf(store);
  const all = Array.from({ length: 3 }, (_, number) => `message ${number}`);
  const writing = all.map((text) => write(t, store, text));
  await Promise.race(writing);
  mule.child.kill("SIGKILL");
  for (const { code, stderr } of await Promise.all(writing)) t.is(code, 0, stderr);
  t.true(
    places.every(({ socket }) => existsSync(socket)),
    "a killed Mule leaves its sockets",
  );
  t.deepEqual(await texts(store), all);
  const next = await startMule(t, store, "127.0.0.1:9");
  await give(t, store, "next");
  next.child.kill("SIGTERM");
  await next.ended;
  t.false(places.some(({ folder }) => existsSync(folder)));
  t.deepEqual(placesOf(store), []);
  t.deepEqual(await texts(store), [...all, "next"]);
});

test("a Mule that is frozen can be read, and a write says that nobody knows", async (t) => {
  const store = join(newFolder(t), "drops.flash");
  await put(store, "before");
  const mule = await startMule(t, store, "127.0.0.1:9");
  mule.child.kill("SIGSTOP");
  t.deepEqual(await texts(store), ["before"]);
  const { code, stdout, stderr } = await write(t, store, "during");
  t.is(code, 1);
  t.is(stdout, "");
  t.regex(stderr, /^throwie: Another process writes to [^\n]*: waiting for that process\.$/m);
  t.regex(stderr, /\nthrowie: The program that has .* open does not answer, so it is not known whether [^\n]*\n$/);
  mule.child.kill("SIGCONT");
  mule.child.kill("SIGTERM");
  t.is((await mule.ended).code, 0);
});

for (const signals of [["SIGINT", "SIGINT"], ["SIGTERM"], ["SIGHUP", "SIGHUP"], ["SIGTERM", "SIGHUP"]] as const) {
  test(`a Mule ends cleanly on ${signals.join(" and ")}`, async (t) => {
    const folder = newFolder(t);
    const store = join(folder, "drops.flash");
    const mule = await startMule(t, store, "127.0.0.1:9");
    const places = placesOf(store);
    t.true(places.length > 0);
    for (const signal of signals) mule.child.kill(signal);
    const { code, stderr, stdout } = await mule.ended;
    t.is(code, 0, stderr);
    t.is(stderr, "");
    t.regex(stdout, /"event":"stopped","held":0\}\n$/);
    t.false(places.some((place) => existsSync(place.folder)));
    t.deepEqual(readdirSync(folder), [basename(store)]);
    (await openDropStore(store)).close();
  });
}

test("a Mule that is stopped before it has its store ends with the code of the signal", async (t) => {
  const store = join(newFolder(t), "drops.flash");
  const holder = await openDropStore(store);
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    const mule = new Running(t, ["mule", "--store", store, "--air", "127.0.0.1:9"]);
    // The Mule says that it waits for the store.
    await once(mule.child.stderr!, "data");
    mule.child.kill(signal);
    t.like(await mule.ended, { code, stdout: "" });
  }
  holder.close();
});

test("a Mule whose lines nobody reads carries on, takes a message, and ends", async (t) => {
  const folder = newFolder(t);
  const store = join(folder, "drops.flash");
  const pipe = join(folder, "pipe");
  t.is(spawnSync("mkfifo", [pipe]).status, 0);
  const reader = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  t.throws(() => {
    for (;;) writeSync(reader, Buffer.alloc(4096));
  });
  const full = openSync(pipe, constants.O_WRONLY);
  const words = [process.execPath, THROWIE, "mule", "--store", store, "--air", "127.0.0.1:9"];
  const mule = guarded(t, words, ["ignore", full, "inherit"]);
  closeSync(full);
  const ended = once(mule, "exit");
  while (typeof (await askNode(store, "who", {})) === "string") await new Promise((resolve) => setTimeout(resolve, 50));
  await give(t, store, "hello");
  mule.kill("SIGTERM");
  t.deepEqual(await ended, [0, null]);
  closeSync(reader);
});

// `script` (bsdutils) makes a terminal. Where it is not installed, this test is skipped.
const terminalTest = existsSync("/usr/bin/script") && process.platform === "linux" ? test : test.skip;

terminalTest("a Mule whose terminal is closed ends cleanly", async (t) => {
  const folder = newFolder(t);
  mkdirSync(join(folder, "store"));
  const store = join(folder, "store", "drops.flash");
  const exit = join(folder, "exit");
  // As an interactive shell does, this one passes SIGHUP on. Then it writes down how the Mule ended.
  const mule = `sh -c "$GUARDED" sh ${process.execPath} ${THROWIE} mule --store ${store} --air 127.0.0.1:9`;
  const command = `trap 'kill -HUP $!' HUP; ${mule} & wait; wait $!; echo $? > ${exit}`;
  const env = { ...process.env, GUARDED };
  const terminal = spawn("script", ["-qfec", command, "/dev/null"], { stdio: ["pipe", "pipe", "pipe", "pipe"], env });
  t.teardown(() => {
    terminal.kill("SIGKILL");
    (terminal.stdio[3] as Duplex).destroy();
  });
  await once(createInterface({ input: terminal.stdout! }), "line");
  const places = placesOf(store);
  terminal.kill("SIGKILL");
  while (!existsSync(exit) || readFileSync(exit).length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
  t.is(readFileSync(exit, "utf8"), "0\n");
  t.false(places.some((place) => existsSync(place.folder)));
  (await openDropStore(store)).close();
});

// The QUIC library announces itself to the network, so a gateway runs in a namespace only.
const gatewayTest = process.env.THROWIE_LOOPBACK_ONLY === "1" ? test : test.skip;

gatewayTest("what is written while a gateway runs becomes a post, and SIGHUP ends the gateway cleanly", async (t) => {
  const data = join(newFolder(t), "gateway");
  const store = join(data, "drops.flash");
  const gateway = new Running(t, ["gateway", "--data", data, "--listen", "127.0.0.1:0", "--air", "127.0.0.1:9"]);
  await gateway.event("started");
  const { code, stdout, stderr } = await write(t, store, "to the other town");
  t.is(code, 0, stderr);
  const { drop } = await gateway.event("posted");
  t.true(stdout.includes(`Drop ${drop}, `));
  t.deepEqual(await texts(store), ["to the other town"]);
  for (const words of [
    ["gateway", "--data", data, "--listen", "127.0.0.1:0"],
    ["mule", "--store", store],
  ]) {
    const second = await new Running(t, [...words, "--air", "127.0.0.1:9"]).ended;
    t.is(second.code, 1);
    t.regex(second.stderr, /^throwie: A gateway already carries .*drops\.flash: stop that program first, [^\n]*\n$/m);
  }
  const places = placesOf(store);
  gateway.child.kill("SIGHUP");
  gateway.child.kill("SIGHUP");
  const ended = await gateway.ended;
  t.is(ended.code, 0, ended.stderr);
  t.regex(ended.stdout, /"event":"stopped"/);
  t.false(places.some((place) => existsSync(place.folder)));
  t.deepEqual(await texts(store), ["to the other town"]);
});
