/**
 * A board that sleeps loses its RAM. These tests check what a node retains all the same, that a state which does not
 * fit is as if there were none, and what boards save with it. A board that retains nothing is the canary.
 *
 * Replay with SEED=n.
 */
import { readFileSync } from "node:fs";
import test from "ava";
import { FRAME_HEADER_BYTES } from "../modules/glacier/frame.ts";
import { FINGERPRINT_SIZE_BYTES, Fingerprint } from "../modules/rbsr/fingerprint.ts";
import { crc32 } from "../modules/store/crc32.ts";
import { Store } from "../modules/store/store.ts";
import { freshKey, HEAT_RANGE } from "../modules/temperature/temperature.ts";
import { Acquaintances } from "../modules/throwie/acquaintances.ts";
import { Admission } from "../modules/throwie/admission.ts";
import { Effort } from "../modules/throwie/effort.ts";
import { Falsehoods } from "../modules/throwie/falsehoods.ts";
import { Neighbours } from "../modules/throwie/neighbours.ts";
import { RETAINED_BYTES, Retained } from "../modules/throwie/retained.ts";
import { Throwie } from "../modules/throwie/throwie.ts";
import type { SimNode } from "../sim/node.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { board, holdings, namesOf, seed, worldOf, write } from "./contact-world.ts";
import { insertion } from "./insertion.ts";

const HALF_MINUTE_MS = 30_000;
const DAY_MS = 86_400_000;

/** The part `to` takes over what the part `from` carries. */
function sleep<T extends { carry(over: Retained): void }>(from: T, to: T): T {
  const bytes = new Uint8Array(RETAINED_BYTES);
  from.carry(new Retained(bytes, true));
  to.carry(new Retained(bytes, false));
  return to;
}

const peer = (last: number): Uint8Array => Uint8Array.of(2, 0, 0, 0, 1, last);

function storeOf(drops: number, capacity: number): Store {
  const store = new Store(new NorFlash({ sizeBytes: 448 * 4_096 }), capacity);
  store.mount();
  for (let id = 1; id <= drops; id++)
    store.insert(insertion(id, id, Uint8Array.of(1), { lengthBytes: 1, heatKey: freshKey(0) }));
  return store;
}

test("pauses after contacts go on through a sleep", (t) => {
  const before = new Acquaintances();
  for (let i = 0; i < 8; i++) before.ended(peer(1), "barren", 0, 1_000 * i);
  before.presumed(peer(3), 8_000);
  const after = sleep(before, new Acquaintances());
  t.is(after.failures(peer(1)), 6);
  t.false(after.ready(peer(1), 5, HALF_MINUTE_MS), "64 s are not over");
  t.true(after.ready(peer(1), 5, 7_000 + 64_000));
  t.true(after.ready(peer(4), 5, 8_000), "a peer that was never met");
});

test("a pause after openings without an answer ends with a sleep, since anyone may replay a sleeper's beacon", (t) => {
  const before = new Acquaintances();
  before.ended(peer(1), "barren", 0, 8_000);
  for (let i = 0; i < 8; i++) before.ended(peer(2), "unanswered", 77, 1_000 * i);
  before.ended(peer(3), "unanswered", 78, 8_000);
  before.ended(peer(3), "barren", 78, 8_000);
  t.false(before.ready(peer(2), 77, HALF_MINUTE_MS));
  t.true(before.ready(peer(2), 76, HALF_MINUTE_MS), "the wait holds for one nonce only");
  const after = sleep(before, new Acquaintances());
  t.false(before.ready(peer(2), 77, HALF_MINUTE_MS), "giving changes nothing");
  t.true(after.ready(peer(2), 77, 8_500));
  t.is(after.failures(peer(2)), 0);
  t.false(after.ready(peer(1), 77, 8_500));
  t.false(after.ready(peer(3), 78, 8_500), "the peer answered later");
});

