/** The node, between simulated parts: what a contact does, and what no frame can make it do. */
import test from "ava";
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import {
  BEACON,
  DROP,
  decodeFrame,
  FRAME_HEADER_BYTES,
  FRAME_SIZE_BYTES_V1,
  FRAME_SIZE_BYTES_V2,
  Frame,
  OPEN,
  PAYLOAD_BYTES_V1,
  sealFrame,
} from "../modules/glacier/frame.ts";
import { digest, MESSAGE_BODY_BYTES_MAX } from "../modules/glacier/message.ts";
import { MESSAGE_SIZE_BYTES_MAX } from "../modules/rbsr/reconciler.ts";
import { Store } from "../modules/store/store.ts";
import { freshKey, HEAT_UNITS_PER_HALF_LIFE, raise } from "../modules/temperature/temperature.ts";
import { Assemblies } from "../modules/throwie/assemblies.ts";
import type { MacAddress } from "../modules/throwie/ports.ts";
import { OPEN_PREFIX_BYTES } from "../modules/throwie/reconciliation.ts";
import { Throwie } from "../modules/throwie/throwie.ts";
import { Fixed } from "../sim/mobility.ts";
import type { SimNode, SimObserver } from "../sim/node.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import type { NodeScenario, RadioScenario } from "../sim/scenario.ts";
import { sameAddress } from "../sim/station.ts";
import { World } from "../sim/world.ts";

const seed = Number(process.env.SEED ?? 1);

const typeOf = (frame: Uint8Array): number => (frame[1]! >>> 4) & 7;
const FLASH_BYTES = 448 * 4096;

function worldOf(
  nodes: NodeScenario[],
  radio: Partial<RadioScenario> = {},
  worldSeed = seed,
  observer: SimObserver = {},
) {
  const scenario = { name: "test", description: "", durationS: 3_600, drops: [], nodes };
  const world = new World({ ...scenario, radio: { rateMbps: 1, rangeM: 80, ...radio } }, worldSeed, observer);
  world.run(1.5);
  return world;
}

const board = (name: string, x: number, more: Partial<NodeScenario> = {}): NodeScenario => ({
  name,
  role: "throwie",
  at: [x, 0],
  ...more,
});

function write(node: SimNode, random: SeededRandom, count: number, sizeBytes = 2048): Uint8Array[] {
  return Array.from({ length: count }, () => {
    const drop = new Uint8Array(sizeBytes);
    random.fill(drop);
    if (node.publish(drop) !== "stored") throw new Error("not stored");
    return drop;
  });
}

const nameOf = (drop: Uint8Array): string => Buffer.from(dropId(drop)).toString("hex").slice(0, 16);
const namesOf = (drops: Uint8Array[]): string[] => drops.map(nameOf).sort();

/** The Drops that a node holds, by name, sorted; throws if one is not what its ShortId says. */
function holdings({ throwie }: SimNode): string[] {
  const { store } = throwie!;
  const all: string[] = [];
  for (let slot = 0; slot < store.capacity; slot++) {
    if (!store.occupied(slot)) continue;
    const drop = new Uint8Array(store.lengthBytes(slot));
    store.read(slot, 0, drop, 0, drop.length);
    const id = dropId(drop);
    if (shortIdLow(id) !== store.idLow(slot) || shortIdHigh(id) !== store.idHigh(slot)) throw new Error("a false Drop");
    all.push(nameOf(drop));
  }
  return all.sort();
}

test("constants agree: a reconciliation message fits an OPEN", (t) => {
  t.is(MESSAGE_SIZE_BYTES_MAX, MESSAGE_BODY_BYTES_MAX - OPEN_PREFIX_BYTES);
});

test("two nodes end with the union, both ways in one contact, and then are quiet", (t) => {
  const closed: string[] = [];
  const world = worldOf([board("a", 0), board("b", 30)], {}, seed, {
    contactClosed: (_node, _peer, _session, reason) => closed.push(reason),
  });
  const [a, b] = world.nodes as [SimNode, SimNode];
  const random = new SeededRandom(seed, "union");
  const drops = [...write(a, random, 40), ...write(b, random, 25, 300)];
  world.run(20);
  t.deepEqual(holdings(a), namesOf(drops));
  t.deepEqual(holdings(b), namesOf(drops));
  t.deepEqual(closed, ["done", "done"]);
  const { frames } = world.medium.counters;
  world.run(40);
  t.true(world.medium.counters.frames - frames <= 2 * 24, "only beacons");
});

