/**
 * hosts/negentropy must work with other implementations of the protocol. These tests compare every byte with sessions
 * of the reference implementation, results with the truth over random sets, and malformed messages with their reasons.
 * They also run the program as a conformance harness drives it.
 *
 * Replay the random parts with SEED=n.
 */
import { spawn, spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { sha256 } from "@noble/hashes/sha2.js";
import test, { type ExecutionContext } from "ava";
import { seededWords } from "../bench/rbsr.ts";
import { ItemVector } from "../hosts/negentropy/item-vector.ts";
import { FINGERPRINT_BYTES, MessageReader, writeVarint } from "../hosts/negentropy/message.ts";
import { ID_BYTES } from "../hosts/negentropy/record.ts";
import { type Answer, FRAME_SIZE_BYTES_MIN, NegentropySession } from "../hosts/negentropy/session.ts";
import vectors from "./vectors/negentropy.json" with { type: "json" };

const SEED = Number(process.env.SEED ?? 1);
const ROUNDS_MAX = 200;

interface Item {
  timestamp: bigint;
  id: Uint8Array;
}
type Run = { first: number; count: number; timestamp: string; step: string };
type Entry = string | Run;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const idOf = (number: number): Uint8Array => sha256(new TextEncoder().encode(String(number)));

function itemsOf(entries: Entry[]): Item[] {
  return entries.flatMap((entry) => {
    if (typeof entry === "string") {
      const [timestamp, id] = entry.split(",") as [string, string];
      return [{ timestamp: BigInt(timestamp), id: unhex(id) }];
    }
    return Array.from({ length: entry.count }, (_, each) => {
      const number = entry.first + each;
      return { timestamp: BigInt(entry.timestamp) + BigInt(entry.step) * BigInt(number), id: idOf(number) };
    });
  });
}

function sessionOf(items: Item[], limit = 0): NegentropySession {
  const vector = new ItemVector();
  for (const { timestamp, id } of items) vector.insert(timestamp, id);
  vector.seal();
  return new NegentropySession(vector, limit);
}

function accepted(answer: ReturnType<NegentropySession["receive"]>): Answer {
  if (typeof answer === "string") throw new Error(`the message was refused: ${answer}`);
  return answer;
}

/** Carries messages between client and server until the client is done. */
function reconcile(client: NegentropySession, server: NegentropySession) {
  const messages: Uint8Array[] = [];
  const have = new Set<string>();
  const need = new Set<string>();
  let next: Uint8Array | undefined = client.initiate();
  while (next !== undefined) {
    if (messages.length > 2 * ROUNDS_MAX) throw new Error(`the client is not done after ${ROUNDS_MAX} rounds`);
    const { message } = accepted(server.receive(next));
    messages.push(next, message!);
    const answer = accepted(client.receive(message!));
    for (const id of answer.have) have.add(hex(id));
    for (const id of answer.need) need.add(hex(id));
    next = answer.message;
  }
  return { messages, have: [...have].sort(), need: [...need].sort() };
}

function without(items: Item[], others: Item[]): string[] {
  const held = new Set(others.map(({ id }) => hex(id)));
  return items
    .map(({ id }) => hex(id))
    .filter((id) => !held.has(id))
    .sort();
}

for (const vector of vectors.valid.sessions) {
  test(`a session is the reference's, byte for byte: ${vector.name}`, (t) => {
    const client = itemsOf(vector.client as Entry[]);
    const server = itemsOf(vector.server as Entry[]);
    const result = reconcile(sessionOf(client, vector.clientLimit), sessionOf(server, vector.serverLimit));
    t.deepEqual(result.messages.map(hex), vector.messages);
    t.deepEqual([result.have, result.need], [vector.have, vector.need]);
    t.deepEqual([result.have, result.need], [without(client, server), without(server, client)]);
  });
}

test("answers are the reference's, byte for byte", (t) => {
  for (const { name, limit, items, message, answer } of vectors.valid.answers) {
    const { message: ours } = accepted(sessionOf(itemsOf(items), limit).receive(unhex(message)));
    t.is(hex(ours!), answer, name);
  }
});

test("a malformed message is refused for its reason and has no effect", (t) => {
  for (const { receiver, message, reason, note } of vectors.invalid) {
    const session = sessionOf([{ timestamp: 5n, id: idOf(1) }]);
    if (receiver === "client") session.initiate();
    t.is(session.receive(unhex(message)) as string, reason, note);
    // The session still works: it finds that an honest, empty peer lacks its item.
    const after = accepted(session.receive(unhex("6100000200")));
    t.is(receiver === "client" ? after.have.length : after.message!.length, receiver === "client" ? 1 : 37, note);
  }
});

/** Random sets, often with few timestamps or with ids that share a prefix. Sometimes one side is empty. */
function randomSets(words: () => number): [Item[], Item[]] {
  const count = () => words() % [1, 8, 40, 400, 3000][words() % 5]!;
  const timestamps = 1 + (words() % [1, 3, 1000][words() % 3]!);
  const base = [0n, 1_700_000_000n, 2n ** 53n - 2n, 2n ** 64n - 2000n][words() % 4]!;
  const shared = [0, 0, 4, 30][words() % 4]!;
  let serial = 0;
  const item = (): Item => {
    const id = Uint8Array.from({ length: ID_BYTES }, (_, byte) => (byte < shared ? 0xab : words() >>> 24));
    serial += 1;
    if (shared > 0) id.set([serial >> 8, serial & 0xff], ID_BYTES - 2);
    return { timestamp: base + BigInt(words() % timestamps), id };
  };
  const both = Array.from({ length: count() }, item);
  return [
    [...both, ...Array.from({ length: count() >> (words() % 8) }, item)],
    [...Array.from({ length: count() >> (words() % 8) }, item), ...both],
  ];
}

test("random sets reconcile exactly, with and without size limits, and no message is larger than its limit", (t) => {
  t.log(`SEED=${SEED}`);
  const words = seededWords(SEED);
  for (let trial = 0; trial < 60; trial += 1) {
    const [client, server] = randomSets(words);
    const limits = [0, 0].map(() => [0, FRAME_SIZE_BYTES_MIN, 5000, 60_000][words() % 4]!) as [number, number];
    const { messages, have, need } = reconcile(sessionOf(client, limits[0]), sessionOf(server, limits[1]));
    const name = `SEED=${SEED}, trial ${trial}, limits ${limits}`;
    t.deepEqual([have, need], [without(client, server), without(server, client)], name);
    for (const [index, message] of messages.entries()) {
      const limit = limits[index % 2]!;
      t.true(limit === 0 || message.length <= limit, name);
    }
  }
});

test("canary: a client that hides one item of a hundred fails the comparison with the truth", (t) => {
  const [client, server] = [100, 101].map((count) => itemsOf([{ first: 0, count, timestamp: "0", step: "0" }]));
  const { have, need } = reconcile(sessionOf(client!.slice(1)), sessionOf(server!));
  t.deepEqual(have, without(client!, server!));
  t.notDeepEqual(need, without(server!, client!));
});

test("the fingerprint of any range is the SHA-256 of its sum and its count", (t) => {
  const words = seededWords(SEED);
  const items = Array.from({ length: 200 }, (_, number) => ({ timestamp: BigInt(number), id: idOf(words()) }));
  // Ids of all ones make every addition carry.
  for (const { id } of items.slice(60, 140)) id.fill(0xff, 1);
  const vector = new ItemVector();
  for (const { timestamp, id } of items) vector.insert(timestamp, id);
  vector.seal();
  for (let trial = 0; trial < 500; trial += 1) {
    const [from, to] = [words() % 201, words() % 201].sort((a, b) => a - b) as [number, number];
    let sum = 0n;
    for (const { id } of items.slice(from, to)) sum += BigInt(`0x${hex(id.slice().reverse())}`);
    const text = (sum % 2n ** 256n).toString(16).padStart(64, "0");
    const input = Uint8Array.from([...unhex(text).reverse(), ...writeVarint(BigInt(to - from))]);
    t.is(hex(vector.fingerprint(from, to)), hex(sha256(input).subarray(0, 16)), `SEED=${SEED}, ${from} to ${to}`);
  }
});

test("varints are exact up to 2^64 - 1 and as short as possible", (t) => {
  for (const [value, text] of [
    [0n, "00"],
    [127n, "7f"],
    [128n, "8100"],
    [2n ** 53n + 1n, "9080808080808001"],
    [2n ** 64n - 1n, "81ffffffffffffffff7f"],
  ] as [bigint, string][]) {
    t.is(hex(writeVarint(value)), text);
    t.is(new MessageReader(unhex(text)).varint(), value);
  }
});

test("a message cut behind a range that the peer called empty does not hide the items of that range", (t) => {
  // Of the server's 141 items, 110 fill its message. The cut drops the list of the other 31. The client has no items.
  const server = sessionOf(itemsOf([{ first: 0, count: 141, timestamp: "0", step: "1" }]), FRAME_SIZE_BYTES_MIN);
  const client = sessionOf([]);
  client.initiate();
  const emptyFingerprint = hex(sha256(new Uint8Array(ID_BYTES + 1)).subarray(0, FINGERPRINT_BYTES));
  let needed = 0;
  let next: Uint8Array | undefined = unhex(`616f000200000001${emptyFingerprint}`);
  while (next !== undefined) {
    const { message } = accepted(server.receive(next));
    // The reference answers an empty rest here. The client takes that for agreement and misses the other items.
    if (needed === 0) t.false(hex(message!).endsWith(`000001${emptyFingerprint}`));
    const answer = accepted(client.receive(message!));
    needed += answer.need.length;
    next = answer.message;
  }
  t.is(needed, 141);
});

test("items that the protocol cannot express are refused", (t) => {
  const items = new ItemVector();
  t.throws(() => items.insert(2n ** 64n - 1n, idOf(1)), { message: /2\^64 - 2/ });
  t.throws(() => items.insert(-1n, idOf(1)), { message: /from 0/ });
  t.throws(() => items.insert(1n, new Uint8Array(31)), { message: /32 bytes, not 31/ });
  t.throws(() => new NegentropySession(items), { message: /Seal/ });
  items.insert(1n, idOf(1));
  items.insert(1n, idOf(1));
  t.throws(() => items.seal(), { message: /added twice: 6b86b273/ });
  t.throws(() => sessionOf([], FRAME_SIZE_BYTES_MIN - 1), { message: /at least 4096/ });
});

/** Starts the program. `say` writes a line to it, `hear` reads its next line. */
function program(t: ExecutionContext, limit: number) {
  const child = spawn(process.execPath, ["build/hosts/cli/throwie.js", "negentropy"], {
    env: { ...process.env, FRAMESIZELIMIT: String(limit) },
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.teardown(() => child.kill());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
  return {
    say: (line: string) => child.stdin.write(`${line}\n`),
    hear: async () => (await lines.next()).value as string,
    end: () => {
      child.stdin.end();
      return ended;
    },
  };
}

test("two processes reconcile over lines, as a conformance harness drives them", async (t) => {
  const vector = vectors.valid.sessions.find(({ clientLimit, serverLimit }) => clientLimit > 0 && serverLimit > 0)!;
  const client = program(t, vector.clientLimit);
  const server = program(t, vector.serverLimit);
  for (const [side, entries] of [
    [client, vector.client],
    [server, vector.server],
  ] as const) {
    for (const { timestamp, id } of itemsOf(entries as Entry[])) side.say(`item,${timestamp},${hex(id)}`);
    side.say("seal");
  }
  const heard: Record<string, string[]> = { have: [], need: [], msg: [] };
  client.say("initiate");
  for (let line = await client.hear(); line !== "done"; line = await client.hear()) {
    const [kind, text] = line.split(",") as [string, string];
    heard[kind]!.push(text);
    if (kind !== "msg") continue;
    server.say(line);
    const answer = await server.hear();
    heard.msg!.push(answer.slice(4));
    client.say(answer);
  }
  t.deepEqual(heard.msg, vector.messages);
  t.deepEqual([heard.have!.sort(), heard.need!.sort()], [vector.have, vector.need]);
  t.deepEqual(await Promise.all([client.end(), server.end()]), [0, 0]);
});

for (const [name, lines, sentence] of [
  ["an unknown line", "hello", /There is no line "hello"/],
  ["a message before the seal", "msg,61", /"msg" comes after the line "seal"/],
  ["an item after the seal", `seal\nitem,1,${"00".repeat(32)}`, /sealed/],
  ["a short id", "item,1,00", /32 bytes, not 1/],
  ["a timestamp that is no number", `item,1e3,${"00".repeat(32)}`, /decimal number, not "1e3"/],
  ["bytes that are not hexadecimal", "seal\nmsg,6x", /pairs of hexadecimal digits/],
  ["a malformed message", "seal\nmsg,61000003", /A message was refused: a range in it has an unknown mode/],
  ["a second initiate", "seal\ninitiate\ninitiate", /initiated already/],
] as [string, string, RegExp][]) {
  test(`the program ends with one sentence after ${name}`, (t) => {
    const words = ["build/hosts/cli/throwie.js", "negentropy"];
    const { status, stderr } = spawnSync(process.execPath, words, { input: `${lines}\n`, encoding: "utf8" });
    t.is(status, 1);
    t.regex(stderr, sentence);
    t.is(stderr.trim().split("\n").length, 1);
  });
}
