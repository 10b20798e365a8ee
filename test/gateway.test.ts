/**
 * A Drop that is heard in one town must come out in the other town exactly once, although either gateway
 * (hosts/gateway) may lose its power at any time.
 *
 * A sweep runs two gateways over the in-process transport and real databases. Each run cuts the power of one gateway at
 * one place: before or after a call to its database, its air or its transport. The sweep goes through all these places.
 * Each canary breaks one promise, and the same sweep must catch it.
 *
 * The last tests use real processes, real QUIC and SIGKILL. They are skipped outside a loopback-only network namespace.
 * Replay a test that draws random numbers with SEED=n.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import test, { type ExecutionContext, registerCompletionHandler } from "ava";
import { build } from "esbuild";
import Libsql from "libsql";
import { pino } from "pino";
import { loadIdentity } from "../hosts/distsoc/identity.ts";
import { type Post, signPost } from "../hosts/distsoc/post.ts";
import { openIrohTransport } from "../hosts/distsoc/transport/iroh-transport.ts";
import { MemoryNetwork } from "../hosts/distsoc/transport/memory-transport.ts";
import {
  type Connection,
  ProtocolError,
  type Transport,
  TransportError,
} from "../hosts/distsoc/transport/transport.ts";
import { ERROR_CODES, errorName } from "../hosts/distsoc/wire/error-codes.ts";
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  MESSAGE_BOUNDS,
  MESSAGES,
} from "../hosts/distsoc/wire/messages.ts";
import { GatewayDatabase } from "../hosts/gateway/database/database.ts";
import { DatabaseError } from "../hosts/gateway/database/schema.ts";
import { Gateway } from "../hosts/gateway/gateway.ts";
import {
  type Breakage,
  folder,
  hex,
  nothingDue,
  PATIENCE_MS,
  QUICK,
  Town,
  TownAir,
  unbroken,
  until,
} from "./gateway-town.ts";
import { addressOf, identityOf, sleep } from "./transport-contract.ts";

// The QUIC library sometimes keeps this worker alive for minutes after every endpoint was closed.
registerCompletionHandler(() => process.exit());

const SEED = Number(process.env.SEED ?? 20_260_102) >>> 0;
const SILENT = pino({ level: "silent" });
const DEADLINE = { deadlineMs: 60_000 };
const text = (words: string): Uint8Array => Uint8Array.from(Buffer.from(words));

function chance(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const DROPS = [text("to the other town"), text("and one more")];

interface JourneyOptions {
  /** The gateway whose power is cut. */
  who: "A" | "B";
  /** The number of the use of database, air or transport at which the power is cut. 0 means never. */
  cutAt: number;
  broken: Breakage;
  patienceMs: number;
}

interface Journey {
  faults: string[];
  /** Whether the power was cut. */
  cut: boolean;
}

/**
 * A hears two Drops, and B must get them. Both gateways follow each other and push to each other. The power of one
 * gateway is cut at its use number `cutAt`, and then the gateway starts again.
 */
async function journey(path: string, { who, cutAt, broken, patienceMs }: JourneyOptions): Promise<Journey> {
  const network = new MemoryNetwork();
  const a = new Town(network, 1, path);
  const b = new Town(network, 2, path);
  const killed = who === "A" ? a : b;
  const other = who === "A" ? b : a;
  const start = (town: Town, at: number): void =>
    town.start([town === a ? b : a], [town === a ? b : a], { cutAt: at, broken });
  start(a, who === "A" ? cutAt : 0);
  start(b, who === "B" ? cutAt : 0);
  for (const drop of DROPS) a.hear(drop);
  const arrived = (): boolean => DROPS.every((drop) => b.air.drops.has(hex(drop)));
  const quiet = (): boolean => killed.power.dead || (arrived() && nothingDue(a, b));
  await until(quiet, patienceMs);
  const cut = killed.power.dead;
  if (cut) {
    await killed.bury();
    start(killed, 0);
  }
  const faults: string[] = [];
  if (!(await until(() => arrived() && nothingDue(a, b), patienceMs))) faults.push("a Drop did not arrive");
  // Wait for the longest delay, in which a Drop could arrive a second time.
  await sleep(QUICK.timings.capMs + 10);
  for (const drop of DROPS) {
    const times = b.air.stored.get(hex(drop)) ?? 0;
    if (times !== 1) faults.push(`stored ${times} times at B`);
    if (a.air.stored.size !== 0) faults.push("a Drop came back to A");
  }
  const posts = [a, b].map((town) => town.counts().posts);
  if (posts.some((count) => count !== DROPS.length)) faults.push(`${posts.join(" and ")} posts`);
  if (other.logged("fault").length > 0) faults.push(JSON.stringify(other.logged("fault")[0]));
  await Promise.all([a.stop(), b.stop()]);
  return { faults, cut };
}

