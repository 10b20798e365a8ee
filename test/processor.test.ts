/**
 * A simulated node is as quick as sim/processor.ts says. These tests hold its prices against the meter of a real XS
 * engine, and show that a node that is busy handles its frames later.
 */
import test from "ava";
import { SeededRandom } from "../sim/random.ts";
import { board, INSTANT, seed, worldOf, write } from "./contact-world.ts";
import type { ContactCost } from "./xs/board.ts";
import { bundleForXs, XsMachine } from "./xs/machine.ts";

const NATIVE_CRCS = {
  "modules/glacier/crc16.ts": "test/xs/native-crc.ts",
  "modules/rbsr/mixing.ts": "test/xs/native-mixing.ts",
  "modules/store/crc32.ts": "test/xs/native-crc.ts",
};

test("the prices of a node's work come to what a real XS engine meters, within an eighth", async (t) => {
  const machine = new XsMachine();
  try {
    await machine.evaluate(await bundleForXs("test/xs/program.ts", NATIVE_CRCS));
    const { told } = await machine.evaluate("tell(JSON.stringify(contactOfFifty(true, 1)))");
    const { giver, taker, verification } = JSON.parse(told[0]!) as ContactCost;
    for (const [name, { bytecodes, modelled }] of Object.entries({ giver, taker, verification })) {
      const ratio = modelled / bytecodes;
      t.log(`${name}: ${bytecodes} metered, ${modelled} by the prices, ${ratio.toFixed(3)}`);
      t.true(ratio > 7 / 8 && ratio < 8 / 7, `${name}: ${ratio}`);
    }
  } finally {
    machine.close();
  }
});

/** When a giver's 20 Drops are stored and checked at a taker, and how many frames were lost in a queue. */
function crossing(more: object, rxQueueFrames = 64): { storedS: number; verifiedS: number; lost: number } {
  const world = worldOf([board("a", 0, more), board("b", 30, more)], { radio: { rxQueueFrames } });
  const [a, b] = world.nodes as [(typeof world.nodes)[0], (typeof world.nodes)[0]];
  write(a, new SeededRandom(seed, "crossing"), 20);
  while (b.throwie!.store.count < 20) world.run(world.nowS + 0.01);
  const storedS = world.nowS;
  while (b.throwie!.unverified > 0) world.run(world.nowS + 0.01);
  return { storedS, verifiedS: world.nowS, lost: world.medium.counters.lost.queue };
}

test("a board takes a third of a second to check a Drop, and a computer no time", (t) => {
  const slow = crossing({});
  const quick = crossing(INSTANT);
  t.true(quick.verifiedS - quick.storedS < 2, JSON.stringify(quick));
  t.true(slow.verifiedS - slow.storedS > 20 * 0.3, JSON.stringify(slow));
  t.true(slow.storedS >= quick.storedS);
  t.is(slow.lost, 0);
});