test("histories of loss, repetition, delay, hidden nodes and power cuts end with the union, each Drop once", (t) => {
  for (let run = seed; run < seed + 12; run++) {
    const random = new SeededRandom(run, "history");
    const crashes = (): NodeScenario["crashes"] =>
      Array.from({ length: 2 }, (_, i) => ({
        atS: 3 + i * 8 + random.below(5_000) / 1_000,
        downS: 1 + random.below(2_000) / 1_000,
        midWrite: random.below(2) === 1,
      }));
    const world = worldOf(
      [board("a", 0, { crashes: crashes()! }), board("b", 60, { crashes: crashes()! }), board("c", 120)],
      {
        lossPerMille: random.below(250),
        duplicatePerMille: 50,
        reorderPerMille: 50,
        rxQueueFrames: 8,
        processingUs: 500,
      },
      run,
    );
    const drops = world.nodes.flatMap((node) => write(node, random, 12, 1 + random.below(2048)));
    for (let untilS = 60; untilS <= 600; untilS += 60) {
      world.run(untilS);
      if (world.nodes.every((node) => node.throwie!.store.count === drops.length)) break;
    }
    for (const node of world.nodes) t.deepEqual(holdings(node), namesOf(drops), `SEED=${run}, ${node.name}`);
    world.run(world.nowS + 5);
    t.true(
      world.nodes.every((node) => node.throwie!.contacts === 0),
      `SEED=${run}: a contact goes on`,
    );
  }
});

test("the hottest Drop goes first", (t) => {
  const order: number[] = [];
  const world = worldOf([board("a", 0), board("b", 30)], {}, seed, {
    dropStored: (node, slot, peer) => {
      if (peer !== undefined) order.push(node.throwie!.store.idLow(slot));
    },
  });
  const a = world.nodes[0]!;
  const drops = write(a, new SeededRandom(seed, "heat"), 8);
  const { store } = a.throwie!;
  const byHeat = drops.map((drop, i) => {
    const low = shortIdLow(dropId(drop));
    store.setHeat(store.find(low, shortIdHigh(dropId(drop))), freshKey(0) + ((i * 5) % 8) * 1_000);
    return { low, heat: (i * 5) % 8 };
  });
  world.run(10);
  t.deepEqual(
    order,
    byHeat.sort((x, y) => y.heat - x.heat).map(({ low }) => low),
  );
});

test("a full store keeps the hottest: the coldest dies, at the announced capacity", (t) => {
  const world = worldOf([board("a", 0, { capacity: 20 }), board("b", 30, { capacity: 20 })]);
  const [a, b] = world.nodes as [SimNode, SimNode];
  const random = new SeededRandom(seed, "full");
  write(a, random, 20, 500);
  write(b, random, 20, 500);
  world.run(120);
  for (const node of [a, b]) t.is(node.throwie!.store.count, 20);
  const { frames } = world.medium.counters;
  world.run(180);
  t.true((world.medium.counters.frames - frames) / 60 < 25, "two full stores do not trade for ever");
});

test("two full stores of hot, different Drops try each of them once at most, and then leave each other in peace", (t) => {
  const tries = new Map<string, number>();
  let openings = 0;
  const world = worldOf([board("a", 0, { capacity: 20 }), board("b", 30, { capacity: 20 })], {}, seed, {
    contactOpened: () => openings++,
    dropStored: (node, slot) => {
      const name = `${node.name} ${node.throwie!.store.idLow(slot)}`;
      tries.set(name, (tries.get(name) ?? 0) + 1);
    },
  });
  const random = new SeededRandom(seed, "hot");
  for (const node of world.nodes) {
    write(node, random, 20, 500);
    const { store } = node.throwie!;
    for (let slot = 0; slot < 20; slot++) store.setHeat(slot, node.throwie!.heatNow() + 3 * HEAT_UNITS_PER_HALF_LIFE);
  }
  world.run(600);
  t.deepEqual(
    [...tries.values()].filter((times) => times !== 1),
    [],
  );
  t.true(tries.size > 40, "newcomers came in");
  openings = 0;
  const stored = tries.size;
  world.run(1_200);
  t.is(tries.size, stored);
  t.true(openings < 40, `${openings} contacts in ten minutes`);
});