interface Sweep {
  faults: string[];
  cuts: number;
}

async function sweep(t: ExecutionContext, who: "A" | "B", broken = unbroken, patienceMs = PATIENCE_MS): Promise<Sweep> {
  const path = folder(t);
  const faults: string[] = [];
  let cuts = 0;
  for (let cutAt = 1; cutAt <= 400; cutAt += 1) {
    const result = await journey(join(path, String(cutAt)), { who, cutAt, broken, patienceMs });
    faults.push(...result.faults.map((fault) => `power of ${who} cut at use ${cutAt}: ${fault}`));
    if (!result.cut) break;
    cuts += 1;
    if (broken !== unbroken && faults.length > 0) break;
  }
  return { faults, cuts };
}

test.serial("a Drop arrives once, no matter where the power of the sending gateway is cut", async (t) => {
  const { faults, cuts } = await sweep(t, "A");
  t.deepEqual(faults, []);
  t.true(cuts > 20, `${cuts} cuts`);
  t.log(`${cuts} places`);
});

test.serial("a Drop arrives once, no matter where the power of the receiving gateway is cut", async (t) => {
  const { faults, cuts } = await sweep(t, "B");
  t.deepEqual(faults, []);
  t.true(cuts > 20, `${cuts} cuts`);
  t.log(`${cuts} places`);
});

/** The same database, with some of its methods replaced. */
function variant(database: GatewayDatabase, members: Partial<GatewayDatabase>): GatewayDatabase {
  return new Proxy(database, {
    get: (target, name) => {
      const own = Reflect.get(members, name);
      const member = own ?? Reflect.get(target, name, target);
      return typeof member === "function" && own === undefined ? member.bind(target) : member;
    },
  });
}

/** Keeps the deliveries that are owed in memory only. */
const forgetfulOutbox: Breakage = (database) => {
  const memory: { number: number; post: Post }[] = [];
  return variant(database, {
    post: (drop, _audience, make) => {
      const post = database.post(drop, [], make);
      if (typeof post !== "string") memory.push({ number: memory.length + 1, post });
      return post;
    },
    owed: (_peer, after) => memory.filter(({ number }) => number > after),
    delivered: (number) =>
      void memory.splice(
        memory.findIndex((kept) => kept.number === number),
        1,
      ),
  });
};

/** Answers "stored" before the post is written. The post is written later, when the posts for the air are looked up. */
const hastyAnswer: Breakage = (database) => {
  const unwritten: Post[] = [];
  return variant(database, {
    keep: (post) => {
      if (database.holdsPost(post.id)) return "known";
      unwritten.push(post);
      return "stored";
    },
    awaiting: (after, countMax) => {
      for (const post of unwritten.splice(0)) database.keep(post);
      return database.awaiting(after, countMax);
    },
  });
};

/** Marks a Drop as aired before the Drop is offered to the air. */
const earlyMark: Breakage = (database) =>
  variant(database, {
    awaiting: (after, countMax) => {
      const kept = database.awaiting(after, countMax);
      for (const { number } of kept) database.aired(number);
      return kept;
    },
  });

