/**
 * A scenario: where the nodes are, what the air is like, and which Drops are written when (docs/simulator.md, "Scenario
 * files").
 *
 * A scenario is plain JSON, so that a person can write one. `parseScenario` is strict. It refuses a field that is
 * missing, of another kind, out of range or unknown, by a sentence that names the field and says what is expected. If a
 * misspelt field were silently ignored, the experiment would be another one. A scenario that passes needs no further
 * check.
 *
 * No default is filled in: an optional field that is absent stays absent, and the code that uses the field knows its
 * default. Times are in seconds and places in metres, as people count them. world.ts converts times to the kernel's
 * microseconds.
 */
import { DROP_SIZE_BYTES_MAX } from "../modules/drop/drop.ts";
import type { Cast } from "../modules/throwie/throwie.ts";
import { WAKE_CYCLES, type WakeCycle } from "../modules/throwie/wake-schedule.ts";
import { RATES_MBPS, type RateMbps } from "./airtime.ts";
import type { Burst } from "./loss.ts";
import type { WanderOptions, Waypoint } from "./mobility.ts";
import type { Sleep } from "./node.ts";

export interface RadioScenario {
  rateMbps: RateMbps;
  rangeM: number;
  lossPerMille?: number;
  edgeLossPerMille?: number;
  burst?: Burst;
  duplicatePerMille?: number;
  reorderPerMille?: number;
  corruptPerMille?: number;
  rxQueueFrames?: number;
  processingUs?: number;
  retriesMax?: number;
}

export interface CrashPlan {
  atS: number;
  downS: number;
  /** Wait for the next write to flash, and cut the power in the middle of that write. */
  midWrite?: boolean;
}

export interface NodeScenario {
  /** With `count` above 1, the nodes are called name-1, name-2 and so on, and `name` is the name of the group. */
  name: string;
  role: "throwie" | "mule";
  count?: number;
  at?: [number, number];
  path?: Waypoint[];
  wander?: WanderOptions;
  capacity?: number;
  /** Largest ESP-NOW body: 250 (v1), which is the default, or 1,470 (v2). */
  frameSizeBytesMax?: number;
  /** How fast the node computes: as a "board" does, which is the default, or "none": computing takes no time. */
  processor?: "board" | "none";
  /** "always" awake, which is the default, or the wake cycle of the node, named by its longest period in seconds. */
  wake?: "always" | WakeCycle;
  /** How the node sleeps (node.ts). "deep" is the default. */
  sleep?: Sleep;
  crashes?: CrashPlan[];
}

export interface DropScenario {
  atS: number;
  /** A node, a group (each author is then drawn from it), or "all". */
  from: string;
  count?: number;
  /** Time from one Drop to the next. */
  everyS?: number;
  sizeBytes: number | [number, number];
  /** Nodes or groups. "all", which is the default, is every node but the author. */
  wantedBy?: "all" | string[];
}

export interface Scenario {
  name: string;
  description: string;
  durationS: number;
  beaconIntervalMs?: number;
  halfLifeS?: number;
  /** How nodes send Drops (docs/protocol.md, "How a link works"). */
  cast?: Cast;
  radio: RadioScenario;
  nodes: NodeScenario[];
  drops: DropScenario[];
}

/** As many nodes as fit into the memory of a large machine. */
const NODES_MAX = 10_000;
export const SCENARIO_DROPS_MAX = 100_000;
/** Of all nodes together. The kernel holds two events for each crash from the start on. */
const CRASHES_MAX = 100_000;
/** One month. */
const DURATION_S_MAX = 31 * 86_400;
/** Heat time has room for 32,759 half-lives (HEAT_TIME_MAX), and a sleeper's clock may be 5 % fast. */
const HALF_LIVES_MAX = 30_000;
const METRES_MAX = 1_000_000;
/** The capacity of a board's store. No store is larger. */
export const CAPACITY_MAX = 750;

/** The scenario, or a sentence that says why the value is not a scenario. */
export function parseScenario(value: unknown): Scenario | string {
  return checkScenario(value, "the scenario") ?? checkReferences(value as Scenario) ?? (value as Scenario);
}

/** The names of the nodes of an entry. */
export function nodeNames(node: NodeScenario): string[] {
  const count = node.count ?? 1;
  if (count === 1) return [node.name];
  const names: string[] = [];
  for (let i = 1; i <= count; i++) names.push(`${node.name}-${i}`);
  return names;
}

type Check = (value: unknown, at: string) => string | undefined;

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "absent";
  return text.length > 40 ? `${text.slice(0, 40)}...` : text;
}

