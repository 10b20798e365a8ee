/**
 * Tests that run many histories of a store, each once for every flash operation, with the power cut at that operation.
 *
 * The histories stand in many small tests, because the runner takes a test that is silent for long as hung. One test
 * takes some seconds on an idle machine. SEED and HISTORIES choose the histories.
 */
import process from "node:process";
import test from "ava";
import { type CutPlan, cutEverywhere } from "./store-histories.ts";

const SEED = Number(process.env.SEED ?? 1);
/** The number of histories. Each one is run about sixty times, once for each cut. */
const HISTORIES = Number(process.env.HISTORIES ?? 100);
const HISTORIES_PER_TEST = 25;

/** `share`: how many of the histories. */
export function everyCutTest(
  title: string,
  plan: Pick<CutPlan, "programSizeBytes" | "sectors" | "worn" | "reordered">,
  share = 1,
): void {
  const histories = Math.ceil(HISTORIES * share);
  for (let first = SEED; first < SEED + histories; first += HISTORIES_PER_TEST) {
    const end = Math.min(first + HISTORIES_PER_TEST, SEED + histories);
    test.serial(`${title}, histories ${first} to ${end - 1}`, (t) => {
      let cuts = 0;
      for (let seed = first; seed < end; seed++) {
        t.notThrows(() => {
          cuts += cutEverywhere({ ...plan, seed, steps: 24, startStepsMax: 700 });
        }, `replay: SEED=${seed} HISTORIES=1`);
      }
      t.true(cuts > 20 * (end - first), `${cuts} cuts`);
    });
  }
}