for (const [name, who, broken] of [
  ["an outbox that forgets", "A", forgetfulOutbox],
  ["an answer before the post is on the disk", "B", hastyAnswer],
  ["a Drop that is marked before the air has it", "B", earlyMark],
] as const) {
  test.serial(`canary: the sweep catches ${name}`, async (t) => {
    const whole = await journey(join(folder(t), "whole"), { who, cutAt: 0, broken, patienceMs: PATIENCE_MS });
    t.deepEqual(whole, { faults: [], cut: false }, "without a power cut the broken variant must show no fault");
    const { faults } = await sweep(t, who, broken, 400);
    t.true(faults.length > 0);
  });
}

interface Scene {
  network: MemoryNetwork;
  town(number: number): Town;
}

function scene(t: ExecutionContext): Scene {
  const network = new MemoryNetwork();
  const path = folder(t);
  const towns: Town[] = [];
  t.teardown(async () => {
    for (const town of towns) await town.bury();
  });
  return {
    network,
    town: (number) => {
      const town = new Town(network, number, path);
      towns.push(town);
      return town;
    },
  };
}

/** A node without a gateway: the test sends and answers its messages. */
async function stranger(
  network: MemoryNetwork,
  number: number,
  to: Town,
): Promise<{ transport: Transport; connection: Connection }> {
  const transport = network.open(identityOf(number).nodeId, { bounds: MESSAGE_BOUNDS });
  return { transport, connection: await transport.connect(to.address, DEADLINE) };
}

async function push(connection: Connection, record: Uint8Array): Promise<string> {
  try {
    const answer = decodeAnswer(
      "PushPost",
      await connection.request(encodeRequest({ type: "PushPost", record }), DEADLINE),
    );
    return typeof answer === "string" ? answer : answer.outcome;
  } catch (error) {
    if (error instanceof ProtocolError) return errorName(error.code);
    throw error;
  }
}

test("a Drop that was heard before the gateway ran is posted once, and delivered after a restart when the peer comes", async (t) => {
  const { town } = scene(t);
  const a = town(1);
  const b = town(2);
  a.air.hear(text("early"));
  a.start([], [b]);
  t.true(await until(() => a.gateway!.status().owed === 1));
  await a.stop();
  a.start([], [b]);
  t.true(await until(() => a.gateway!.status().owed === 1));
  b.start([a], []);
  t.true(await until(() => nothingDue(a, b) && b.air.drops.size === 1));
  t.is(a.logged("posted").length, 1);
  t.is(b.logged("received").length, 1);
  t.like(b.logged("to-air"), [{ outcome: "stored" }]);
  t.is(b.logged("received")[0]!.author, a.identity.nodeId);
  // The air store gives the Drop up later. The gateway must not offer the Drop again.
  b.air.drops.clear();
  await b.stop();
  b.start([a], []);
  await sleep(80);
  t.is(b.air.drops.size, 0);
});

test("three gateways that follow each other bring each Drop to each air once, also when two towns heard the Drop", async (t) => {
  const { town } = scene(t);
  const towns = [town(1), town(2), town(3)];
  for (const one of towns) {
    const others = towns.filter((other) => other !== one);
    one.start(others, others);
  }
  towns[0]!.hear(text("twice heard"));
  towns[1]!.hear(text("twice heard"));
  towns[2]!.hear(text("once heard"));
  t.true(await until(() => nothingDue(...towns) && towns.every((one) => one.air.drops.size === 2)));
  await sleep(100);
  t.true(nothingDue(...towns));
  t.deepEqual(
    towns.map((one) => one.logged("posted").length),
    [1, 1, 1],
  );
  t.deepEqual(
    towns.map((one) => one.gateway!.status().posts),
    [3, 3, 3],
  );
  for (const one of towns) for (const times of one.air.stored.values()) t.is(times, 1);
  t.deepEqual(
    towns.map((one) => one.gateway!.status().connected.length),
    [2, 2, 2],
  );
});

test("a follower that is not in the audience hears of a new post and fetches it, and no post is pushed to it", async (t) => {
  const { town } = scene(t);
  const a = town(1);
  const b = town(2);
  a.start([], []);
  b.start([a], []);
  t.true(await until(() => a.gateway!.status().connected.length === 1));
  a.hear(text("announced"));
  t.true(await until(() => b.air.drops.size === 1));
  t.like(b.logged("fetched"), [{ outcome: "stored" }]);
  t.is(a.logged("pushed").length, 0);
});

