/**
 * Damaged frames with a right CRC must not make two nodes differ for ever. These tests play histories in such noise,
 * and require that every pair agrees soon after it ends.
 *
 * Replay a history with SEED=n HISTORIES=1.
 */
import test from "ava";
import { seed } from "./contact-world.ts";
import { NoiseHistory, PATIENCE_S } from "./noise-histories.ts";

const HISTORIES = Number(process.env.HISTORIES ?? 200);

test.serial("after noise every pair of nodes agrees soon, whatever damaged frames said", (t) => {
  const times: number[] = [];
  const never: number[] = [];
  let damaged = 0;
  for (let run = seed; run < seed + HISTORIES; run++) {
    const outcome = new NoiseHistory(run).outcome();
    if (outcome.agreedS === undefined) never.push(run);
    else times.push(outcome.agreedS);
    damaged += outcome.damaged;
  }
  times.sort((a, b) => a - b);
  const at = (part: number): string => `${times[Math.floor(part * (times.length - 1))]} s`;
  t.log(`SEED=${seed} HISTORIES=${HISTORIES}: ${damaged} damaged frames; ${at(0.5)}, ${at(0.99)}, at most ${at(1)}`);
  t.deepEqual(
    never,
    [],
    `not within ${PATIENCE_S} s: npm run -s build && SEED=${never[0]} HISTORIES=1 npx ava build/test/noise-histories.test.js`,
  );
});
