/**
 * The node between simulated parts. These tests show what contacts do between honest peers in good air. Bad air is in
 * contact-*.test.ts, and bad peers are in throwie-hostile.test.ts.
 */
import test from "ava";
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import {
  decodeFrame,
  FRAME_SIZE_BYTES_V1,
  Frame,
  frameType,
  PAYLOAD_BYTES_V1,
  sealFrame,
} from "../modules/glacier/frame.ts";
import { BEACON, DROP } from "../modules/glacier/frame-type.ts";
import { MESSAGE_BODY_BYTES_MAX } from "../modules/glacier/message.ts";
import { MESSAGE_SIZE_BYTES_MAX } from "../modules/rbsr/reconciler.ts";
import { Store } from "../modules/store/store.ts";
import { freshKey, HEAT_UNITS_PER_HALF_LIFE, raise } from "../modules/temperature/temperature.ts";
import { Assemblies } from "../modules/throwie/assemblies.ts";
import type { MacAddress } from "../modules/throwie/ports.ts";
import { OPEN_PREFIX_BYTES } from "../modules/throwie/reconciliation.ts";
import { Throwie } from "../modules/throwie/throwie.ts";
import type { SimNode } from "../sim/node.ts";
import { SeededRandom } from "../sim/random.ts";
import { board, holdings, INSTANT, namesOf, seed, worldOf, write } from "./contact-world.ts";
import { headerOf } from "./frames.ts";
import { loneNode } from "./lone-node.ts";

test("the largest reconciliation message fits into an OPEN", (t) => {
  t.is(MESSAGE_SIZE_BYTES_MAX, MESSAGE_BODY_BYTES_MAX - OPEN_PREFIX_BYTES);
});

test("a node refuses a radio whose largest frame is smaller than the frames that a node builds", (t) => {
  const { store } = loneNode(0, new SeededRandom(seed, "small frames"), 10);
  const nodeWith = (frameSizeBytesMax: number): Throwie => {
    const radio = {
      address: new Uint8Array(6),
      frameSizeBytesMax,
      receiveQueueFrames: 1,
      full: true,
      send: () => false,
    };
    return new Throwie({ radio, clock: { now: () => 0 }, random: new SeededRandom(seed, "small frames"), store });
  };
  t.notThrows(() => nodeWith(FRAME_SIZE_BYTES_V1));
  const message = "throwie: the radio takes frames of 225 bytes, a node needs 226";
  t.throws(() => nodeWith(225), { message });
});

