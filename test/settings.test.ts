/**
 * Whoever chooses a setting is told at once that it is wrong, or the setting works. These tests draw settings of all
 * kinds from their whole ranges, edges and nonsense included: of a board, of a node, of a scenario, of the command
 * line. What passes its check must then run.
 *
 * Replay with SEED=n.
 */
import test from "ava";
import { parsePlace, placeWords } from "../hosts/cli/place.ts";
import { parseNodeAddress } from "../hosts/distsoc/node-id.ts";
import { checkSettings } from "../hosts/firmware/configuration.ts";
import { parseAirAddress, UdpRadio } from "../hosts/radio/udp-radio.ts";
import { settings } from "../modules/board/settings.ts";
import { Store } from "../modules/store/store.ts";
import { HALF_LIFE_MS_MAX } from "../modules/temperature/temperature.ts";
import { Throwie, type ThrowieOptions } from "../modules/throwie/throwie.ts";
import { WakeSchedule } from "../modules/throwie/wake-schedule.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { parseScenario } from "../sim/scenario.ts";
import { World } from "../sim/world.ts";

const SEED = Number(process.env.SEED ?? 1);
const replay = `replay: SEED=${SEED} npx ava build/test/settings.test.js`;
const DAY_MS = 86_400_000;

/** Draws an entry of a list. */
function one<T>(random: SeededRandom, list: readonly T[]): T {
  return list[random.below(list.length)]!;
}

/** A whole number of the range; each of its ends in one of four draws. */
function whole(random: SeededRandom, low: number, high: number): number {
  return one(random, [low, high, Math.floor(random.between(low, high + 1)), Math.min(high, low + random.below(10))]);
}

/** A number of the range with any fraction; each of its ends in one of four draws. */
function fraction(random: SeededRandom, low: number, high: number): number {
  return one(random, [low, high, random.between(low, high), Number(random.between(low, high).toFixed(1))]);
}

/** Runs a node with these options through an hour, and returns it. */
function run(options: Partial<ThrowieOptions>, fromMs = 0): Throwie {
  const store = new Store(new NorFlash({ sizeBytes: 16 * 4096 }), 5);
  store.mount();
  let now = fromMs;
  const node = new Throwie({
    radio: {
      address: Uint8Array.of(2, 0, 0, 0, 0, 1),
      ...{ frameSizeBytesMax: 250, receiveQueueFrames: 16, full: false, send: () => true },
    },
    clock: { now: () => now },
    random: new SeededRandom(SEED, "node"),
    store,
    ...options,
  });
  for (let turns = 0; turns < 40; turns++) {
    const due = node.turn();
    if (!(due > now) || Math.floor(due) !== due) throw new Error(`the node asks for a turn at ${due}, at ${now}`);
    now = due;
    if (turns === 5) node.publish(Uint8Array.of(1), "own");
  }
  node.checkpoint();
  return node;
}

const config = {
  role: "throwie",
  name: "",
  channel: 1,
  rate: "1M",
  halfLifeDays: 7,
  wake: "always",
  port: "uart",
  baud: 921_600,
  cpu: 160,
};

test("every half-life with one decimal is refused or starts a node", (t) => {
  let passed = 0;
  for (let tenths = 0; tenths <= 16_000; tenths++) {
    const given = (tenths / 10).toFixed(1);
    if (tenths < 10 || tenths > 15_907) {
      t.throws(() => settings({ ...config, halfLifeDays: given }), { message: /^halfLifeDays is / }, given);
      continue;
    }
    const { halfLifeMs } = settings({ ...config, halfLifeDays: given });
    t.is(halfLifeMs, (tenths * DAY_MS) / 10, given);
    if (tenths < 1_000 || tenths % 100 === 0) run({ halfLifeMs });
    passed++;
  }
  t.is(passed, 15_898);
});

