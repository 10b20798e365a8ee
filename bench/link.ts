/**
 * What a transfer of 750 full Drops takes, as a ratio to the airtime of the Drops' own frames, each sent once.
 *
 * Simulated time, unicast at 1 Mbit/s, median of SEEDS seeds. Contact set-up, reconciliation, acknowledgements and everything
 * sent again count against the bound (sim/airtime.ts has the formula, docs/simulator.md its source).
 */
import { FRAME_SIZE_BYTES_MAX } from "../modules/glacier/frame.ts";
import { cycleUs } from "../sim/airtime.ts";
import { SeededRandom } from "../sim/random.ts";
import type { RadioScenario } from "../sim/scenario.ts";
import { World } from "../sim/world.ts";
import type { Result } from "./result.ts";

const DROPS = 750;
const DROP_BYTES = 2048;
const FRAMES_PER_DROP = 10;
const SEEDS = 5;
/** Nodes start within the first second, and the Drops are written before they meet. */
const MEETING_S = 30;

/** The published working point: 1.5 MB in under 30 s, on clear air. */
const PUBLISHED_S = 30;

const CASES: { name: string; fromSecond: number; radio: Partial<RadioScenario>; promisedS?: number }[] = [
  { name: "unicast", fromSecond: 0, radio: {}, promisedS: PUBLISHED_S },
  { name: "duplex", fromSecond: DROPS / 2, radio: {}, promisedS: PUBLISHED_S },
  { name: "loss10", fromSecond: 0, radio: { lossPerMille: 100 } },
  { name: "loss30", fromSecond: 0, radio: { lossPerMille: 300 } },
  { name: "burst", fromSecond: 0, radio: { burst: { meanFrames: 20, lossPerMille: 100 } } },
];

/** Seconds from the opening of the contact until the last Drop is stored. */
function transferSeconds(seed: number, fromSecond: number, radio: Partial<RadioScenario>): number {
  let openedS = 0;
  let storedS = 0;
  const world = new World(
    {
      name: "link",
      description: "",
      durationS: 600,
      drops: [],
      radio: { rateMbps: 1, rangeM: 80, ...radio },
      nodes: [
        { name: "a", role: "throwie", at: [0, 0] },
        {
          name: "b",
          role: "mule",
          path: [
            [MEETING_S - 0.001, 1_000, 0],
            [MEETING_S, 10, 0],
          ],
        },
      ],
    },
    seed,
    {
      contactOpened: () => {
        openedS ||= world.nowS;
      },
      dropStored: (_node, _slot, peer) => {
        if (peer !== undefined) storedS = world.nowS;
      },
    },
  );
  world.run(1);
  const random = new SeededRandom(seed, "link");
  const drop = new Uint8Array(DROP_BYTES);
  for (let i = 0; i < DROPS; i++) {
    random.fill(drop);
    world.nodes[i < DROPS - fromSecond ? 0 : 1]!.publish(drop);
  }
  const held = (): boolean => world.nodes.every((node) => node.throwie!.store.count === DROPS);
  while (!held() && world.nowS < 500) world.run(world.nowS + 1);
  if (!held()) throw new Error(`link: seed ${seed}: not delivered in 500 s`);
  return storedS - openedS;
}

export async function link(): Promise<{ bench: "link"; results: Result[] }> {
  const boundS = (DROPS * FRAMES_PER_DROP * cycleUs(FRAME_SIZE_BYTES_MAX, 1, true)) / 1_000_000;
  const ratio = (seconds: number): number => Math.round((1_000 * seconds) / boundS) / 1_000;
  const results = CASES.map(({ name, fromSecond, radio, promisedS }): Result => {
    const runs = Array.from({ length: SEEDS }, (_, seed) => transferSeconds(seed + 1, fromSecond, radio));
    const seconds = runs.sort((x, y) => x - y)[SEEDS >> 1]!;
    const limit = promisedS === undefined ? {} : { limit: ratio(promisedS) };
    return { name, value: ratio(seconds), unit: "times the bound", ...limit, seconds };
  });
  return { bench: "link", results };
}
