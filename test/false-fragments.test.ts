/**
 * A fragment may be false: damaged under a CRC that fits, or sent by a liar. A node cannot know which of two fragments
 * is false, so it must find its way out of every mixture. In these tests one false fragment of each kind comes into a
 * transfer, and the transfer must still end, soon and with true Drops.
 */
import test, { type ExecutionContext } from "ava";
import { Assembly } from "../modules/glacier/assembly.ts";
import { decodeFrame, FRAME_HEADER_BYTES, Frame, PAYLOAD_BYTES_V1, sealFrame } from "../modules/glacier/frame.ts";
import { DROP, RECONCILE } from "../modules/glacier/frame-type.ts";
import { MESSAGE_PREFIX_BYTES } from "../modules/glacier/message.ts";
import { Assemblies } from "../modules/throwie/assemblies.ts";
import type { SimNode } from "../sim/node.ts";
import { SeededRandom } from "../sim/random.ts";
import { board, holdings, namesOf, overhear, seed, worldOf, write } from "./contact-world.ts";
import { NOTHING_LISTED, stranger } from "./stranger.ts";

const PATIENCE_S = 30;
/** Nine full fragments: the last of them fits a longer message too. */
const BODY_BYTES = 9 * PAYLOAD_BYTES_V1 - MESSAGE_PREFIX_BYTES;

/** Changes a copy of a frame before it is sealed again. */
type Change = (frame: Frame) => void;

/**
 * Seconds until the taker has the giver's Drops, when the first frame of this fragment was changed on its way. At most
 * PATIENCE_S.
 */
function secondsUntilWhole(t: ExecutionContext, fragment: number, falsify: Change, type = DROP as number): number {
  const world = worldOf([board("giver", 0), board("taker", 30)]);
  const [giver, taker] = world.nodes as [SimNode, SimNode];
  let left = 1;
  for (const { station } of world.nodes) {
    overhear(station, (bytes, pass) => {
      const frame = new Frame();
      const changed = bytes.slice();
      if (decodeFrame(changed, bytes.length, frame) !== undefined) return;
      if (left === 0 || (frame.type as number) !== type || frame.fragment !== fragment) return pass(changed);
      left--;
      falsify(frame);
      const lengthBytes = sealFrame(changed, frame);
      pass(changed.slice(0, lengthBytes));
    });
  }
  const random = new SeededRandom(seed, "false");
  const drops = write(giver, random, 5, BODY_BYTES);
  // Where each has what the other lacks, one OPEN cannot say it all, and a RECONCILE follows.
  if (type === RECONCILE) drops.push(...write(taker, random, 2, BODY_BYTES));
  const fromS = world.nowS;
  while (taker.throwie!.unverified > 0 || taker.throwie!.store.count < drops.length) {
    if (world.nowS > fromS + PATIENCE_S) return PATIENCE_S;
    world.run(world.nowS + 0.1);
  }
  t.is(left, 0, "no frame was changed");
  t.deepEqual(holdings(taker), namesOf(drops));
  return world.nowS - fromS;
}

const change = (fields: Partial<Frame>): Change => {
  return (frame) => void Object.assign(frame, fields);
};

const length = (bytes: number): Change => {
  return (frame) => frame.bytes.set([bytes & 0xff, bytes >>> 8], FRAME_HEADER_BYTES);
};

for (const [name, fragment, falsify, type] of [
  ["a length of one fragment more", 0, length(2_010)],
  ["a length of one fragment less", 0, length(BODY_BYTES - 210)],
  ["a length of one byte more", 0, length(BODY_BYTES + 1)],
  ["the longest length", 0, length(2_048)],
  ["a last fragment that ends early", 8, change({ payloadBytes: 100 })],
  ["a fragment in the middle that ends early", 4, change({ payloadBytes: 123 })],
  ["the index of the next fragment", 3, change({ fragment: 4 })],
  ["the index of a fragment past the end", 3, change({ fragment: 9 })],
  ["another ShortId", 0, change({ shortIdLow: 77 })],
  ["another ShortId in the middle", 5, change({ shortIdHigh: 77 })],
  ["the next sequence number", 0, change({ sequence: 2 })],
  ["a coming sequence number", 2, change({ sequence: 5 })],
  ["another byte", 6, (frame) => frame.bytes.fill(0x55, FRAME_HEADER_BYTES + 9, FRAME_HEADER_BYTES + 11)],
  ["another length of a reconciliation message", 0, length(300), RECONCILE],
  ["another name of a reconciliation message", 0, change({ shortIdLow: 77 }), RECONCILE],
] as [string, number, Change, number?][]) {
  test.serial(`one frame with ${name} does not keep two nodes apart`, (t) => {
    const seconds = secondsUntilWhole(t, fragment, falsify, type);
    t.log(`${seconds.toFixed(1)} s`);
    t.true(seconds < 20, `${seconds} s`);
  });
}

