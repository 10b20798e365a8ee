/**
 * Bytecodes on real XS (the meter of @agoric/xsnap, exact): what a board's life costs, in a unit that no machine's load moves.
 *
 * Each figure is the difference between many repetitions and few, so that parsing and set-up cancel.
 */
import { bundleForXs, XsMachine } from "../test/xs/machine.ts";
import type { Result } from "./result.ts";

interface Measure {
  name: string;
  operation: string;
  times: number;
  /** The operation does this many of what is named. */
  each?: number;
  limit?: number;
  /** It sends this share of a Drop, which has to be chosen among 750 first. */
  choosing?: number;
  /** It has one frame's CRC in it, which a board computes natively: the limit of the rest. */
  withoutCrc?: number;
}

const FRAMES_PER_DROP = 10;

/** Limits are the project's for the parts that it promises for already (issue 3 and 4's tables). */
const MEASURES: Measure[] = [
  {
    name: "frame sent",
    operation: "frameSent",
    times: 10,
    limit: 10_000,
    withoutCrc: 3_000,
    choosing: 1 / FRAMES_PER_DROP,
  },
  { name: "frame received", operation: "frameReceived", times: 10, limit: 10_000, withoutCrc: 3_000 },
  { name: "frame sent and received, with its share of ACK", operation: "dropOfFrames", times: 20, each: 10 },
  { name: "reconciliation, a side", operation: "reconciliation", times: 1, each: 2, limit: 1_500_000 },
  { name: "Drop inserted", operation: "dropInserted", times: 200, limit: 150_000 },
  { name: "Drop found", operation: "dropFound", times: 200, limit: 2_000 },
  { name: "coldest of 750 chosen", operation: "coldestChosen", times: 50, limit: 20_000 },
  { name: "store of 750 mounted", operation: "storeMounted", times: 2 },
  { name: "Drop hashed", operation: "dropHashed", times: 2 },
];

async function bytecodes(bundle: string, operation: string, times: number): Promise<number> {
  const machine = new XsMachine();
  try {
    await machine.evaluate(bundle);
    await machine.evaluate(`globalThis.operation = OPERATIONS.${operation}()`);
    const run = async (count: number): Promise<number> =>
      (await machine.evaluate(`for (let i = 0; i < ${count}; i++) operation()`)).compute;
    const few = await run(times);
    const many = await run(2 * times);
    return (many - few) / times;
  } finally {
    machine.close();
  }
}

export async function xs(): Promise<{ bench: "xs"; results: Result[] }> {
  const bundle = await bundleForXs("test/xs/program.ts");
  const crc = await bytecodes(bundle, "frameCrc", 200);
  const chosen = await bytecodes(bundle, "dropChosen", 160);
  const results: Result[] = [];
  for (const { name, operation, times, each = 1, limit, withoutCrc, choosing = 0 } of MEASURES) {
    const spent = (await bytecodes(bundle, operation, times)) + choosing * chosen;
    const value = Math.round(spent / each);
    results.push({ name, value, unit: "XS bytecodes", ...(limit === undefined ? {} : { limit }) });
    if (withoutCrc === undefined) continue;
    results.push({
      name: `${name}, without CRC`,
      value: Math.round(spent - crc),
      unit: "XS bytecodes",
      limit: withoutCrc,
    });
  }
  return { bench: "xs", results };
}