test("honest nodes never make junk of a Drop: what is under way is not evicted for what comes in", (t) => {
  const lost: string[] = [];
  const world = worldOf([board("a", 0, { capacity: 60 }), board("b", 30, { capacity: 60 })], {}, seed, {
    dropLost: (node, _low, _high, cause) => lost.push(`${node.name} ${cause}`),
  });
  const random = new SeededRandom(seed, "swap");
  for (const node of world.nodes) write(node, random, 60);
  world.run(30);
  t.deepEqual(
    lost.filter((entry) => entry.endsWith("corrupt")),
    [],
  );
  for (const node of world.nodes) t.is(node.throwie!.store.count, 60);
});

test("a Drop that was given on is one movement warmer at its giver, and at most 2 warm at its taker", (t) => {
  const world = worldOf([board("a", 0), board("b", 30)]);
  const [a, b] = world.nodes as [SimNode, SimNode];
  const [drop] = write(a, new SeededRandom(seed, "warm"), 1) as [Uint8Array];
  const [low, high] = [shortIdLow(dropId(drop)), shortIdHigh(dropId(drop))];
  const before = a.throwie!.store.heat(a.throwie!.store.find(low, high));
  world.run(5);
  const { store } = a.throwie!;
  const now = a.throwie!.heatNow();
  t.true(Math.abs(store.heat(store.find(low, high)) - raise(before, now)) <= 2);
  t.true(store.heat(store.find(low, high)) > before + 60_000);
  const taker = b.throwie!;
  const taken = taker.store.heat(taker.store.find(low, high)) - taker.heatNow();
  t.true(taken > 0.9 * HEAT_UNITS_PER_HALF_LIFE && taken <= HEAT_UNITS_PER_HALF_LIFE, `${taken}`);
});

test("what comes by wire displaces nothing that came by wire before it", (t) => {
  const lone = loneNode(0, new SeededRandom(seed, "wire"), 20);
  const drop = (number: number): Uint8Array => Uint8Array.of(7, number);
  for (let i = 0; i < 20; i++) {
    t.is(lone.node.publish(drop(i), "wire"), "stored");
    lone.now += 60_000;
  }
  t.is(lone.node.publish(drop(20), "wire"), "colder");
  t.is(lone.node.publish(drop(21), "own"), "stored");
});

test("heat is written every ten minutes, and outlives a restart", (t) => {
  const lone = loneNode(1, new SeededRandom(seed, "checkpoint"));
  lone.node.warm(0);
  const heat = lone.store.heat(0);
  for (; lone.now <= 600_000; lone.now += 1_000) lone.node.turn();
  const again = new Store(lone.flash);
  again.mount();
  t.is(again.heat(0), heat);
});

test("a neighbour in sync costs one look, until one's own set changes", (t) => {
  const world = worldOf([board("a", 0), board("b", 30)]);
  const [a, b] = world.nodes as [SimNode, SimNode];
  const random = new SeededRandom(seed, "again");
  write(a, random, 3);
  world.run(10);
  t.is(b.throwie!.store.count, 3);
  // b's beacons fall silent, so that only a's unchanged one can make b look.
  const send = b.station.send.bind(b.station);
  b.station.send = (frame, lengthBytes, to) => typeOf(frame) === BEACON || send(frame, lengthBytes, to);
  world.run(15);
  write(b, random, 1);
  world.run(18);
  t.is(a.throwie!.store.count, 4);
});

test("a Drop that is not what it was announced as is never served, and is forgotten", (t) => {
  const lost: string[] = [];
  const world = worldOf([board("liar", 0), board("b", 30), board("c", 90)], {}, seed, {
    dropLost: (node, _low, _high, cause) => lost.push(`${node.name} ${cause}`),
  });
  const [liar, b, c] = world.nodes as [SimNode, SimNode, SimNode];
  const { store } = liar.throwie!;
  const junk = new Uint8Array(700).fill(7);
  t.is(store.insert(1, 2, junk, 0, junk.length, freshKey(0), 0), "stored");
  store.markVerified(store.lastSlot);
  write(liar, new SeededRandom(seed, "liar"), 1);
  world.run(30);
  t.true(lost.length > 0 && lost.every((entry) => entry === "b corrupt"), lost.join());
  t.is(b.throwie!.store.count, 1);
  t.is(c.throwie!.store.count, 1);
});