test("what died for a newcomer does not come back after a sleep, also when the ring has turned", (t) => {
  for (const deaths of [3, 600, 1_499, 1_700]) {
    const store = storeOf(750, 750);
    const before = new Admission(store, 0);
    for (let low = 1; low <= deaths; low++) before.displaced(0, 5_000 + low);
    const after = sleep(before, new Admission(store, 0));
    const kept = Math.min(deaths, 512);
    t.is(after.judge(5_000 + deaths), "departed");
    t.is(after.judge(5_000 + deaths - kept + 1), "departed", `${deaths} deaths: the oldest that is kept`);
    t.not(after.judge(5_000 + deaths - kept), "departed");
    after.displaced(0, 9_999);
    t.is(after.judge(9_999), "departed");
    t.is(after.judge(5_000 + deaths), "departed", "the next death does not take its place");
    after.settle(HEAT_RANGE);
    t.not(after.judge(5_000 + deaths), "departed", "in the end all is forgotten");
  }
});

test("the places of junk that was removed still cost tokens after a sleep", (t) => {
  const store = storeOf(20, 20);
  const before = new Admission(store, 0);
  const junk = insertion(99, 99, Uint8Array.of(1), { lengthBytes: 1, heatKey: freshKey(0), victim: 0 });
  store.insert(junk);
  before.entered(store.lastSlot, 0);
  store.remove(store.lastSlot, 0);
  before.left(store.lastSlot);
  t.is(before.judge(7), "token");
  t.is(new Admission(store, 0).judge(7), "newcomer", "canary: a node that begins anew");
  t.is(sleep(before, new Admission(store, 0)).judge(7), "token");
});

test("false Drops, their givers, and what was given are known after a sleep", (t) => {
  const before = new Falsehoods(10);
  for (let i = 0; i < 4; i++) {
    before.brought(i, peer(1));
    before.found(i, i, 1, 1_000);
  }
  before.gave(123, 456, peer(2));
  const after = sleep(before, new Falsehoods(10));
  t.true(after.wasFalse(3, 1));
  t.true(after.shuns(peer(1), 4_900));
  t.false(after.shuns(peer(1), 5_100));
  const place = after.nextGiven(peer(2), -1);
  t.deepEqual([after.lowAt(place), after.highAt(place)], [123, 456]);
  after.gave(7, 8, peer(2));
  t.is(after.lowAt(after.nextGiven(peer(2), place)), 7, "the ring goes on where it was");
});

test("the neighbours heard last cost no hashing after a sleep, and stale fingerprints are not kept", (t) => {
  const store = storeOf(50, 60);
  const before = new Neighbours(store, new Effort(), 0);
  const hear = (neighbours: Neighbours, nonce: number, now: number) => neighbours.fingerprint(nonce, 1, now);
  for (let nonce = 1; nonce <= 12; nonce++) hear(before, nonce, 1_000 * nonce);
  before.add(51, 51);
  store.insert(insertion(51, 51, Uint8Array.of(1), { lengthBytes: 1, heatKey: freshKey(0) }));
  for (const nonce of [3, 12, 4, 5, 6, 7, 8, 9, 10]) hear(before, nonce, 20_000 + 1_000 * nonce);
  const effort = new Effort();
  const after = sleep(before, new Neighbours(store, effort, HALF_MINUTE_MS));
  for (const nonce of [12, 10, 9, 8, 7, 6, 5, 4]) {
    t.truthy(after.known(nonce, 1, 60_000), `${nonce}`);
    t.is(after.known(nonce, 1, 60_000)!.count, 51);
  }
  t.is(effort.mixes, 0);
  for (const nonce of [3, 1, 2, 11]) t.is(after.known(nonce, 1, 60_000), undefined, `${nonce}`);
  const few = new Neighbours(store, new Effort(), 0);
  hear(few, 1, 5);
  t.truthy(sleep(few, new Neighbours(store, effort, 9)).known(1, 1, 9), "fewer neighbours than places");
});

/** A node, and the lives after it on the same flash. */
class Sleeper {
  now = 1_000;
  readonly flash = new NorFlash({ sizeBytes: 64 * 4_096 });
  readonly random = new SeededRandom(seed, "retained");
  node = this.live(undefined);
  #sent = new Uint8Array(0);

  live(retained: Uint8Array | undefined, capacity = 20): Throwie {
    const store = new Store(this.flash, capacity);
    store.mount();
    this.node = new Throwie({
      radio: {
        address: Uint8Array.of(2, 0, 0, 0, 0, 1),
        frameSizeBytesMax: 250,
        receiveQueueFrames: 48,
        full: false,
        send: (frame, lengthBytes) => {
          this.#sent = frame.slice(0, lengthBytes);
          return true;
        },
      },
      clock: { now: () => this.now },
      random: this.random,
      store,
      beaconAtOnce: true,
      epoch: 0,
      ...(retained === undefined ? {} : { retained }),
    });
    return this.node;
  }

