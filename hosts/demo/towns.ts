/** The two towns of the demo, in metres and seconds. In each a person walks between a board and the gateway all day. */
import type { Waypoint } from "../../sim/mobility.ts";
import type { Scenario } from "../../sim/scenario.ts";

const DAY_S = 86_400;
const RADIO = { rateMbps: 1, rangeM: 60, lossPerMille: 50, edgeLossPerMille: 300 } as const;
/** The window of each gateway, 240 m from the boards: out of their range. */
export const GATEWAY_AT: [x: number, y: number] = [240, 0];

/** The path of a person who walks between two points all day, at 1.4 m/s with a pause at each end. */
function commute(from: number, to: number, firstS: number): Waypoint[] {
  const path: Waypoint[] = [[0, from, 5]];
  const walkS = Math.abs(to - from) / 1.4;
  const pauseS = 15;
  for (let atS = firstS, here = from; atS < DAY_S; here = here === from ? to : from) {
    path.push([atS, here, 5], [atS + walkS, here === from ? to : from, 5]);
    atS += walkS + pauseS;
  }
  return path;
}

export const WEST: Scenario = {
  name: "west",
  description: "Alice passes the board at the fountain; later Bob does, on his way to the library's gateway and back.",
  durationS: DAY_S,
  radio: RADIO,
  nodes: [
    { name: "fountain", role: "throwie", at: [0, 0] },
    {
      name: "Alice",
      role: "mule",
      path: [
        [0, -20, 5],
        [20, -20, 5],
        [120, -20, 160],
      ],
    },
    { name: "Bob", role: "mule", path: commute(-150, 240, 60) },
  ],
  drops: [],
};

export const EAST: Scenario = {
  name: "east",
  description: "Dana walks between the gateway in the bookshop and the board at the harbour, which Erin passes.",
  durationS: DAY_S,
  radio: RADIO,
  nodes: [
    { name: "harbour", role: "throwie", at: [0, 0] },
    { name: "Dana", role: "mule", path: commute(240, 0, 15) },
    { name: "Erin", role: "mule", path: commute(-140, -20, 30) },
  ],
  drops: [],
};