test("a half-received Drop is resumed at the next contact", (t) => {
  const sent = new Map<number, number>();
  const world = worldOf([board("a", 0), board("b", 30)]);
  const [a, b] = world.nodes as [SimNode, SimNode];
  const send = a.station.send.bind(a.station);
  let allowed = 6;
  a.station.send = (frame: Uint8Array, lengthBytes: number, to: MacAddress) => {
    if (typeOf(frame) !== DROP) return send(frame, lengthBytes, to);
    if (allowed === 0) return true;
    if (!send(frame, lengthBytes, to)) return false;
    allowed--;
    const fragment = frame[4]! & 15;
    sent.set(fragment, (sent.get(fragment) ?? 0) + 1);
    return true;
  };
  const drops = write(a, new SeededRandom(seed, "half"), 1);
  world.run(4);
  t.is(b.throwie!.store.count, 0);
  world.medium.powerOff(b.station);
  world.run(20);
  world.medium.powerOn(b.station);
  allowed = Infinity;
  world.run(60);
  t.deepEqual(holdings(b), namesOf(drops));
  const total = [...sent.values()].reduce((sum, count) => sum + count, 0);
  t.is(sent.size, 10);
  // 6 went out before the cut; at the next contact those on their way before the first acknowledgement go again.
  t.true(total <= 16, `${total} fragments sent for a Drop of 10`);
});

test("four contacts run at once and a fifth node waits its turn", (t) => {
  const world = worldOf(Array.from({ length: 6 }, (_, i) => board(`n${i}`, i)));
  const random = new SeededRandom(seed, "crowd");
  const drops = world.nodes.flatMap((node) => write(node, random, 5, 1_000));
  let most = 0;
  for (let untilS = 2; untilS <= 60; untilS += 0.05) {
    world.run(untilS);
    for (const node of world.nodes) most = Math.max(most, node.throwie!.contacts);
  }
  t.true(most > 1 && most <= 4, `${most} contacts at once`);
  for (const node of world.nodes) t.deepEqual(holdings(node), namesOf(drops), node.name);
});

/** A stranger that plays frames of its own making at the first node. */
function stranger(world: World, x: number) {
  const station = world.medium.add(new Fixed(x, 0));
  const heard: Uint8Array[] = [];
  const victim = world.nodes[0]!.station.address;
  station.receive = (frame, from) => {
    if (sameAddress(from, victim)) heard.push(frame.slice());
  };
  const out = new Uint8Array(FRAME_SIZE_BYTES_V1);
  const send = (type: number, sequence: number, fragment: number, low: number, high: number, payload: Uint8Array) => {
    out.set(payload, FRAME_HEADER_BYTES);
    const lengthBytes = sealFrame(out, type, 0x7777, sequence, fragment, low, high, payload.length);
    station.send(out, lengthBytes, victim);
  };
  return { heard, send };
}

/** An OPEN that answers the node's last beacon, and splits the space into two that differ. */
function openingFor(beacon: Uint8Array): { low: number; high: number; payload: Uint8Array } {
  const nonce = beacon.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + 2);
  const summaries = Buffer.from("0302050102030405060708050102030405060708", "hex");
  const body = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, ...nonce, 0, ...summaries);
  const name = new Uint32Array(2);
  digest(body, 0, body.length, name);
  return { low: name[0]!, high: name[1]!, payload: Uint8Array.of(body.length, 0, 0, ...body) };
}

test("a stranger that opens and then plays for time keeps nobody out", (t) => {
  const world = worldOf([board("a", 0), board("b", 30)]);
  const { heard, send } = stranger(world, 10);
  const [a, b] = world.nodes as [SimNode, SimNode];
  world.run(4);
  const drops = write(b, new SeededRandom(seed, "workspace"), 10);
  for (let untilS = 4; untilS < 12; untilS += 1.9) {
    const beacon = heard.find((frame) => typeOf(frame) === BEACON)!;
    const { low, high, payload } = openingFor(beacon);
    send(OPEN, 0, 0, low, high, payload);
    world.run(untilS);
  }
  t.deepEqual(holdings(a), namesOf(drops));
});

