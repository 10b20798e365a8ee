/**
 * Boards run the modules on XS, and most tests run them on Node. These tests run every vector and two simulated
 * histories on a real XS engine and require the same results as on Node. They also require that frames and inserts
 * leave no garbage on the heap of XS: a board that runs for months cannot afford a slot a frame.
 */
import test from "ava";
import { bundleForXs, XsMachine } from "./xs/machine.ts";
import { sleepTenMinutes, syncPair } from "./xs/program.ts";
import { checkVectors } from "./xs/vectors.ts";

async function withXs<T>(use: (machine: XsMachine) => Promise<T>): Promise<T> {
  const machine = new XsMachine();
  try {
    await machine.evaluate(await bundleForXs("test/xs/program.ts"));
    return await use(machine);
  } finally {
    machine.close();
  }
}

test("the engine is XS, and its exceptions reach the test", async (t) => {
  await withXs(async (machine) => {
    const { told } = await machine.evaluate("tell(typeof harden + typeof console + typeof setTimeout)");
    t.deepEqual(told, ["functionundefinedundefined"]);
    await t.throwsAsync(machine.evaluate("throw new Error('as it should')"), { message: /as it should/ });
  });
});

test("all vectors hold on XS as on Node", async (t) => {
  const here = checkVectors();
  t.deepEqual(here.failures, []);
  t.true(here.count > 600, `${here.count} checks`);
  const { told } = await withXs((machine) => machine.evaluate("tell(JSON.stringify(checkVectors()))"));
  t.deepEqual(JSON.parse(told[0]!), { count: here.count, failures: [] });
});

test("a sync of two nodes has the same trace hash on XS as on Node, and another seed has another hash", async (t) => {
  const seed = Number(process.env.SEED ?? 7);
  const { told } = await withXs((machine) => machine.evaluate(`tell(JSON.stringify(syncPair(${seed})))`));
  const there = JSON.parse(told[0]!);
  const here = JSON.parse(JSON.stringify(syncPair(seed)));
  t.is(here.delivered, here.wanted);
  t.true(here.wanted > 0);
  t.deepEqual(there, here);
  t.not(syncPair(seed + 1).traceHash, here.traceHash);
});

test("boards that sleep have the same history on XS as on Node", async (t) => {
  const seed = Number(process.env.SEED ?? 7);
  const { told } = await withXs((machine) => machine.evaluate(`tell(JSON.stringify(sleepTenMinutes(${seed})))`));
  const here = JSON.parse(JSON.stringify(sleepTenMinutes(seed)));
  t.deepEqual(JSON.parse(told[0]!), here);
  t.is(here.delivered, here.wanted);
  t.true(here.wanted > 0 && here.sleepersMilliamperes > 5);
});

test("frames leave no garbage: the heap of XS does not grow over 10,000 frames", async (t) => {
  await withXs(async (machine) => {
    await machine.evaluate(
      "globalThis.operation = OPERATIONS.dropOfFrames(); const run = (n) => { for (let i = 0; i < n; i++) operation(); }; globalThis.run = run; run(10)",
    );
    const before = await machine.evaluate("run(100)");
    const after = await machine.evaluate("run(1000)");
    // The script itself takes a slot or two. One slot for each frame would be 9,000.
    t.true(after.heapCount - before.heapCount < 100, `${after.heapCount - before.heapCount} slots for 10,000 frames`);
    t.true(
      (await machine.evaluate("for (let i = 0; i < 1000; i++) new Uint8Array(1)")).heapCount > after.heapCount + 1_000,
    );
  });
});

/** The number of slots by which the heap of XS grows when the operation is done `times` times. */
async function grownBy(operation: string, times: number): Promise<number> {
  return withXs(async (machine) => {
    await machine.evaluate(
      `globalThis.operation = OPERATIONS.${operation}(); globalThis.run = (n) => { for (let i = 0; i < n; i++) operation(); }; run(100)`,
    );
    const before = await machine.evaluate("gc()");
    await machine.evaluate(`run(${times})`);
    return (await machine.evaluate("gc()")).heapCount - before.heapCount;
  });
}

test("hostile frames leave no garbage: the heap of XS does not grow over 10,000 of noise and mutation", async (t) => {
  const slots = await grownBy("noiseHeard", 5_000);
  t.true(slots < 50, `${slots} slots`);
});

test("inserts leave no garbage: the heap of XS does not grow over 10,000 inserts", async (t) => {
  const slots = await grownBy("dropInserted", 10_000);
  t.true(slots < 50, `${slots} slots`);
});

test("whole nodes leave no garbage: the heap of XS does not grow over 7,000 frames carried and stored", async (t) => {
  const slots = await grownBy("frameCarried", 7_000);
  t.true(slots < 50, `${slots} slots`);
});
