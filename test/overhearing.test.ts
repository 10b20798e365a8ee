/**
 * Several nodes hear each other, so each frame should serve all of them, and nodes that have nothing to gain should be
 * quiet. Whole nodes on the simulated medium, as quick as the air (crowd.ts).
 */
import test, { type ExecutionContext } from "ava";
import { FRAME_SIZE_BYTES_V1, frameType, sealFrame } from "../modules/glacier/frame.ts";
import { BEACON, DROP } from "../modules/glacier/frame-type.ts";
import type { SimNode } from "../sim/node.ts";
import { SeededRandom } from "../sim/random.ts";
import { board, holdings, INSTANT, namesOf, overhear, seed, worldOf, write } from "./contact-world.ts";
import { fullBoards, meet } from "./crowd.ts";
import { headerOf } from "./frames.ts";

const DROPS = 30;

/** From now on the node takes nothing of what it overhears. */
function deafen({ throwie }: SimNode): void {
  throwie!.assemblies.overhear = () => undefined;
}

test("takers that meet one giver at once cost little more air than one taker", (t) => {
  const { sent, whole } = meet({ givers: 1, takers: 4, drops: DROPS }, seed);
  t.true(whole);
  t.true(sent < 1.3, `${sent} times the frames`);
});

test("canary: takers that overhear nothing cost the air of each, and get all Drops", (t) => {
  const { sent, whole } = meet({ givers: 1, takers: 4, drops: DROPS, change: deafen }, seed);
  t.true(whole);
  t.true(sent > 1.8, `${sent} times the frames`);
});

test("a frame that repairs one taker repairs all that lost it", (t) => {
  const { sent, whole } = meet({ givers: 1, takers: 5, drops: DROPS, lossPerMille: 100 }, seed);
  t.true(whole);
  t.true(sent < 3, `${sent} times the frames`);
});

test("givers of the same Drops share the work", (t) => {
  const { sent, whole } = meet({ givers: 3, takers: 1, drops: DROPS }, seed);
  t.true(whole);
  t.true(sent < 1.5, `${sent} times the frames`);
});

/** A node with 10 Drops and room for 20 overhears how 30 others go from one node to another. How many does it have? */
function eavesdrop(t: ExecutionContext, change?: (node: SimNode) => void): number {
  const world = worldOf([
    board("giver", 0, INSTANT),
    board("taker", 10, INSTANT),
    board("third", 20, { ...INSTANT, capacity: 20 }),
  ]);
  const [giver, taker, third] = world.nodes as [SimNode, SimNode, SimNode];
  for (const { station } of world.nodes) {
    overhear(station, (frame, pass, from) => {
      const stranger = station === third.station || from.every((byte, i) => byte === third.station.address[i]);
      if (!stranger || frameType(frame) !== BEACON) pass(frame);
    });
  }
  change?.(third);
  const random = new SeededRandom(seed, "eavesdrop");
  const own = write(third, random, 10);
  const drops = write(giver, random, 30);
  world.run(20);
  t.deepEqual(holdings(taker), namesOf(drops));
  const held = holdings(third);
  t.true(
    namesOf(own).every((name) => held.includes(name)),
    "what the node had is still there",
  );
  return held.length;
}

test("what a node overhears takes the place of nothing, and a fifth of the store stays free of it", (t) => {
  t.is(eavesdrop(t), 16);
});

test("canary: without that rule, what is overheard would fill the store", (t) => {
  const change = ({ throwie }: SimNode): void => {
    throwie!.custody.keepsOverheard = (low) => throwie!.custody.judge(low) === "free";
  };
  t.is(eavesdrop(t, change), 20);
});

test("Drops that a liar seems to send are left out of one contact, and the next brings them", (t) => {
  const world = worldOf([board("giver", 0, INSTANT), board("taker", 10, INSTANT)]);
  const [giver, taker] = world.nodes as [SimNode, SimNode];
  const drops = write(giver, new SeededRandom(seed, "liar"), DROPS);
  while (taker.throwie!.store.count === 0) world.run(world.nowS + 0.01);
  const beganS = world.nowS;
  const liar = Uint8Array.of(2, 9, 9, 9, 9, 9);
  const frame = new Uint8Array(FRAME_SIZE_BYTES_V1);
  const { store } = giver.throwie!;
  for (let slot = 0; slot < DROPS; slot++) {
    const ids = { shortIdLow: store.idLow(slot), shortIdHigh: store.idHigh(slot) };
    giver.throwie!.receive(frame, sealFrame(frame, headerOf({ type: DROP, ...ids, payloadBytes: 1 })), liar);
  }
  while (taker.throwie!.contacts > 0) world.run(world.nowS + 0.01);
  t.true(taker.throwie!.store.count < DROPS, "the liar had an effect");
  world.run(beganS + 5);
  t.deepEqual(holdings(taker), namesOf(drops));
});

test("full boards are quiet: few frames for each Drop that moves, and little of the air", (t) => {
  const { air, frames, moved } = fullBoards(8, 40, seed);
  t.true(moved > 1, `${moved} Drops a second moved`);
  t.true(frames <= 3, `${frames} frames for each Drop`);
  t.true(air < 0.1, `${air} of the air`);
});

test("canary: full boards that do not wait for their turn fill the air", (t) => {
  const change = ({ throwie }: SimNode): void => {
    Object.defineProperty(throwie!.custody, "crowded", { get: () => false });
  };
  const { frames } = fullBoards(8, 40, seed, change);
  t.true(frames > 4, `${frames} frames for each Drop`);
});