test("buffers: bounded a contact, resumed after one, and not held by a peer that does not go on", (t) => {
  const assemblies = new Assemblies();
  const lend = (id: number, contact: number, now: number) => assemblies.lend(id, 0, PAYLOAD_BYTES_V1, contact, now);
  const frame = new Frame();
  const bytes = new Uint8Array(FRAME_SIZE_BYTES_V1);
  decodeFrame(bytes, sealFrame(bytes, DROP, 1, 0, 1, 9, 0, 210), frame);
  const begun = lend(9, 0, 0)!;
  t.is(begun.put(frame, 0), "new");
  t.is(lend(9, 1, 400), undefined, "it may still be coming");
  t.is(lend(9, 1, 600), begun, "it does not");
  assemblies.orphan(1);
  t.is(lend(9, 2, 700), begun, "what is here of it is not sent again");
  t.is(begun.mask, 2);
  t.is(assemblies.credit(3), 5, "all of the others while it is alone");
  assemblies.shared = true;
  const lent = [1, 2, 3, 4, 5].map((id) => lend(id, 3, 700));
  t.is(lent.filter((assembly) => assembly !== undefined).length, 4);
  t.is(assemblies.credit(3), 4);
  t.is(assemblies.credit(1), 1, "one is left for another contact");
});

test("buffers: a reconciliation gets its two as soon as Drops in them are done with, and gives them back", (t) => {
  const assemblies = new Assemblies();
  const lend = (id: number, now: number) => assemblies.lend(id, 0, PAYLOAD_BYTES_V1, 0, now);
  const lent = [1, 2, 3, 4, 5, 6].map((id) => lend(id, 0)!);
  t.false(assemblies.reserve(10), "Drops are in all of them");
  for (const assembly of lent) assemblies.release(assembly);
  for (const id of [11, 12, 13, 14]) t.truthy(lend(id, 20));
  t.is(lend(15, 20), undefined, "no further Drop gets in its way");
  t.true(assemblies.reserve(30));
  const inbound = new Frame();
  const bytes = new Uint8Array(FRAME_SIZE_BYTES_V1);
  decodeFrame(bytes, sealFrame(bytes, DROP, 1, 0, 1, 77, 0, 210), inbound);
  assemblies.inbound.begin(77, 0, PAYLOAD_BYTES_V1, 30);
  assemblies.inbound.put(inbound, 30);
  for (const assembly of lent.slice(0, 4)) assemblies.release(assembly);
  t.not(lend(77, 1_000), assemblies.inbound, "a Drop that is named like its message does not get its buffer");
  assemblies.orphan(0);
  assemblies.unreserve();
  t.is(assemblies.credit(0), 6);
});

test("an OPEN that is not the first message of a session takes no contact", (t) => {
  const world = worldOf([board("a", 0)]);
  const { heard, send } = stranger(world, 10);
  world.run(4);
  const { low, high, payload } = openingFor(heard[0]!);
  send(OPEN, 100, 0, low, high, payload);
  world.run(4.1);
  t.is(world.nodes[0]!.throwie!.contacts, 0);
  t.is(world.nodes[0]!.throwie!.counters.session, 1);
});

test("a node whose flash fails says so to no peer: nothing is settled, and nothing is thought to have moved", (t) => {
  const closed: string[] = [];
  let sent = 0;
  const world = worldOf([board("a", 0), board("b", 30)], {}, seed, {
    contactClosed: (node, _peer, _session, reason) => closed.push(`${node.name} ${reason}`),
    dropSent: () => sent++,
  });
  const [a, b] = world.nodes as [SimNode, SimNode];
  write(a, new SeededRandom(seed, "worn"), 3);
  b.throwie!.store.insert = () => "flash";
  world.run(10);
  t.is(sent, 0);
  t.true(closed.includes("b flash"), closed.join());
});

interface LoneNode {
  node: Throwie;
  store: Store;
  flash: NorFlash;
  now: number;
  sent: Uint8Array[];
}

/** A node whose radio only keeps what it is told to send. */
function loneNode(drops: number, random: SeededRandom, capacity?: number): LoneNode {
  const lone = { now: 0, sent: [] as Uint8Array[], flash: new NorFlash({ sizeBytes: FLASH_BYTES }) } as LoneNode;
  lone.store = new Store(lone.flash, capacity);
  lone.store.mount();
  lone.node = new Throwie({
    radio: {
      address: Uint8Array.of(2, 0, 0, 0, 0, 1),
      maxPayload: 250,
      receiveQueueFrames: 48,
      full: false,
      send: (frame, lengthBytes) => {
        lone.sent.push(frame.slice(0, lengthBytes));
        return true;
      },
    },
    clock: { now: () => lone.now },
    random,
    store: lone.store,
  });
  for (let i = 0; i < drops; i++) {
    const drop = new Uint8Array(1 + random.below(2048));
    random.fill(drop);
    lone.node.publish(drop, "own");
  }
  return lone;
}

