/**
 * Times on this machine say nothing about a board. So this bench counts bytecodes on a real XS engine (the meter of
 * @agoric/xsnap, which is exact): what a board's work costs, in a unit that does not depend on the load of the machine.
 *
 * Each figure is the difference between many repetitions and few, so that parsing and set-up cancel. There are two
 * exceptions:
 *
 * - The contact is one history of two boards whose processors take time (test/xs/board.ts).
 * - The memory of a whole node is what the engine gets back when the test lets the node go.
 */
import { BYTECODES_PER_SECOND } from "../sim/power.ts";
import type { ContactCost } from "../test/xs/board.ts";
import { bundleForXs, XsMachine } from "../test/xs/machine.ts";
import type { Result } from "./result.ts";

interface Measure {
  name: string;
  operation: string;
  times: number;
  /** How many of the named things one operation does. */
  each?: number;
  limit?: number;
  /** The share of a Drop that one operation sends. The cost of choosing a Drop among 750 is added by this share. */
  choosing?: number;
  /** The limit of a second row, measured with native CRCs as on a board. For operations that compute a frame's CRC. */
  withoutCrc?: number;
  /** Measured with native CRCs, which cost no bytecodes. A mount computes them of 750 records and of every sector. */
  nativeCrcs?: boolean;
}

const NATIVE_CRCS = {
  "modules/glacier/crc16.ts": "test/xs/native-crc.ts",
  "modules/rbsr/mixing.ts": "test/xs/native-mixing.ts",
  "modules/store/crc32.ts": "test/xs/native-crc.ts",
};

const FRAMES_PER_DROP = 10;

/** Limits are the promises of the project (the tables of issues 3 and 4). Rows without a limit are not promised. */
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
  { name: "store of 750 mounted, without CRC", operation: "storeMounted", times: 2, nativeCrcs: true },
  { name: "Drop hashed", operation: "dropHashed", times: 2 },
  { name: "idle turn", operation: "idleTurn", times: 50 },
  { name: "turn with a beacon", operation: "beaconSent", times: 20 },
  {
    name: "beacon of a neighbour, nothing changed, without CRC",
    operation: "beaconHeard",
    times: 50,
    nativeCrcs: true,
  },
  { name: "node of 750 Drops begun, without CRC", operation: "nodeBegun", times: 2, nativeCrcs: true },
  { name: "node of 750 Drops resumed, without CRC", operation: "nodeResumed", times: 2, nativeCrcs: true },
  { name: "state of a node retained, without CRC", operation: "nodeRetained", times: 5, nativeCrcs: true },
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

const CONTACT_SEEDS = 5;
const SLICE_MS_MAX = 20;
const MEMORY_BYTES_MAX = 96 * 1024;
const BOARD_SLOT_BYTES = 16;
/** A chunk on a board has a header, and its length is rounded up to a multiple of 8: about 12 bytes together. */
const BOARD_CHUNK_OVERHEAD_BYTES = 12;

const rounded = (value: number): number => Math.round(1_000 * value) / 1_000;
const milliseconds = (bytecodes: number): number => Math.round((bytecodes * 1_000) / BYTECODES_PER_SECOND);

/**
 * A contact that carries 50 Drops from board to board, with native CRCs and an assumed 2,000,000 bytecodes a second.
 * The figures are those of the seed whose transfer time is the median.
 */