  /** The node's beacon: its nonce, and all of its frame. */
  beacon(): { nonce: string; frame: string } {
    this.node.turn();
    const frame = Buffer.from(this.#sent).toString("hex");
    return { nonce: frame.slice(2 * FRAME_HEADER_BYTES, 2 * FRAME_HEADER_BYTES + 16), frame };
  }

  publish(): void {
    const drop = new Uint8Array(100);
    this.random.fill(drop);
    this.node.publish(drop, "own");
  }

  retain(): Uint8Array {
    const bytes = new Uint8Array(RETAINED_BYTES).fill(0xa5);
    this.node.checkpoint();
    this.node.retain(bytes);
    this.now += HALF_MINUTE_MS;
    return bytes;
  }
}

test("a node goes on with its beacon after a sleep, and hashes nothing for it", (t) => {
  const sleeper = new Sleeper();
  for (let i = 0; i < 10; i++) sleeper.publish();
  for (let nap = 0; nap < 5; nap++) {
    const before = sleeper.beacon();
    sleeper.live(sleeper.retain());
    const after = sleeper.beacon();
    t.deepEqual(after, before);
    t.is(sleeper.node.effort.mixes, 0);
    if (nap % 2 === 1) sleeper.publish();
    sleeper.now += 2_000;
  }
  sleeper.now += 2_000;
  const { nonce, frame } = sleeper.beacon();
  const counted = new Fingerprint();
  const key = Buffer.from(nonce, "hex");
  counted.begin(key.readUInt32LE(0), key.readUInt32LE(4));
  const { store } = sleeper.node;
  t.is(store.count, 12);
  for (let slot = 0; slot < store.capacity; slot++)
    if (store.occupied(slot)) counted.add(store.idLow(slot), store.idHigh(slot));
  const written = new Uint8Array(FINGERPRINT_SIZE_BYTES);
  counted.write(written, 0);
  t.true(frame.includes(Buffer.from(written).toString("hex")), "it takes in the Drops that came between the sleeps");
});

test("a node that sleeps draws a new nonce on the first wake-up of each day, and hashes only then", (t) => {
  const sleeper = new Sleeper();
  for (let i = 0; i < 10; i++) sleeper.publish();
  const nonces = [sleeper.beacon().nonce];
  const mixes: number[] = [];
  for (const ms of [DAY_MS - 1, DAY_MS, DAY_MS + 1, 2 * DAY_MS - 1, 4 * DAY_MS]) {
    const retained = sleeper.retain();
    sleeper.now = ms;
    const { effort } = sleeper.live(retained);
    nonces.push(sleeper.beacon().nonce);
    mixes.push(effort.mixes);
  }
  t.deepEqual(mixes, [0, 10, 0, 0, 10]);
  t.deepEqual(
    nonces.map((nonce) => nonces.indexOf(nonce)),
    [0, 0, 2, 2, 2, 5],
  );
});

test("a retained state that does not fit is as if there were none", (t) => {
  const sleeper = new Sleeper();
  for (let i = 0; i < 10; i++) sleeper.publish();
  const { nonce } = sleeper.beacon();
  const bytes = sleeper.retain();
  const taken = (retained: Uint8Array): boolean => {
    sleeper.live(retained);
    return sleeper.beacon().nonce === nonce;
  };
  t.true(taken(bytes));
  for (let at = 0; at < RETAINED_BYTES; at += 13) {
    const damaged = bytes.slice();
    damaged[at]! ^= 1 << (at % 8);
    t.false(taken(damaged), `byte ${at}`);
  }
  t.false(taken(new Uint8Array(RETAINED_BYTES)), "never written");
  t.false(taken(new Uint8Array(RETAINED_BYTES).fill(0xff)), "noise");
  t.false(taken(bytes.slice(1)), "too short");
  const newer = bytes.slice();
  newer[4]!++;
  new DataView(newer.buffer).setInt32(0, crc32(newer, 4, RETAINED_BYTES - 4), true);
  t.false(taken(newer), "another version with a right checksum");
  const { now } = sleeper;
  sleeper.now = 500;
  t.false(taken(bytes), "a clock that began anew");
  sleeper.now = now;
  sleeper.live(bytes, 21);
  t.not(sleeper.beacon().nonce, nonce, "a store of another capacity");
  t.true(taken(bytes));
  sleeper.publish();
  t.false(taken(bytes), "a Drop came in since");
  const other = new Sleeper();
  for (let i = 0; i < 10; i++) other.publish();
  other.publish();
  other.node.remove(other.node.store.idLow(0), other.node.store.idHigh(0));
  other.now = now;
  other.live(bytes);
  t.not(other.beacon().nonce, nonce, "another store with as many Drops");
});

test("whoever changes what is retained changes the version", (t) => {
  const sleeper = new Sleeper();
  const bytes = sleeper.retain();
  t.is(bytes.indexOf(0xa5, 32), -1, "all bytes are written");
  let used = 32;
  const count = new Retained(new Uint8Array(RETAINED_BYTES), true);
  const carry = count.carry.bind(count);
  count.carry = (numbers) => {
    used += numbers.byteLength;
    carry(numbers);
  };
  const store = storeOf(750, 750);
  const admission = new Admission(store, 0);
  for (let low = 0; low < 600; low++) admission.displaced(0, low);
  const neighbours = new Neighbours(store, new Effort(), 0);
  for (let nonce = 1; nonce <= 9; nonce++) neighbours.fingerprint(nonce, 1, 1_000 * nonce);
  for (const part of [new Acquaintances(), new Falsehoods(750), admission, neighbours]) part.carry(count);
  // The rest: the number of the last look, and a fingerprint with its nonce.
  t.deepEqual([used + 8 + 8 + 68, new DataView(bytes.buffer).getUint16(4, true)], [4_380, 1]);
  t.true(used + 84 <= RETAINED_BYTES);
});

test("the C of every board has room for what is retained", (t) => {
  for (const machine of ["esp32", "lin"]) {
    const c = readFileSync(`modules/board/board-${machine}.c`, "utf8");
    t.true(c.includes(`#define RETAINED_BYTES ${RETAINED_BYTES}\n`), machine);
  }
});

/** Two boards and a carrier, all full and with different Drops, for half an hour. */
function fullTown(sleep: "deep" | "forgetful") {
  const each = { wake: 30, capacity: 12, sleep } as const;
  const nodes = [board("a", 0, each), board("b", 30, each), board("mule", 15, { capacity: 12, role: "mule" })];
  const world = worldOf(nodes, { scenario: { durationS: 1_800 } });
  const random = new SeededRandom(seed, "full town");
  for (let minute = 0; minute < 25; minute++) {
    world.run(2 + 60 * minute);
    write(world.nodes[2]!, random, 1, 300);
  }
  world.run(1_800);
  return world.report();
}

test("boards that are full do not trade the same Drops after each sleep", (t) => {
  const [deep, forgetful] = [fullTown("deep"), fullTown("forgetful")];
  t.log(`SEED=${seed}: ${deep.transferred} Drops moved; ${forgetful.transferred} when sleeps forget`);
  t.true(deep.transferred < forgetful.transferred);
});

test("a board that wakes beside a neighbour of the same set hashes nothing", (t) => {
  const mixes = (sleep: "deep" | "forgetful"): number[] => {
    const lives: Throwie[] = [];
    const nodes = [board("a", 0, { wake: 30, sleep, capacity: 40 }), board("mule", 30, { capacity: 40 })];
    const started = (node: SimNode): unknown => node.name === "a" && lives.push(node.throwie!);
    const world = worldOf(nodes, { scenario: { durationS: 500 }, observer: { started } });
    const drops = write(world.nodes[1]!, new SeededRandom(seed, "same"), 20, 100);
    world.run(120);
    lives.length = 0;
    world.run(400);
    while (world.nodes[0]!.throwie === undefined) world.run(world.nowS + 0.1);
    t.deepEqual(holdings(world.nodes[0]!), namesOf(drops));
    return lives.map(({ effort }) => effort.mixes);
  };
  const deep = mixes("deep");
  t.true(deep.length > 5);
  t.true(
    deep.every((count) => count === 0),
    `SEED=${seed}: ${deep}`,
  );
  t.true(
    mixes("forgetful").every((count) => count >= 20),
    "canary: own set and neighbour's nonce",
  );
});