/** Frames that two nodes sent each other, to mutate. */
function realFrames(random: SeededRandom): Uint8Array[] {
  const world = worldOf([board("a", 0), board("b", 30)], { lossPerMille: 50 }, seed);
  const frames: Uint8Array[] = [];
  for (const { station } of world.nodes) {
    const receive = station.receive;
    station.receive = (frame, from) => {
      frames.push(frame.slice());
      receive(frame, from);
    };
  }
  for (const node of world.nodes) write(node, random, 20, 1_500);
  world.run(15);
  return frames;
}

test("20,000 frames of noise and mutation: nothing thrown, nothing grown, each counted under its reason", (t) => {
  const random = new SeededRandom(seed, "fuzz");
  const frames = realFrames(random);
  t.true(frames.length > 300);
  const lone = loneNode(30, random);
  const held = lone.store.count;
  const peers = Array.from({ length: 12 }, (_, i) => Uint8Array.of(2, 0, 0, 0, 1, i));
  const feed = (bytes: Uint8Array, lengthBytes: number): void => {
    lone.node.receive(bytes, lengthBytes, peers[random.below(peers.length)]!);
    lone.now += random.below(5);
    lone.node.turn();
    lone.sent.length = 0;
    t.true(lone.node.contacts <= 4);
  };
  const noise = new Uint8Array(FRAME_SIZE_BYTES_V2 + 30);
  for (let i = 0; i < 10_000; i++) {
    random.fill(noise);
    feed(noise, random.below(noise.length + 1));
  }
  for (let i = 0; i < 10_000; i++) {
    const frame = frames[random.below(frames.length)]!.slice();
    for (let flips = random.below(3); flips >= 0; flips--) frame[random.below(frame.length)]! ^= 1 << random.below(8);
    // Every other one with a CRC that fits, so that the layers above the codec are reached.
    feed(random.below(2) === 0 ? frame : resealed(frame), frame.length);
  }
  const { counters } = lone.node;
  t.is(
    Object.values(counters).reduce((sum, count) => sum + count, 0),
    20_000,
  );
  for (const reason of ["short", "long", "magic", "version", "crc", "type", "session"] as const) {
    t.true(counters[reason] > 0, `${reason}: ${counters[reason]}`);
  }
  t.true(counters.used > 100, `${counters.used} used`);
  lone.now += 60_000;
  lone.node.turn();
  t.is(lone.node.contacts, 0);
  for (let turns = 0; lone.node.unverified > 0; turns++) {
    t.true(turns < 100_000);
    lone.node.turn();
  }
  t.true(lone.store.count >= held, "what was here is here");
});

test("10,000 mutations of frames under way, their CRC made to fit: no false Drop is served, and truth returns after", (t) => {
  const random = new SeededRandom(seed, "live");
  const world = worldOf([board("a", 0), board("b", 20), board("c", 40)]);
  let mutating = true;
  let mutations = 0;
  for (const { station } of world.nodes) {
    const { receive } = station;
    station.receive = (frame, from) => {
      if (!mutating || random.below(3) > 0) return receive(frame, from);
      mutations++;
      const copy = frame.slice();
      for (let flips = random.below(3); flips >= 0; flips--) copy[random.below(copy.length)]! ^= 1 << random.below(8);
      receive(resealed(copy), from);
    };
  }
  const drops = world.nodes.flatMap((node) => write(node, random, 40, 1 + random.below(2048)));
  for (let untilS = 2; mutations < 10_000; untilS++) {
    world.run(untilS);
    t.true(untilS < 3_000 && world.nodes.every((node) => node.throwie!.contacts <= 4));
  }
  const before = world.nodes.map((node) => ({ ...node.throwie!.counters }));
  t.true(before.every(({ misfit, changed, ahead }) => misfit + changed + ahead > 0));
  mutating = false;
  // Junk that a mutation made is removed once it is hashed; what it displaced comes again.
  world.run(world.nowS + 180);
  for (const node of world.nodes) {
    t.is(node.throwie!.unverified, 0);
    t.deepEqual(holdings(node), namesOf(drops), node.name);
  }
});

function resealed(frame: Uint8Array): Uint8Array {
  let crc = 0;
  for (const byte of frame.subarray(0, -2)) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  frame[frame.length - 2] = crc;
  frame[frame.length - 1] = crc >>> 8;
  return frame;
}