test("a board's setting is refused with a sentence, or the board starts with it", (t) => {
  const random = new SeededRandom(SEED, "board");
  const nonsense = ["", " ", "0", "-1", "1.5", "1e3", "NaN", "Infinity", "always", "x", "1M", "0x20", "9".repeat(400)];
  const values: Record<string, () => unknown> = {
    role: () => one(random, ["throwie", "mule", "dongle"]),
    name: () => one(random, ["Fountain", "a = b", "x".repeat(32), ""]),
    channel: () => whole(random, 1, 11),
    rate: () => one(random, ["1M", "2M", "11M", "6M", "24M", "54M", "LR250K", "LR500K"]),
    halfLifeDays: () => fraction(random, 1, HALF_LIFE_MS_MAX / DAY_MS),
    wake: () => one(random, ["always", 30, 60, 120, 300, 600]),
    port: () => one(random, ["usb", "uart"]),
    baud: () => whole(random, 115_200, 5_000_000),
    cpu: () => one(random, [80, 160, 240]),
  };
  let passed = 0;
  for (let i = 0; i < 2_000; i++) {
    const chosen = Object.entries(values).map(([key, draw]): [string, unknown] => {
      const value = random.below(20) === 0 ? one(random, nonsense) : draw();
      // The command line gives text; the manifest gives numbers.
      return [key, random.below(2) === 0 ? value : String(value)];
    });
    const about = `${JSON.stringify(chosen)}; ${replay}`;
    const board = one(random, ["esp32", "esp32c3", "esp32s3"]);
    try {
      checkSettings(
        board,
        chosen.map(([key, value]) => `${key}=${value}`),
      );
    } catch (error) {
      t.regex((error as Error).message, /^(\w+) is .*; it must be [^\n]*\.$/s, about);
      continue;
    }
    passed++;
    const { role, halfLifeMs, wake, port, baud, channel, cpuMhz } = settings(Object.fromEntries(chosen));
    t.true(baud >= 115_200 && Number.isInteger(channel), about);
    // What line_open of modules/serial refuses on a chip without USB.
    t.false(board === "esp32" && port === "usb", about);
    // What esp_pm_configure refuses on a chip that is slower.
    t.true([80, 160, ...(board === "esp32c3" ? [] : [240])].includes(cpuMhz), about);
    t.notThrows(() => run({ halfLifeMs }), about);
    if (wake !== undefined) {
      t.is(role, "throwie", about);
      const schedule = new WakeSchedule({ id: Uint8Array.of(2, 0, 0, 0, 0, 1), cycle: wake, state: 0, now: 0 });
      t.true(schedule.sleepMs(schedule.awakeUntil(0, false)) > 0, about);
    }
  }
  t.true(passed > 500, `${passed} of 2,000 passed`);
});

test("an option of a node is refused when the node is made, or works", (t) => {
  const random = new SeededRandom(SEED, "node options");
  for (const beaconIntervalMs of [0, -1, 0.5, 1_000.5, Number.NaN, Number.POSITIVE_INFINITY, 3_600_001]) {
    t.throws(() => run({ beaconIntervalMs }), { message: /^throwie: a beacon interval is 1 to 3600000 whole/ });
  }
  for (const halfLifeMs of [0, 1.1 * DAY_MS, Number.NaN, HALF_LIFE_MS_MAX + 1]) {
    t.throws(() => run({ halfLifeMs }), { message: /^temperature: a half-life is/ });
  }
  for (let i = 0; i < 500; i++) {
    const beaconIntervalMs = whole(random, 1, 3_600_000);
    const halfLifeMs = whole(random, 300_000, HALF_LIFE_MS_MAX);
    const beaconAtOnce = random.below(2) === 0;
    t.notThrows(
      () => run({ beaconIntervalMs, halfLifeMs, beaconAtOnce }),
      `${beaconIntervalMs} ${halfLifeMs}; ${replay}`,
    );
  }
});

/** A scenario of a few nodes. Every field is drawn from its whole range. */
function drawScenario(random: SeededRandom): Record<string, unknown> {
  const perMille = (): number => whole(random, 0, 1_000);
  const metres = (): number => one(random, [0, 0, 1, fraction(random, -1_000_000, 1_000_000)]);
  const seconds = (): number => one(random, [0, 0.000_001, 1, fraction(random, 0, 2_678_400)]);
  const span = (low: number, high: number): [number, number] => {
    const ends = [fraction(random, low, high), fraction(random, low, high)].sort((a, b) => a - b);
    return [ends[0]!, ends[1]!];
  };
  const maybe = (name: string, draw: () => unknown): object => (random.below(2) === 0 ? {} : { [name]: draw() });
  const place = (): object => {
    const area = [metres(), metres(), metres(), metres()];
    const pauseS = one(random, [[0, 0], span(0, 2_678_400)]);
    const times = [seconds(), seconds(), seconds()].sort((a, b) => a - b);
    const path = times.filter((time, i) => i === 0 || time > times[i - 1]!).map((time) => [time, metres(), metres()]);
    return one(random, [
      { at: [metres(), metres()] },
      { wander: { area, speedMps: span(0.01, 100), pauseS } },
      { path },
    ]);
  };
  const crash = (atS: number): object => ({
    atS,
    downS: one(random, [0.001, 0.5]),
    ...maybe("midWrite", () => true),
  });
  const nodes = Array.from({ length: 1 + random.below(4) }, (_, i) => ({
    name: `node${i}`,
    role: one(random, ["throwie", "mule"]),
    ...place(),
    ...maybe("count", () => 1 + random.below(2)),
    ...maybe("capacity", () => whole(random, 1, 750)),
    ...maybe("frameSizeBytesMax", () => one(random, [250, 1_470])),
    ...maybe("wake", () => one(random, ["always", 30, 60, 120, 300, 600])),
    ...maybe("crashes", () => [crash(one(random, [0, 0.3])), crash(one(random, [1, 1.3]))]),
  }));
  const durationS = one(random, [0.001, 4, fraction(random, 0.001, 2_678_400)]);
  return {
    ...{ name: "drawn", description: "Drawn at random.", durationS, nodes },
    radio: {
      rateMbps: one(random, [1, 2, 11, 6, 24, 54]),
      rangeM: fraction(random, 1, 100_000),
      ...maybe("lossPerMille", perMille),
      ...maybe("edgeLossPerMille", perMille),
      ...maybe("burst", () => ({ lossPerMille: whole(random, 1, 500), meanFrames: whole(random, 1, 10_000) })),
      ...maybe("duplicatePerMille", perMille),
      ...maybe("reorderPerMille", perMille),
      ...maybe("corruptPerMille", perMille),
      ...maybe("rxQueueFrames", () => whole(random, 1, 10_000)),
      ...maybe("processingUs", () => whole(random, 0, 1_000_000)),
      ...maybe("retriesMax", () => whole(random, 0, 31)),
    },
    drops: Array.from({ length: random.below(4) }, () => ({
      atS: one(random, [0, durationS / 2]),
      from: one(random, ["all", "node0"]),
      sizeBytes: one(random, [1, 2_048, [1, 2_048]]),
      ...maybe("count", () => whole(random, 1, 20)),
      ...maybe("everyS", () => fraction(random, 0, durationS / 40)),
      ...maybe("wantedBy", () => one(random, ["all", ["node0"]])),
    })),
    ...maybe("beaconIntervalMs", () => whole(random, 10, 3_600_000)),
    ...maybe("halfLifeS", () => whole(random, 1, 100_000_000)),
    ...maybe("cast", () => one(random, ["broadcast", "unicast"])),
  };
}

