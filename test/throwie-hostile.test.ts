/**
 * A node receives frames of every sender in range, and a sender may send any bytes. These tests send lies, messages
 * that never go on, noise, and frames that were changed on their way. The node must never serve a false Drop, must keep
 * its bounds, and must still serve its honest peers.
 */
import test from "ava";
import { FRAME_SIZE_BYTES_V2, PAYLOAD_BYTES_V1 } from "../modules/glacier/frame.ts";
import { DROP, RECONCILE } from "../modules/glacier/frame-type.ts";
import { freshKey } from "../modules/temperature/temperature.ts";
import { sameAddress } from "../modules/throwie/ports.ts";
import type { SimNode } from "../sim/node.ts";
import { SeededRandom } from "../sim/random.ts";
import { board, holdings, namesOf, overhear, seed, worldOf, write } from "./contact-world.ts";
import { insertion } from "./insertion.ts";
import { loneNode } from "./lone-node.ts";
import { NOTHING_LISTED, stranger } from "./stranger.ts";

const SESSION = 0x7777;

test("a Drop whose hash does not match its ShortId is never served, and is removed", (t) => {
  const lost: string[] = [];
  const world = worldOf([board("liar", 0), board("b", 30), board("c", 90)], {
    observer: {
      dropLost: (node, _low, _high, cause) => lost.push(`${node.name} ${cause}`),
    },
  });
  const [liar, b, c] = world.nodes as [SimNode, SimNode, SimNode];
  const { store } = liar.throwie!;
  const junk = new Uint8Array(700).fill(7);
  t.is(store.insert(insertion(1, 2, junk, { heatKey: freshKey(0) })), "stored");
  store.markVerified(store.lastSlot);
  store.checkpoint(0);
  // The node counts its Drops anew when it starts: only then do its beacons tell of this one.
  liar.crash();
  liar.start();
  world.run(world.nowS + 1.5);
  write(liar, new SeededRandom(seed, "liar"), 1);
  world.run(world.nowS + 30);
  t.deepEqual(lost, ["b corrupt", "liar corrupt"], "the taker finds it false, and the giver finds out");
  t.is(b.throwie!.store.count, 1);
  t.is(c.throwie!.store.count, 1);
});

test("a stranger that opens contact after contact and never goes on keeps no peer out", (t) => {
  let opened = 0;
  const world = worldOf([board("a", 0), board("b", 30)], {
    observer: {
      contactOpened: (node, peer) => {
        if (node.name === "a" && sameAddress(peer, address)) opened++;
      },
    },
  });
  const { open, address } = stranger(world, 10);
  const [a, b] = world.nodes as [SimNode, SimNode];
  world.run(4);
  const drops = write(b, new SeededRandom(seed, "workspace"), 10);
  for (let i = 0; i < 12; i++) {
    open(SESSION + i);
    world.run(world.nowS + 1.2);
  }
  t.true(opened >= 2, `the stranger got ${opened} contacts`);
  t.deepEqual(holdings(a), namesOf(drops));
});

test("a stranger that begins Drops and sends them slowly cannot hold the buffers of a reconciliation", (t) => {
  const world = worldOf([board("a", 0), board("b", 30)]);
  const { open, send } = stranger(world, 10);
  const [a, b] = world.nodes as [SimNode, SimNode];
  world.run(4);
  open(SESSION, 0, NOTHING_LISTED);
  const sendOf = (drop: number, fragment: number): void => {
    const header = { type: DROP, sessionId: SESSION, sequence: drop, fragment, shortIdLow: drop, shortIdHigh: 5 };
    send(header, new Uint8Array(PAYLOAD_BYTES_V1).fill(7));
  };
  for (let drop = 1; drop <= 6; drop++) sendOf(drop, 1);
  t.is(a.throwie!.contacts, 1);
  t.is(a.throwie!.assemblies.credit(1), 0, "the stranger must hold all six buffers");
  const drops = write(b, new SeededRandom(seed, "trickle"), 10);
  for (let i = 0; i < 6; i++) {
    world.run(world.nowS + 2.4);
    sendOf(1 + i, 2);
  }
  t.deepEqual(holdings(a), namesOf(drops));
});

