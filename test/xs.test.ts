/** The modules on the boards' engine: every vector, and one sync that must be the same history as on Node. */
import test from "ava";
import { bundleForXs, XsMachine } from "./xs/machine.ts";
import { syncPair } from "./xs/program.ts";
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

test("it is XS, and its exceptions are seen", async (t) => {
  await withXs(async (machine) => {
    const { told } = await machine.evaluate("tell(typeof harden + typeof console + typeof setTimeout)");
    t.deepEqual(told, ["functionundefinedundefined"]);
    await t.throwsAsync(machine.evaluate("throw new Error('as it should')"), { message: /as it should/ });
  });
});

test("all vectors pass on XS, as on Node", async (t) => {
  const here = checkVectors();
  t.deepEqual(here.failures, []);
  t.true(here.count > 600, `${here.count} checks`);
  const { told } = await withXs((machine) => machine.evaluate("tell(JSON.stringify(checkVectors()))"));
  t.deepEqual(JSON.parse(told[0]!), { count: here.count, failures: [] });
});

test("one two-node sync gives the same trace hash on XS as on Node, and another seed another", async (t) => {
  const seed = Number(process.env.SEED ?? 7);
  const { told } = await withXs((machine) => machine.evaluate(`tell(JSON.stringify(syncPair(${seed})))`));
  const there = JSON.parse(told[0]!);
  const here = JSON.parse(JSON.stringify(syncPair(seed)));
  t.is(here.delivered, here.wanted);
  t.true(here.wanted > 0);
  t.deepEqual(there, here);
  t.not(syncPair(seed + 1).traceHash, here.traceHash);
});