test.serial("canary: a node that never gives a message up for contradictions is caught", (t) => {
  const { contradict } = Assembly.prototype;
  Assembly.prototype.contradict = () => false;
  try {
    t.is(secondsUntilWhole(t, 0, length(2_010)), PATIENCE_S);
  } finally {
    Assembly.prototype.contradict = contradict;
  }
});

test.serial("one false frame with a coming sequence number and another ShortId costs no second", (t) => {
  const honest = secondsUntilWhole(t, 1, () => {});
  for (const fields of [{ shortIdLow: 77 }, { shortIdLow: 77, sequence: 4 }]) {
    const seconds = secondsUntilWhole(t, 1, change(fields));
    t.true(seconds < honest + 1, `${seconds} s, and ${honest} s without the false frame`);
  }
});

test.serial("fragments of different peers do not mix, and each peer resumes its own", (t) => {
  const assemblies = new Assemblies();
  const [honest, liar] = [Uint8Array.of(2, 0, 0, 0, 0, 1), Uint8Array.of(2, 0, 0, 0, 0, 2)];
  const frame = (fragment: number, fill: number): Frame => {
    const bytes = new Uint8Array(FRAME_HEADER_BYTES + PAYLOAD_BYTES_V1 + 2).fill(fill);
    return Object.assign(new Frame(), { bytes, fragment, shortIdLow: 9, payloadBytes: PAYLOAD_BYTES_V1 });
  };
  assemblies.attend(0, liar);
  assemblies.attend(1, honest);
  const poisoned = assemblies.lend(frame(1, 1), PAYLOAD_BYTES_V1, 0, 0)!;
  t.is(poisoned.put(frame(1, 1), 0), "new");
  assemblies.orphan(0);
  const clean = assemblies.lend(frame(2, 2), PAYLOAD_BYTES_V1, 1, 10)!;
  t.not(clean, poisoned);
  t.is(clean.mask, 0, "nothing of the liar's is in the honest peer's buffer");
  t.is(clean.put(frame(2, 2), 10), "new");
  assemblies.orphan(1);
  assemblies.attend(2, honest);
  t.is(assemblies.lend(frame(3, 2), PAYLOAD_BYTES_V1, 2, 20), clean, "the honest peer goes on where it was");
});

test.serial("false first fragments of known Drops from another address cost an honest peer no Drop", (t) => {
  const lost: string[] = [];
  let kept = 0;
  const world = worldOf([board("taker", 0), board("giver", 30)], {
    observer: {
      dropLost: (node, _low, _high, cause) => lost.push(`${node.name} ${cause}`),
      dropSent: (node) => {
        if (node.name === "giver") kept++;
      },
    },
  });
  const [taker, giver] = world.nodes as [SimNode, SimNode];
  const { open, send } = stranger(world, 10);
  world.medium.powerOff(giver.station);
  world.run(4);
  const drops = write(giver, new SeededRandom(seed, "poison"), 20);
  const { store } = giver.throwie!;
  open(0x7777, 0, NOTHING_LISTED);
  const payload = new Uint8Array(PAYLOAD_BYTES_V1).fill(7);
  payload.set([2_048 & 0xff, 2_048 >>> 8, 0]);
  for (let slot = 0; slot < 20; slot++) {
    const [shortIdLow, shortIdHigh] = [store.idLow(slot), store.idHigh(slot)];
    send({ type: DROP, sessionId: 0x7777, sequence: 1 + (slot % 6), shortIdLow, shortIdHigh }, payload);
  }
  world.medium.powerOn(giver.station);
  world.run(world.nowS + 20);
  t.deepEqual(holdings(taker), namesOf(drops));
  t.deepEqual(lost, [], "no false Drop was ever whole");
  t.is(kept, 20);
});