test("a message that begins as a reconciliation and ends as a Drop frees no buffer of the reconciliation", (t) => {
  const world = worldOf([board("a", 0)]);
  const { open, send } = stranger(world, 10);
  const { throwie } = world.nodes[0]!;
  const { reconciliation, assemblies } = throwie!;
  world.run(4);
  open(SESSION);
  t.is(reconciliation.owner, 0);
  const stream = new Uint8Array(303);
  stream.set([300 & 0xff, 300 >>> 8, 0]);
  const header = { sessionId: SESSION, sequence: 1, shortIdLow: 77, shortIdHigh: 78 };
  send({ ...header, type: RECONCILE, fragment: 1 }, stream.subarray(PAYLOAD_BYTES_V1));
  send({ ...header, type: DROP, fragment: 0 }, stream.subarray(0, PAYLOAD_BYTES_V1));
  t.is(throwie!.store.count, 0);
  if (reconciliation.owner >= 0) t.is(assemblies.credit(3), 4, "the reconciliation must still hold its two buffers");
});

test("an OPEN that is not the first message of its session opens no contact", (t) => {
  const world = worldOf([board("a", 0)]);
  const { open } = stranger(world, 10);
  world.run(4);
  open(SESSION, 100);
  world.run(4.1);
  t.is(world.nodes[0]!.throwie!.contacts, 0);
  t.is(world.nodes[0]!.throwie!.counters.session, 1);
});

/** Real frames that two nodes sent each other, as material for mutations. */
function realFrames(random: SeededRandom): Uint8Array[] {
  const world = worldOf([board("a", 0), board("b", 30)], { radio: { lossPerMille: 50 } });
  const frames: Uint8Array[] = [];
  for (const { station } of world.nodes) {
    overhear(station, (frame, pass) => {
      frames.push(frame.slice());
      pass(frame);
    });
  }
  for (const node of world.nodes) write(node, random, 20, 1_500);
  world.run(15);
  return frames;
}

test("20,000 frames of noise and mutation throw nothing, open at most four contacts and are counted by reason", (t) => {
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
    // Half of the frames get a correct CRC, so that they reach the layers above the codec.
    feed(random.below(2) === 0 ? frame : resealed(frame), frame.length);
  }
  const { counters } = lone.node;
  t.is(
    Object.values(counters).reduce((sum, count) => sum + count, 0),
    20_000,
  );
  for (const reason of ["short", "long", "magic", "version", "crc", "type", "session"] as const) {
    t.true(counters[reason] > 0, `no frame was refused as ${reason}`);
  }
  t.true(counters.used > 100, `the node used only ${counters.used} frames`);
  lone.now += 60_000;
  lone.node.turn();
  t.is(lone.node.contacts, 0);
  for (let turns = 0; lone.node.unverified > 0; turns++) {
    t.true(turns < 100_000);
    lone.node.turn();
  }
  t.true(lone.store.count >= held, "the node must still hold its own Drops");
});

test("after 10,000 mutated frames with a correct CRC no node serves a false Drop, and all nodes get all Drops", (t) => {
  const random = new SeededRandom(seed, "live");
  const world = worldOf([board("a", 0), board("b", 20), board("c", 40)]);
  let mutating = true;
  let mutations = 0;
  for (const { station } of world.nodes) {
    overhear(station, (frame, pass) => {
      if (!mutating || random.below(3) > 0) return pass(frame);
      mutations++;
      const copy = frame.slice();
      for (let flips = random.below(3); flips >= 0; flips--) copy[random.below(copy.length)]! ^= 1 << random.below(8);
      pass(resealed(copy));
    });
  }
  const drops = world.nodes.flatMap((node) => write(node, random, 40, 1 + random.below(2048)));
  for (let untilS = 2; mutations < 10_000; untilS++) {
    world.run(untilS);
    t.true(untilS < 3_000 && world.nodes.every((node) => node.throwie!.contacts <= 4));
  }
  const before = world.nodes.map((node) => ({ ...node.throwie!.counters }));
  t.true(before.every(({ misfit, changed, ahead }) => misfit + changed + ahead > 0));
  mutating = false;
  // A node removes a Drop that a mutation made as soon as the Drop is hashed. Drops that it displaced come again.
  world.run(world.nowS + 180);
  for (const node of world.nodes) {
    t.is(node.throwie!.unverified, 0);
    t.deepEqual(holdings(node), namesOf(drops), node.name);
  }
});

/** Writes the correct CRC into a mutated frame. */
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