const refuse = (value: unknown, at: string, expected: string): string =>
  `${at} is ${shown(value)}; expected ${expected}.`;

function number(low: number, high: number, unit: string): Check {
  return (value, at) =>
    typeof value === "number" && value >= low && value <= high
      ? undefined
      : refuse(value, at, `a number of ${unit} from ${low} to ${high}`);
}

function whole(low: number, high: number, unit: string): Check {
  return (value, at) =>
    typeof value === "number" && value >= low && value <= high && Math.floor(value) === value
      ? undefined
      : refuse(value, at, `a whole number of ${unit} from ${low} to ${high}`);
}

function oneOf(...allowed: (string | number)[]): Check {
  return (value, at) =>
    allowed.some((one) => one === value) ? undefined : refuse(value, at, allowed.map((one) => shown(one)).join(" or "));
}

const text: Check = (value, at) =>
  typeof value === "string" && value.length > 0 ? undefined : refuse(value, at, "a text that is not empty");

const flag: Check = (value, at) => (typeof value === "boolean" ? undefined : refuse(value, at, "true or false"));

function list(check: Check, lengthMin: number, lengthMax: number): Check {
  return (value, at) => {
    if (!Array.isArray(value) || value.length < lengthMin || value.length > lengthMax) {
      return refuse(value, at, `a list of ${lengthMin} to ${lengthMax} entries`);
    }
    for (let i = 0; i < value.length; i++) {
      const refusal = check(value[i], `${at}[${i}]`);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  };
}

function tuple(expected: string, ...checks: Check[]): Check {
  return (value, at) => {
    if (!Array.isArray(value) || value.length !== checks.length) return refuse(value, at, expected);
    for (let i = 0; i < checks.length; i++) {
      const refusal = checks[i]!(value[i], `${at}[${i}]`);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  };
}

/** Two numbers, the second not below the first. */
function span(expected: string, check: Check): Check {
  const both = tuple(expected, check, check);
  return (value, at) => {
    const refusal = both(value, at);
    if (refusal !== undefined) return refusal;
    const [low, high] = value as [number, number];
    return low <= high ? undefined : refuse(value, at, `${expected}, the smaller first`);
  };
}

function fields(required: Record<string, Check>, optional: Record<string, Check> = {}): Check {
  const known = [...Object.keys(required), ...Object.keys(optional)];
  return (value, at) => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return refuse(value, at, "an object");
    const record = value as Record<string, unknown>;
    for (const name of Object.keys(record)) {
      if (!known.includes(name)) return `${at} has a field "${name}"; expected only ${known.join(", ")}.`;
    }
    for (const name of known) {
      const check = required[name] ?? optional[name]!;
      if (record[name] === undefined && required[name] === undefined) continue;
      const refusal = check(record[name], at === "the scenario" ? name : `${at}.${name}`);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  };
}

function either(check: Check, isFirst: (value: unknown) => boolean, other: Check): Check {
  return (value, at) => (isFirst(value) ? check(value, at) : other(value, at));
}

const perMille = whole(0, 1_000, "per mille");
const metres = number(-METRES_MAX, METRES_MAX, "metres");
const seconds = number(0, DURATION_S_MAX, "seconds");
const sizeBytes = whole(1, DROP_SIZE_BYTES_MAX, "bytes");

const checkNode: Check = (value, at) => {
  const refusal = fields(
    { name: text, role: oneOf("throwie", "mule") },
    {
      count: whole(1, NODES_MAX, "nodes"),
      at: tuple("[x, y] in metres", metres, metres),
      path: list(tuple("[seconds, x, y]", seconds, metres, metres), 1, 10_000),
      wander: fields({
        area: tuple("[x0, y0, x1, y1] in metres", metres, metres, metres, metres),
        speedMps: span("[slowest, fastest]", number(0.01, 100, "metres a second")),
        pauseS: span("[shortest, longest]", seconds),
      }),
      capacity: whole(1, CAPACITY_MAX, "Drops"),
      frameSizeBytesMax: oneOf(250, 1_470),
      processor: oneOf("board", "none"),
      wake: oneOf("always", ...WAKE_CYCLES),
      sleep: oneOf("deep", "light", "forgetful"),
      crashes: list(
        fields({ atS: seconds, downS: number(0.001, DURATION_S_MAX, "seconds") }, { midWrite: flag }),
        0,
        1_000,
      ),
    },
  )(value, at);
  if (refusal !== undefined) return refusal;
  const node = value as NodeScenario;
  const places = [node.at, node.path, node.wander].filter((place) => place !== undefined).length;
  if (places !== 1) return `${at} has ${places} of at, path and wander; expected exactly one.`;
  for (let i = 1; i < (node.path?.length ?? 0); i++) {
    if (!(node.path![i]![0] > node.path![i - 1]![0])) {
      return refuse(node.path![i]![0], `${at}.path[${i}][0]`, "a later time than the point before it");
    }
  }
  for (let i = 1; i < (node.crashes?.length ?? 0); i++) {
    const before = node.crashes![i - 1]!;
    if (!(node.crashes![i]!.atS > before.atS + before.downS)) {
      return refuse(node.crashes![i]!.atS, `${at}.crashes[${i}].atS`, "a time after the crash before it is over");
    }
  }
  return undefined;
};

const checkDrop = fields(
  {
    atS: seconds,
    from: text,
    sizeBytes: either(sizeBytes, (value) => !Array.isArray(value), span("[smallest, largest] in bytes", sizeBytes)),
  },
  {
    count: whole(1, SCENARIO_DROPS_MAX, "Drops"),
    everyS: seconds,
    wantedBy: either(oneOf("all"), (value) => typeof value === "string", list(text, 1, NODES_MAX)),
  },
);

const checkScenario = fields(
  {
    name: text,
    description: text,
    durationS: number(0.001, DURATION_S_MAX, "seconds"),
    radio: fields(
      { rateMbps: oneOf(...RATES_MBPS), rangeM: number(1, 100_000, "metres") },
      {
        lossPerMille: perMille,
        edgeLossPerMille: perMille,
        burst: fields({ lossPerMille: whole(1, 500, "per mille"), meanFrames: whole(1, 10_000, "frames") }),
        duplicatePerMille: perMille,
        reorderPerMille: perMille,
        corruptPerMille: perMille,
        rxQueueFrames: whole(1, 10_000, "frames"),
        processingUs: whole(0, 1_000_000, "microseconds"),
        retriesMax: whole(0, 31, "repetitions"),
      },
    ),
    nodes: list(checkNode, 1, NODES_MAX),
    drops: list(checkDrop, 0, SCENARIO_DROPS_MAX),
  },
  {
    beaconIntervalMs: whole(10, 3_600_000, "milliseconds"),
    halfLifeS: whole(1, 100_000_000, "seconds"),
    cast: oneOf("broadcast", "unicast"),
  },
);

/** Checks what no single field shows: names given twice, unknown names, totals, and times after the end. */
function checkReferences(scenario: Scenario): string | undefined {
  const { durationS, halfLifeS } = scenario;
  if (halfLifeS !== undefined && durationS > HALF_LIVES_MAX * halfLifeS) {
    return refuse(halfLifeS, "halfLifeS", `at least a ${HALF_LIVES_MAX}th of durationS`);
  }
  const names = new Set<string>(["all"]);
  let nodes = 0;
  let crashes = 0;
  for (let i = 0; i < scenario.nodes.length; i++) {
    const node = scenario.nodes[i]!;
    nodes += node.count ?? 1;
    if (nodes > NODES_MAX) return `nodes come to more than ${NODES_MAX}; expected at most that many.`;
    crashes += (node.count ?? 1) * (node.crashes?.length ?? 0);
    if (crashes > CRASHES_MAX) return `crashes come to more than ${CRASHES_MAX}; expected at most that many.`;
    for (const name of new Set([node.name, ...nodeNames(node)])) {
      if (names.has(name)) return refuse(name, `nodes[${i}].name`, "a name that no other node or group has");
      names.add(name);
    }
  }
  let drops = 0;
  for (let i = 0; i < scenario.drops.length; i++) {
    const drop = scenario.drops[i]!;
    const count = drop.count ?? 1;
    drops += count;
    if (drops > SCENARIO_DROPS_MAX) return `drops come to more than ${SCENARIO_DROPS_MAX}; expected at most that many.`;
    if (!names.has(drop.from)) return refuse(drop.from, `drops[${i}].from`, 'the name of a node or group, or "all"');
    const lastS = drop.atS + (count - 1) * (drop.everyS ?? 0);
    if (lastS >= scenario.durationS) return `drops[${i}] ends at ${lastS} s; expected before durationS.`;
    const wanting = drop.wantedBy === undefined || drop.wantedBy === "all" ? [] : drop.wantedBy;
    for (let k = 0; k < wanting.length; k++) {
      if (!names.has(wanting[k]!)) {
        return refuse(wanting[k], `drops[${i}].wantedBy[${k}]`, "the name of a node or group");
      }
    }
  }
  return undefined;
}