test("an air that is busy or full is offered the Drop again until it stores the Drop", async (t) => {
  const { town } = scene(t);
  const a = town(1);
  const b = town(2);
  b.air.moods = ["busy", "colder", "busy"];
  b.start([a], []);
  a.start([], [b]);
  a.hear(text("patient"));
  t.true(await until(() => b.air.drops.size === 1 && nothingDue(b)));
  t.is(b.air.moods.length, 0);
  t.is(b.logged("to-air").length, 1);
});

test("a failure of the air store is logged once as an error, and the Drop is offered until the store holds it", async (t) => {
  const { town } = scene(t);
  const a = town(1);
  const b = town(2);
  b.air.moods = ["flash", "flash", "busy", "flash"];
  b.start([a], []);
  a.start([], [b]);
  a.hear(text("patient"));
  t.true(await until(() => b.air.drops.size === 1 && nothingDue(b)));
  t.deepEqual(
    b.logged("to-air").map(({ level, outcome }) => [level, outcome]),
    [
      [50, "flash"],
      [50, "flash"],
      [30, "stored"],
    ],
  );
});

test("a refused delivery stays owed, and succeeds when the peer follows the author", async (t) => {
  const { town } = scene(t);
  const a = town(1);
  const b = town(2);
  b.start([], []);
  a.start([], [b]);
  a.hear(text("stubborn"));
  t.true(await until(() => a.logged("pushed").length >= 3));
  t.true(a.logged("pushed").every((line) => line.outcome === "refused"));
  t.is(a.gateway!.status().owed, 1);
  t.is(b.gateway!.status().posts, 0);
  await b.stop();
  b.start([a], []);
  t.true(await until(() => nothingDue(a, b) && b.air.drops.size === 1));
});

test("a peer that does not answer within the deadline is disconnected and dialled again", async (t) => {
  const { network, town } = scene(t);
  const a = town(1);
  const deaf = network.open(identityOf(2).nodeId, { bounds: MESSAGE_BOUNDS });
  let silent = true;
  deaf.onMessage(async (_, message) => {
    if (silent) await new Promise(() => {});
    const request = decodeRequest(message);
    t.true(typeof request !== "string" && request.type === "PushPost");
    return encodeAnswer({ type: "PushPostAnswer", outcome: "known" });
  });
  a.start([], [{ address: { id: deaf.self, sockets: ["memory"] } }], { requestDeadlineMs: 500 });
  a.hear(text("hello?"));
  t.true(await until(() => a.logged("peer-down").length >= 1));
  t.like(a.logged("pushed")[0], { outcome: "deadline" });
  silent = false;
  t.true(await until(() => nothingDue(a)));
  t.like(a.logged("pushed").at(-1), { outcome: "known" });
  await deaf.close();
});

test("a post from any peer is stored only if its author is followed and its signature is right", async (t) => {
  const { network, town } = scene(t);
  const gateway = town(1);
  const followed = identityOf(5);
  gateway.start([{ address: { id: followed.nodeId, sockets: ["memory"] } }], []);
  const { transport, connection } = await stranger(network, 9, gateway);
  const good = signPost(followed, 1, text("good"));
  const forged = Uint8Array.from(good.record);
  forged[forged.length - 1]! ^= 1;
  t.is(await push(connection, signPost(identityOf(9), 1, text("mine")).record), "refused");
  t.is(await push(connection, signPost(gateway.identity, 1, text("yours")).record), "refused");
  t.is(await push(connection, forged), "bad-signature");
  t.is(await push(connection, Uint8Array.of(0xa0)), "malformed");
  t.is(gateway.gateway!.status().posts, 0);
  t.is(await push(connection, good.record), "stored");
  t.is(await push(connection, good.record), "known");
  t.is(await push(connection, forged), "bad-signature");
  t.true(await until(() => gateway.air.drops.size === 1));

  const ask = async (postId: Uint8Array) =>
    decodeAnswer("FileRequest", await connection.request(encodeRequest({ type: "FileRequest", postId }), DEADLINE));
  t.deepEqual(await ask(good.id), { type: "FileResponse", record: good.record });
  t.deepEqual(await ask(new Uint8Array(32)), { type: "FileResponse" });
  await transport.close();
});

