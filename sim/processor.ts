/**
 * The processor of a simulated node: how long a board computes.
 *
 * A simulation in which computing takes no time hides what a crowd costs: a board that hashes 750 ids for each beacon
 * that it hears looks as quick as any other. So each node has a processor. The node counts its work
 * (modules/throwie/effort.ts), and each unit costs the XS bytecodes that `npm run bench -- xs` prints for it. Flash
 * takes the time of the chip. A node that is busy handles its next frame later, and its radio's queue is bounded.
 *
 * The prices are rounded. `test/processor.test.ts` holds them against the meter of a real XS engine. Work that no count
 * covers costs nothing here: a count that is missing is a fault of this table.
 */
import type { Throwie } from "../modules/throwie/throwie.ts";
import type { SimNode } from "./node.ts";
import type { NorFlash } from "./nor-flash.ts";
import { BYTECODES_PER_SECOND, ERASE_US, PROGRAM_BYTE_US, PROGRAM_FIRST_BYTE_US } from "./power.ts";

/** The price of each unit, in XS bytecodes, with native CRCs. */
const BYTECODES = {
  received: 2_400,
  beacons: 1_950,
  sent: 2_500,
  turns: 950,
  mixes: 65,
  sorted: 300,
  slices: 22_500,
  hashes: 25_000,
  inserted: 31_500,
} as const;

/** The bytecodes that all the work of a node since its start costs a board. */
export function bytecodesOf({ effort, store }: Pick<Throwie, "effort" | "store">): number {
  return (
    BYTECODES.received * (effort.received - effort.beacons) +
    BYTECODES.beacons * effort.beacons +
    BYTECODES.sent * effort.sent +
    BYTECODES.turns * effort.turns +
    BYTECODES.mixes * effort.mixes +
    BYTECODES.sorted * effort.sorted +
    BYTECODES.slices * effort.slices +
    BYTECODES.hashes * effort.hashes +
    BYTECODES.inserted * store.counters.inserted
  );
}

function flashUs({ counters }: NorFlash): number {
  return (
    counters.programs * PROGRAM_FIRST_BYTE_US + counters.programmedBytes * PROGRAM_BYTE_US + counters.erases * ERASE_US
  );
}

/** Does work of the node, and returns for how many whole microseconds the work keeps a board busy. */
export function busyUs({ throwie, flash }: SimNode, work: () => void): number {
  if (throwie === undefined) {
    work();
    return 0;
  }
  const bytecodes = bytecodesOf(throwie);
  const us = flashUs(flash);
  work();
  return Math.ceil(((bytecodesOf(throwie) - bytecodes) * 1e6) / BYTECODES_PER_SECOND + flashUs(flash) - us);
}