async function contact(): Promise<Result[]> {
  const machine = new XsMachine();
  try {
    await machine.evaluate(await bundleForXs("test/xs/program.ts", NATIVE_CRCS));
    const medianOf = async (flashWaits: boolean): Promise<ContactCost> => {
      const runs: ContactCost[] = [];
      for (let seed = 1; seed <= CONTACT_SEEDS; seed++) {
        const { told } = await machine.evaluate(`tell(JSON.stringify(contactOfFifty(${flashWaits}, ${seed})))`);
        runs.push(JSON.parse(told[0]!));
      }
      return runs.sort((a, b) => a.transferUs - b.transferUs)[CONTACT_SEEDS >> 1]!;
    };
    const whole = await medianOf(true);
    const processorOnly = await medianOf(false);
    const { giver, taker, verification } = whole;
    const slice = milliseconds(verification.bytecodesLongest);
    const ratio = ({ transferUs, boundUs }: ContactCost): number => rounded(transferUs / boundUs);
    return [
      { name: "contact of 50 Drops, giver", value: giver.bytecodes, unit: "XS bytecodes" },
      { name: "contact of 50 Drops, taker", value: taker.bytecodes, unit: "XS bytecodes" },
      { name: "hashing them afterwards", value: verification.bytecodes, unit: "XS bytecodes" },
      { name: "the longest slice of that", value: slice, unit: "ms of processor", limit: SLICE_MS_MAX },
      {
        name: "processor, taker, hashing included",
        value: rounded((taker.bytecodes + verification.bytecodes) / BYTECODES_PER_SECOND),
        unit: "s",
      },
      {
        name: "charge, taker, hashing included",
        value: rounded(taker.chargeMah + verification.chargeMah),
        unit: "mAh, ESP32-C3",
      },
      { name: "charge, giver", value: rounded(giver.chargeMah), unit: "mAh, ESP32-C3" },
      { name: "setting up", value: Math.round(whole.setUpUs / 1_000), unit: "ms, processor and air" },
      { name: "transfer, flash left out", value: ratio(processorOnly), unit: "times the air's bound", limit: 1.1 },
      { name: "transfer, with erases", value: ratio(whole), unit: "times the air's bound" },
      { name: "erases and programs", value: Math.round(taker.flashUs / 1_000), unit: "ms of flash, taker" },
    ];
  } finally {
    machine.close();
  }
}

/** The memory of a whole node that holds 750 Drops and has a contact open. */
async function memory(): Promise<Result[]> {
  const machine = new XsMachine();
  try {
    await machine.evaluate(await bundleForXs("test/xs/program.ts"));
    const { told } = await machine.evaluate(
      "globalThis.held = nodeInContact(flashOfAll()); tell(JSON.stringify(held.arrays))",
    );
    const { count, bytes } = JSON.parse(told[0]!) as { count: number; bytes: number };
    const slotsInUse = async (): Promise<number> => {
      await machine.evaluate("gc()");
      return (await machine.evaluate("gc()")).heapCount;
    };
    const with750 = await slotsInUse();
    await machine.evaluate("held = undefined");
    const slots = with750 - (await slotsInUse());
    const chunkBytes = bytes + BOARD_CHUNK_OVERHEAD_BYTES * count;
    return [
      { name: "whole node, slots", value: slots, unit: "of 16 bytes" },
      { name: "whole node, chunks", value: chunkBytes, unit: `bytes, ${count} typed arrays` },
      {
        name: "whole node, together",
        value: BOARD_SLOT_BYTES * slots + chunkBytes,
        unit: "bytes of XS memory",
        limit: MEMORY_BYTES_MAX,
      },
    ];
  } finally {
    machine.close();
  }
}

export async function xs(): Promise<{ bench: "xs"; results: Result[] }> {
  const bundle = await bundleForXs("test/xs/program.ts");
  const onBoard = await bundleForXs("test/xs/program.ts", NATIVE_CRCS);
  const chosen = await bytecodes(bundle, "dropChosen", 160);
  const results: Result[] = [];
  for (const { name, operation, times, each = 1, limit, withoutCrc, nativeCrcs, choosing = 0 } of MEASURES) {
    const spent = (await bytecodes(nativeCrcs ? onBoard : bundle, operation, times)) + choosing * chosen;
    const value = Math.round(spent / each);
    results.push({ name, value, unit: "XS bytecodes", ...(limit === undefined ? {} : { limit }) });
    if (withoutCrc === undefined) continue;
    const native = (await bytecodes(onBoard, operation, times)) + choosing * chosen;
    results.push({ name: `${name}, without CRC`, value: Math.round(native), unit: "XS bytecodes", limit: withoutCrc });
  }
  results.push(...(await contact()), ...(await memory()));
  return { bench: "xs", results };
}