test("a notification gets the same answer for every author, and a fetched post must be the announced one", async (t) => {
  const { network, town } = scene(t);
  const gateway = town(1);
  const followed = identityOf(5);
  gateway.start([{ address: { id: followed.nodeId, sockets: ["memory"] } }], []);
  const { transport, connection } = await stranger(network, 9, gateway);
  const [one, two, three] = [1, 2, 3].map((number) => signPost(followed, number, text(`post ${number}`)));
  const asked: string[] = [];
  transport.onMessage(async (_, message) => {
    const request = decodeRequest(message);
    if (typeof request === "string" || request.type !== "FileRequest") throw new ProtocolError("malformed");
    asked.push(hex(request.postId));
    if (hex(request.postId) === hex(one!.id)) return encodeAnswer({ type: "FileResponse", record: two!.record });
    if (hex(request.postId) === hex(two!.id)) return encodeAnswer({ type: "FileResponse" });
    return encodeAnswer({ type: "FileResponse", record: three!.record });
  });
  const tell = async (author: string, postId: Uint8Array) =>
    hex(await connection.request(encodeRequest({ type: "PostNotification", author, sequence: 1, postId }), DEADLINE));
  const answers = [await tell(identityOf(6).nodeId, one!.id)];
  for (const post of [one!, two!, three!]) answers.push(await tell(post.author, post.id));
  t.true(await until(() => gateway.air.drops.size === 1));
  answers.push(await tell(three!.author, three!.id));
  t.deepEqual(answers, new Array(5).fill("35a0"));
  t.deepEqual(
    asked,
    [one!, two!, three!].map(({ id }) => hex(id)),
  );
  t.deepEqual(
    gateway.logged("fetched").map((line) => line.outcome),
    ["another post", "absent", "stored"],
  );
  await transport.close();
});

async function refusals(connection: Connection): Promise<number[]> {
  const codes: number[] = [];
  for (let type = 0; type < 256; type += 1) {
    const error = await connection.request(Uint8Array.of(type, 0x80), DEADLINE).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    codes.push(error instanceof ProtocolError ? error.code : -1);
  }
  return codes;
}

function expectedRefusals(): number[] {
  return Array.from({ length: 256 }, (_, type) => {
    const entries = Object.values(MESSAGES).filter(({ code }) => code === type);
    if (entries.some((entry) => "decode" in entry)) return ERROR_CODES.malformed;
    return entries.length > 0 ? ERROR_CODES["unsupported-type"] : ERROR_CODES["unknown-type"];
  });
}

test("every type byte that cannot be served is answered with a code, and the connection stays open", async (t) => {
  const { network, town } = scene(t);
  const gateway = town(1);
  gateway.start([], []);
  const { transport, connection } = await stranger(network, 9, gateway);
  t.deepEqual(await refusals(connection), expectedRefusals());
  const answer = await connection.request(encodeRequest({ type: "FileRequest", postId: new Uint8Array(32) }), DEADLINE);
  t.deepEqual(decodeAnswer("FileRequest", answer), { type: "FileResponse" });
  await transport.close();
});