test("two nodes get the union of their Drops in one contact, and then send only beacons", (t) => {
  const closed: string[] = [];
  const world = worldOf([board("a", 0), board("b", 30)], {
    observer: { contactClosed: (_node, _peer, _session, reason) => closed.push(reason) },
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
  t.true(world.medium.counters.frames - frames <= 2 * 24, "more frames than beacons were sent");
});

test("a node gives its hottest Drop first", (t) => {
  const order: number[] = [];
  const world = worldOf([board("a", 0), board("b", 30)], {
    observer: {
      dropStored: (node, slot, peer) => {
        if (peer !== undefined) order.push(node.throwie!.store.idLow(slot));
      },
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
  // Two nodes that begin to send at the same moment do not hear each other, and a Drop with a hole arrives later.
  const { collision, deaf } = world.medium.counters.lost;
  const hottestFirst = byHeat.sort((x, y) => y.heat - x.heat).map(({ low }) => low);
  if (collision + deaf === 0) t.deepEqual(order, hottestFirst);
  else t.deepEqual(order.sort(), hottestFirst.sort());
});

test("two full stores keep to their capacity and do not trade Drops for ever", (t) => {
  const world = worldOf([board("a", 0, { capacity: 20 }), board("b", 30, { capacity: 20 })]);
  const [a, b] = world.nodes as [SimNode, SimNode];
  const random = new SeededRandom(seed, "full");
  write(a, random, 20, 500);
  write(b, random, 20, 500);
  world.run(120);
  for (const node of [a, b]) t.is(node.throwie!.store.count, 20);
  const { frames } = world.medium.counters;
  world.run(180);
  t.true((world.medium.counters.frames - frames) / 60 < 25, "two full stores still trade after two minutes");
});

test("two full stores of hot, different Drops try each Drop once at most, and then stop", (t) => {
  const tries = new Map<string, number>();
  let openings = 0;
  const world = worldOf([board("a", 0, { capacity: 20 }), board("b", 30, { capacity: 20 })], {
    observer: {
      contactOpened: () => openings++,
      dropStored: (node, slot) => {
        const name = `${node.name} ${node.throwie!.store.idLow(slot)}`;
        tries.set(name, (tries.get(name) ?? 0) + 1);
      },
    },
  });
  const random = new SeededRandom(seed, "hot");
  for (const node of world.nodes) {
    write(node, random, 20, 500);
    const { store } = node.throwie!;
    for (let slot = 0; slot < 20; slot++)
      store.setHeat(slot, node.throwie!.custody.heatNow() + 3 * HEAT_UNITS_PER_HALF_LIFE);
  }
  world.run(600);
  t.deepEqual(
    [...tries.values()].filter((times) => times !== 1),
    [],
  );
  t.true(tries.size > 40, "no newcomer came in");
  openings = 0;
  const stored = tries.size;
  world.run(1_200);
  t.is(tries.size, stored);
  t.true(openings < 40, `the nodes opened ${openings} contacts in ten minutes`);
});

test("a Drop under way is not evicted for a Drop that comes in, so honest nodes never corrupt a Drop", (t) => {
  const lost: string[] = [];
  const world = worldOf([board("a", 0, { capacity: 60 }), board("b", 30, { capacity: 60 })], {
    observer: {
      dropLost: (node, _low, _high, cause) => lost.push(`${node.name} ${cause}`),
    },
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

test("a Drop that was given is one movement warmer at its giver, and has heat 2 at most at its taker", (t) => {
  const world = worldOf([board("a", 0), board("b", 30)]);
  const [a, b] = world.nodes as [SimNode, SimNode];
  const [drop] = write(a, new SeededRandom(seed, "warm"), 1) as [Uint8Array];
  const [low, high] = [shortIdLow(dropId(drop)), shortIdHigh(dropId(drop))];
  const before = a.throwie!.store.heat(a.throwie!.store.find(low, high));
  world.run(5);
  const { store } = a.throwie!;
  const now = a.throwie!.custody.heatNow();
  t.true(Math.abs(store.heat(store.find(low, high)) - raise(before, now)) <= 2);
  t.true(store.heat(store.find(low, high)) > before + 60_000);
  const taker = b.throwie!;
  const taken = taker.store.heat(taker.store.find(low, high)) - taker.custody.heatNow();
  t.true(taken > 0.9 * HEAT_UNITS_PER_HALF_LIFE && taken <= HEAT_UNITS_PER_HALF_LIFE, `${taken}`);
});

test("a Drop from the wire displaces no earlier Drop from the wire", (t) => {
  const lone = loneNode(0, new SeededRandom(seed, "wire"), 20);
  const drop = (number: number): Uint8Array => Uint8Array.of(7, number);
  for (let i = 0; i < 20; i++) {
    t.is(lone.node.publish(drop(i), "wire"), "stored");
    lone.now += 60_000;
  }
  t.is(lone.node.publish(drop(20), "wire"), "colder");
  t.is(lone.node.publish(drop(21), "own"), "stored");
});

test("a Drop waits while every Drop that could die is being sent, and comes in during the same contact", (t) => {
  let contacts = 0;
  // Afterwards the two full stores differ, so further contacts may follow.
  let contactsAtArrival = 0;
  const world = worldOf([board("a", 0, { ...INSTANT, capacity: 2 }), board("b", 30, { ...INSTANT, capacity: 2 })], {
    observer: {
      contactOpened: (node) => {
        if (node.name === "a") contacts++;
      },
      dropStored: (node, _slot, peer) => {
        if (node.name === "a" && peer !== undefined && contactsAtArrival === 0) contactsAtArrival = contacts;
      },
    },
  });
  const [a, b] = world.nodes as [SimNode, SimNode];
  const random = new SeededRandom(seed, "read");
  const old = write(a, random, 2);
  const fresh = write(b, random, 1);
  const { store } = a.throwie!;
  for (const slot of [0, 1]) store.pin(slot);
  world.run(3);
  t.deepEqual(holdings(a), namesOf(old));
  for (const slot of [0, 1]) store.unpin(slot);
  world.run(6);
  t.true(holdings(a).includes(namesOf(fresh)[0]!));
  t.is(contactsAtArrival, 1);
});

test("heat is written within a day, or soon after enough Drops were stored, and survives a restart", (t) => {
  const lone = loneNode(1, new SeededRandom(seed, "checkpoint"));
  const written = (): number => {
    const again = new Store(lone.flash);
    again.mount();
    return again.heat(0);
  };
  const hour = 3_600_000;
  lone.node.custody.warm(0);
  for (; lone.now <= 23 * hour; lone.now += hour) lone.node.turn();
  t.true(written() < lone.store.heat(0));
  for (; lone.now <= 25 * hour; lone.now += hour) lone.node.turn();
  t.is(written(), lone.store.heat(0));
  lone.node.custody.warm(0);
  lone.node.turn();
  t.true(written() < lone.store.heat(0));
  for (let number = 0; number < 3; number++) lone.node.publish(new Uint8Array(2_048).fill(number), "own");
  lone.node.turn();
  t.is(written(), lone.store.heat(0));
});

test("a node looks once at a neighbour in sync, and looks again after its own set has changed", (t) => {
  const world = worldOf([board("a", 0), board("b", 30)]);
  const [a, b] = world.nodes as [SimNode, SimNode];
  const random = new SeededRandom(seed, "again");
  write(a, random, 3);
  world.run(10);
  t.is(b.throwie!.store.count, 3);
  // b sends no more beacons, so only the unchanged beacon of a can make b look.
  const send = b.station.send.bind(b.station);
  b.station.send = (frame, lengthBytes, to) => frameType(frame) === BEACON || send(frame, lengthBytes, to);
  world.run(15);
  write(b, random, 1);
  world.run(18);
  t.is(a.throwie!.store.count, 4);
});

test("a node resumes a half-received Drop at the next contact", (t) => {
  const sent = new Map<number, number>();
  const world = worldOf([board("a", 0, INSTANT), board("b", 30, INSTANT)]);
  const [a, b] = world.nodes as [SimNode, SimNode];
  const send = a.station.send.bind(a.station);
  let allowed = 6;
  a.station.send = (frame: Uint8Array, lengthBytes: number, to: MacAddress) => {
    if (frameType(frame) !== DROP) return send(frame, lengthBytes, to);
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
  // Six fragments went out before the cut. At the next contact a may repeat some, until b's first acknowledgement.
  t.true(total <= 16, `a sent ${total} fragments for a Drop of 10`);
});

test("a node has at most four contacts at once, and every other peer gets a contact later", (t) => {
  const world = worldOf(Array.from({ length: 6 }, (_, i) => board(`n${i}`, i)));
  const random = new SeededRandom(seed, "crowd");
  const drops = world.nodes.flatMap((node) => write(node, random, 5, 1_000));
  let most = 0;
  for (let untilS = 2; untilS <= 60; untilS += 0.05) {
    world.run(untilS);
    for (const node of world.nodes) most = Math.max(most, node.throwie!.contacts);
  }
  t.true(most > 1 && most <= 4, `a node had ${most} contacts at once`);
  for (const node of world.nodes) t.deepEqual(holdings(node), namesOf(drops), node.name);
});

/** A frame of a Drop with this ShortId. */
function frameOf(shortIdLow: number): Frame {
  return Object.assign(new Frame(), { shortIdLow });
}

test("buffers are bounded for each contact, are resumed by the next, and are taken from a peer that stops", (t) => {
  const assemblies = new Assemblies();
  const lend = (id: number, contact: number, now: number) =>
    assemblies.lend(frameOf(id), PAYLOAD_BYTES_V1, contact, now);
  const frame = new Frame();
  const bytes = new Uint8Array(FRAME_SIZE_BYTES_V1);
  decodeFrame(
    bytes,
    sealFrame(bytes, headerOf({ type: DROP, sessionId: 1, fragment: 1, shortIdLow: 9, payloadBytes: 210 })),
    frame,
  );
  const begun = lend(9, 0, 0)!;
  t.is(begun.put(frame, 0), "new");
  t.is(lend(9, 1, 400), undefined, "the Drop may still be coming from the first contact");
  t.is(lend(9, 1, 600), begun, "after 500 ms without a fragment another contact takes the buffer");
  assemblies.orphan(1);
  t.is(lend(9, 2, 700), begun, "the next contact resumes the half-received Drop");
  t.is(begun.mask, 2);
  t.is(assemblies.credit(3), 5, "a contact that is alone may use all other buffers");
  assemblies.contacts = 2;
  const lent = [1, 2, 3, 4, 5].map((id) => lend(id, 3, 700));
  t.is(lent.filter((assembly) => assembly !== undefined).length, 4);
  t.is(assemblies.credit(3), 4);
  t.is(assemblies.credit(1), 1, "one buffer is left for another contact");
});

test("a reconciliation gets its two buffers as soon as their Drops are finished, and gives them back", (t) => {
  const assemblies = new Assemblies();
  const lend = (id: number, now: number) => assemblies.lend(frameOf(id), PAYLOAD_BYTES_V1, 0, now);
  const lent = [1, 2, 3, 4, 5, 6].map((id) => lend(id, 0)!);
  t.false(assemblies.reserve(10), "all buffers hold Drops");
  for (const assembly of lent) assemblies.release(assembly);
  for (const id of [11, 12, 13, 14]) t.truthy(lend(id, 20));
  t.is(lend(15, 20), undefined, "no further Drop may use the reserved buffers");
  t.true(assemblies.reserve(30));
  const inbound = new Frame();
  const bytes = new Uint8Array(FRAME_SIZE_BYTES_V1);
  decodeFrame(
    bytes,
    sealFrame(bytes, headerOf({ type: DROP, sessionId: 1, fragment: 1, shortIdLow: 77, payloadBytes: 210 })),
    inbound,
  );
  assemblies.inbound.begin(77, 0, PAYLOAD_BYTES_V1, 30);
  assemblies.inbound.put(inbound, 30);
  for (const assembly of lent.slice(0, 4)) assemblies.release(assembly);
  t.not(
    lend(77, 1_000),
    assemblies.inbound,
    "a Drop with the ShortId of the message under way must not get its buffer",
  );
  assemblies.orphan(0);
  assemblies.unreserve();
  t.is(assemblies.credit(0), 6);
});

test("a node whose flash fails tells no peer that a message is finished, so no Drop counts as moved", (t) => {
  const closed: string[] = [];
  let sent = 0;
  const world = worldOf([board("a", 0), board("b", 30)], {
    observer: {
      contactClosed: (node, _peer, _session, reason) => closed.push(`${node.name} ${reason}`),
      dropSent: () => sent++,
    },
  });
  const [a, b] = world.nodes as [SimNode, SimNode];
  write(a, new SeededRandom(seed, "worn"), 3);
  b.throwie!.store.insert = () => "flash";
  world.run(10);
  t.is(sent, 0);
  t.true(closed.includes("b flash"), closed.join());
});