test("a scenario is refused with a sentence, or runs", (t) => {
  const random = new SeededRandom(SEED, "scenario");
  let passed = 0;
  for (let i = 0; i < 120; i++) {
    const drawn = drawScenario(random);
    const scenario = parseScenario(drawn);
    if (typeof scenario === "string") {
      t.regex(scenario, /^[^\n]+\.$/);
      continue;
    }
    passed++;
    const about = `${JSON.stringify(drawn)}; ${replay}`;
    t.notThrows(() => {
      const world = new World(scenario, SEED);
      world.run(Math.min(scenario.durationS, 3));
      world.report();
      const { halfLifeS } = scenario;
      if (halfLifeS !== undefined) run({ halfLifeMs: halfLifeS * 1_000 }, Math.floor(scenario.durationS * 1_050));
    }, about);
  }
  t.true(passed > 60, `${passed} of 120 passed`);
});

test("a scenario whose heat time or whose crashes have no room is refused", (t) => {
  const scenario = {
    ...{ name: "n", description: "d", durationS: 2_678_400, halfLifeS: 90, drops: [] },
    radio: { rateMbps: 1, rangeM: 80 },
    nodes: [{ name: "a", role: "throwie", at: [0, 0] }],
  };
  t.is(typeof parseScenario(scenario), "object");
  t.regex(parseScenario({ ...scenario, halfLifeS: 80 }) as string, /^halfLifeS is 80; expected at least a 30000th/);
  const crashes = Array.from({ length: 1_000 }, (_, i) => ({ atS: 2 * i, downS: 1 }));
  const nodes = [{ ...scenario.nodes[0], crashes, count: 101 }];
  t.is(parseScenario({ ...scenario, nodes }), "crashes come to more than 100000; expected at most that many.");
});

test("a place or an address on the command line is refused with a sentence, or works", async (t) => {
  const random = new SeededRandom(SEED, "command line");
  const number = (): string =>
    one(random, [`${whole(random, -200, 200)}`, random.between(-200, 200).toFixed(4), "90", "-180"]);
  const texts = (): string[] => {
    const ip = one(random, [
      `127.${random.below(256)}.${random.below(256)}.${random.below(257)}`,
      "127.0.0.1",
      "127.255.255.255",
      "127.0.0.0",
      "10.0.0.1",
    ]);
    const [host, port] = [one(random, [ip, `[::${random.below(3)}]`]), whole(random, 0, 65_540)];
    const id = "0a".repeat(whole(random, 31, 33));
    const degrees = [number(), number(), `${whole(random, 0, 14)}`].slice(0, 2 + random.below(2));
    return [
      `${host}:${port}`,
      `${id}@${host}:${port}`,
      degrees.join(one(random, [",", ";", ", "])),
      `geo:${number()},${number()}`,
    ];
  };
  const attempt = <T>(read: (text: string) => T, text: string): T | undefined => {
    try {
      return read(text);
    } catch (error) {
      t.true(error instanceof RangeError && /^[^\n]+\.$/.test(error.message), `${text}: ${error}; ${replay}`);
      return undefined;
    }
  };
  for (let i = 0; i < 300; i++) {
    for (const text of texts()) {
      const place = attempt(parsePlace, text);
      if (place !== undefined) {
        t.is(place.cell.length, place.precision, text);
        t.regex(placeWords(place), /^Place: [^\n]+\.$/, text);
      }
      const air = attempt(parseAirAddress, text);
      if (air !== undefined && i < 40) {
        const opened = UdpRadio.open(air, Uint8Array.of(2, 0, 0, 0, 0, 1), { onFrame() {}, onRoom() {} });
        await t.notThrowsAsync(
          opened.then((radio) => radio.close()),
          `${text}; ${replay}`,
        );
      }
      for (const socket of attempt(parseNodeAddress, text)?.sockets ?? []) t.regex(socket, /:[1-9]\d*$/, text);
    }
  }
});