test("2,000 random bodies of each type get a code each, cause no fault, and store no post", async (t) => {
  const { network, town } = scene(t);
  const gateway = town(1);
  const followed = identityOf(5);
  gateway.start([{ address: { id: followed.nodeId, sockets: ["memory"] } }], []);
  const { transport, connection } = await stranger(network, 9, gateway);
  const good = signPost(followed, 1, text("survivor"));
  const bases = [
    encodeRequest({ type: "FileRequest", postId: good.id }),
    encodeRequest({ type: "PostNotification", author: identityOf(6).nodeId, sequence: 1, postId: good.id }),
    encodeRequest({ type: "PushPost", record: good.record }),
  ];
  const next = chance(SEED);
  const outcomes = new Map<string, number>();
  const one = async (message: Uint8Array): Promise<void> => {
    const outcome = await connection.request(message, DEADLINE).then(
      () => "answered",
      (error: unknown) => (error instanceof ProtocolError ? errorName(error.code) : String(error)),
    );
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
  };
  const types = new Set(Object.values(MESSAGES).map(({ code }): number => code));
  for (const type of [...types, 0x00, 0xff]) {
    const base = bases.find((message) => message[0] === type);
    const batch: Promise<void>[] = [];
    for (let round = 0; round < 2000; round += 1) {
      let message: Uint8Array;
      if (base !== undefined && round % 2 === 0) {
        message = Uint8Array.from(base);
        const at = 1 + next(message.length - 1);
        message[at] = (message[at]! + 1 + next(255)) & 0xff;
      } else {
        message = Uint8Array.from({ length: 1 + next(64) }, () => next(256));
        message[0] = type;
      }
      batch.push(one(message));
    }
    await Promise.all(batch);
  }
  const codes = new Set(["answered", "malformed", "unknown-type", "unsupported-type", "refused", "bad-signature"]);
  t.deepEqual(
    [...outcomes.keys()].filter((outcome) => !codes.has(outcome)),
    [],
    `SEED=${SEED}`,
  );
  t.is(
    [...outcomes.values()].reduce((sum, count) => sum + count),
    23 * 2000,
  );
  t.true(outcomes.get("bad-signature")! > 100);
  t.is(gateway.gateway!.status().posts, 0);
  t.deepEqual(gateway.logged("fault"), []);
  t.is(await push(connection, good.record), "stored");
  await transport.close();
});

test("the database has one owner and one process, and never uses a sequence number twice", (t) => {
  const path = join(folder(t), "gateway.sqlite");
  const self = identityOf(1);
  const open = (identity = self) => new GatewayDatabase(path, identity.nodeId, { log: SILENT });
  const database = open();
  t.throws(() => open(), { instanceOf: DatabaseError, message: /in use by another process/ });
  const make = (words: string) =>
    database.post(text(words), [identityOf(2).nodeId], (sequence) => signPost(self, sequence, text(words)));
  const first = make("one");
  t.true(typeof first !== "string" && first.sequence === 1);
  t.is(make("one"), "known");
  t.throws(
    () =>
      database.post(text("fails"), [], () => {
        throw new Error("our own bug");
      }),
    { message: "our own bug" },
  );
  t.is(database.keep(signPost(identityOf(3), 9, text("theirs"))), "stored");
  t.is(make("theirs"), "known");
  t.is(database.keep(signPost(identityOf(4), 9, text("one"))), "stored");
  t.deepEqual(database.counts(), { posts: 3, owed: 1, awaiting: 2 });
  database.close();
  t.throws(() => database.counts(), { message: /after close/ });
  t.throws(() => open(identityOf(2)), {
    instanceOf: DatabaseError,
    message: /belongs to node .* put its key file back/,
  });
  const again = open();
  const second = again.post(text("two"), [], (sequence) => signPost(self, sequence, text("two")));
  t.true(typeof second !== "string" && second.sequence === 2);
  t.deepEqual(again.counts(), { posts: 4, owed: 1, awaiting: 2 });
  again.close();
  const plain = new Libsql(path);
  t.deepEqual((plain.pragma("journal_mode") as { journal_mode: string }[])[0], { journal_mode: "wal" });
  plain.exec("PRAGMA user_version = 99");
  plain.close();
  t.throws(() => open(), { instanceOf: DatabaseError, message: /newer version/ });
  t.throws(() => new GatewayDatabase(join(path, "absent/x"), self.nodeId, { log: SILENT }), {
    instanceOf: DatabaseError,
    message: /cannot be opened/,
  });
});

test("two peers that dial each other keep one connection", async (t) => {
  const { town } = scene(t);
  const a = town(1);
  const b = town(2);
  a.start([b], [b]);
  b.start([a], [a]);
  t.true(await until(() => a.logged("peer-up").length > 0 && b.logged("peer-up").length > 0));
  await sleep(150);
  t.deepEqual([a.logged("peer-up").length, a.logged("peer-down").length], [1, 0]);
  t.deepEqual([b.logged("peer-up").length, b.logged("peer-down").length], [1, 0]);
});

const loopbackOnly = process.env.THROWIE_LOOPBACK_ONLY === "1";
const quic = loopbackOnly ? test.serial : test.serial.skip;
const why = loopbackOnly
  ? ""
  : " (skipped: the QUIC library sends UPnP packets; run npm test, which has a network namespace of its own)";

interface Process {
  child: ChildProcess;
  address: string;
  socket: string;
  lines: Record<string, unknown>[];
  gone: Promise<void>;
}

const PROGRAM = "build/test/gateway-process.mjs";

function buildProgram(): Promise<unknown> {
  const options = { bundle: true, platform: "node", format: "esm", packages: "external", logLevel: "error" } as const;
  return build({ ...options, entryPoints: ["test/gateway-process.ts"], outfile: PROGRAM });
}

async function run(t: ExecutionContext, path: string, listen: string, peers: string[]): Promise<Process> {
  mkdirSync(path, { recursive: true });
  const child = spawn(process.execPath, [PROGRAM, join(path, "data"), listen, join(path, "air"), ...peers], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.teardown(() => void child.kill("SIGKILL"));
  const lines: Record<string, unknown>[] = [];
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.stdin!.on("error", () => {});
  const started = new Promise<Record<string, unknown>>((resolve, reject) => {
    createInterface({ input: child.stdout! }).on("line", (line) => {
      const event = JSON.parse(line) as Record<string, unknown>;
      lines.push(event);
      if (event.event === "started") resolve(event);
    });
    child.once("exit", (code) => reject(new Error(`the gateway ended with ${code}`)));
  });
  const event = await started;
  const socket = (event.addresses as string[])[0]!;
  return { child, address: `${event.node}@${socket}`, socket, lines, gone };
}

quic(`QUIC${why}: every Drop arrives once between two processes that are killed at random times`, async (t) => {
  await buildProgram();
  const path = folder(t);
  const next = chance(SEED);
  for (const name of ["a", "b"]) mkdirSync(join(path, name, "data"), { recursive: true });
  const address = (name: string, socket: string): string =>
    `${loadIdentity(join(path, name, "data/identity.key")).nodeId}@${socket}`;
  const sockets = { a: "127.0.0.1:47401", b: "127.0.0.1:47402" };
  const start = (name: "a" | "b"): Promise<Process> => {
    const other = name === "a" ? address("b", sockets.b) : address("a", sockets.a);
    return run(t, join(path, name), sockets[name], [`follow=${other}`, `audience=${other}`]);
  };
  const processes = { a: await start("a"), b: await start("b") };
  const drops: string[] = [];
  const hear = (name: "a" | "b"): void => {
    const drop = hex(text(`Drop ${drops.length} from ${name}, ${next(1_000_000)}`));
    drops.push(drop);
    // A kill may lose a line, and then no gateway has heard the Drop. So the line is repeated until the file of the air
    // has it.
    const say = (): void => void processes[name].child.stdin!.write(`hear ${drop}\n`);
    const again = setInterval(() => (held(name).includes(drop) ? clearInterval(again) : say()), 50);
    t.teardown(() => clearInterval(again));
    say();
  };
  const held = (name: "a" | "b"): string[] => {
    try {
      return readFileSync(join(path, name, "air"), "latin1")
        .split("\n")
        .slice(0, -1);
    } catch {
      return [];
    }
  };
  for (let round = 0; round < 8; round += 1) {
    const killed = round % 2 === 0 ? "b" : "a";
    for (let count = 0; count < 3; count += 1) hear(next(2) === 0 ? "a" : "b");
    await sleep(next(120));
    processes[killed].child.kill("SIGKILL");
    await processes[killed].gone;
    processes[killed] = await start(killed);
  }
  const complete = (): boolean =>
    (["a", "b"] as const).every((name) => drops.every((drop) => held(name).includes(drop)));
  t.true(await until(complete), `SEED=${SEED}: ${held("a").length} and ${held("b").length} of ${drops.length}`);
  await sleep(500);
  t.deepEqual(held("a").sort(), [...drops].sort(), `SEED=${SEED}`);
  t.deepEqual(held("b").sort(), [...drops].sort(), `SEED=${SEED}`);
  const faults = [...processes.a.lines, ...processes.b.lines].filter((line) => line.event === "fault");
  t.deepEqual(faults, []);
  processes.a.child.kill("SIGTERM");
  await processes.a.gone;
});

quic(`QUIC${why}: a gateway whose log nobody reads goes on, and ends when it is told to`, async (t) => {
  await buildProgram();
  const path = folder(t);
  mkdirSync(join(path, "data"));
  const air = join(path, "air");
  const child = spawn(process.execPath, [PROGRAM, join(path, "data"), "127.0.0.1:0", air], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.teardown(() => void child.kill("SIGKILL"));
  const gone = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const drops = 600;
  for (let number = 0; number < drops; number += 1) child.stdin!.write(`hear ${hex(text(`Drop ${number}`))}\n`);
  const held = (): number => (existsSync(air) ? readFileSync(air, "latin1").split("\n").length - 1 : 0);
  t.true(await until(() => held() === drops), `${held()} of ${drops}`);
  child.kill("SIGTERM");
  t.is(await gone, 0);
  const database = new Libsql(join(path, "data/gateway.sqlite"));
  t.is((database.prepare("SELECT count(*) AS posts FROM posts").get([]) as { posts: number }).posts, drops);
  database.close();
});

quic(`QUIC${why}: a gateway on a machine without IPv6 listens on its IPv4 address`, async (t) => {
  await buildProgram();
  const path = folder(t);
  mkdirSync(join(path, "data"));
  const without = 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 && exec "$@"';
  const loopback = [process.execPath, "build/hosts/machine/loopback.js", "sh", "-c", without, "sh"];
  const environment = { ...process.env, THROWIE_LOOPBACK_ONLY: "" };
  if (spawnSync(loopback[0]!, [...loopback.slice(1), "true"], { env: environment }).status !== 0) {
    t.pass("this system does not let a test switch IPv6 off");
    return;
  }
  const program = [process.execPath, PROGRAM, join(path, "data"), "127.0.0.1:0", join(path, "air")];
  const child = spawn(loopback[0]!, [...loopback.slice(1), ...program], {
    env: environment,
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => void child.kill("SIGTERM"));
  const [line] = await new Promise<string[]>((resolve) => {
    createInterface({ input: child.stdout! }).once("line", (first) => resolve([first]));
    child.once("exit", () => resolve([]));
  });
  t.regex(line ?? "", /"event":"started".*"addresses":\["127\.0\.0\.1:\d+"\]/);
});

quic(
  `QUIC${why}: a gateway refuses unknown types and an author that it does not follow, and stores a followed one`,
  async (t) => {
    const path = folder(t);
    const air = new TownAir();
    const [identity, followed] = [identityOf(1), identityOf(5)];
    const transport = await openIrohTransport({ identity, listen: "127.0.0.1:0", bounds: MESSAGE_BOUNDS });
    const gateway = new Gateway({
      ...{ dataPath: path, identity, transport, air, audience: [], logger: pino({ level: "silent" }), ...QUICK },
      follow: [{ id: followed.nodeId, sockets: ["127.0.0.1:9"] }],
    });
    gateway.start();
    const other = await openIrohTransport({ identity: identityOf(9), listen: "127.0.0.1:0", bounds: MESSAGE_BOUNDS });
    t.teardown(() => Promise.all([gateway.stop(), other.close()]).then(() => {}));
    const connection = await other.connect(addressOf(transport), DEADLINE);
    t.deepEqual(await refusals(connection), expectedRefusals());
    t.is(await push(connection, signPost(identityOf(9), 1, text("mine")).record), "refused");
    t.is(await push(connection, signPost(followed, 1, text("theirs")).record), "stored");
    t.true(await until(() => air.drops.size === 1));
    await gateway.stop();
    await t.throwsAsync(connection.request(Uint8Array.of(0x30), DEADLINE), { instanceOf: TransportError });
  },
);
