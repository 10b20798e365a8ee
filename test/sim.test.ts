/**
 * Figures of the simulator prove nothing if the simulator is wrong. These tests check its parts one by one: kernel,
 * random numbers, medium, paths and scenarios. Then they check whole histories.
 *
 * Replay the random parts with SEED=n.
 */
import { readdirSync, readFileSync } from "node:fs";
import test from "ava";
import { Kernel } from "../sim/kernel.ts";
import { Losses } from "../sim/loss.ts";
import { Fixed, Point, Wander, Waypoints } from "../sim/mobility.ts";
import { Neighbourhood } from "../sim/neighbourhood.ts";
import { Medium, type MediumOptions } from "../sim/radio.ts";
import { SeededRandom } from "../sim/random.ts";
import { nearestRank, percentiles } from "../sim/report.ts";
import { nodeNames, parseScenario, type Scenario } from "../sim/scenario.ts";
import type { Station } from "../sim/station.ts";
import { simulate, World } from "../sim/world.ts";

const SEED = Number(process.env.SEED ?? 1);
const EVERYONE = new Uint8Array(6).fill(0xff);
const SECOND_US = 1_000_000;

/** The first numbers of seed 1, stream "radio". They were computed by an sfc32 in another language. */
const GOLDEN = [2756581895, 1291868340, 1980015526];

type MediumClass = new (...options: ConstructorParameters<typeof Medium>) => Medium;

/** A medium whose receivers can decode two signals at once. It is the canary of all checks on collisions. */
class CaptureMedium extends Medium {
  protected override interferes(): boolean {
    return false;
  }
}

function air(options: Partial<MediumOptions> = {}, Class: MediumClass = Medium, stream = "radio") {
  const kernel = new Kernel();
  return { kernel, medium: new Class(kernel, new SeededRandom(SEED, stream), { rateMbps: 1, rangeM: 50, ...options }) };
}

/** Keeps the station's queue full. */
function saturate(station: Station, to: Uint8Array, lengthBytes = 226): void {
  const frame = new Uint8Array(lengthBytes);
  station.handlers.onRoom = () => {
    while (station.send(frame, frame.length, to));
  };
  station.handlers.onRoom();
}

function lostInAll(medium: Medium): number {
  return Object.values(medium.counters.lost).reduce((sum, count) => sum + count, 0);
}

// Kernel

test("events happen in the order of their times, and events of one instant in the order of scheduling", (t) => {
  const random = new SeededRandom(SEED, "kernel");
  const kernel = new Kernel();
  const expected: { timeUs: number; order: number }[] = [];
  const happened: number[] = [];
  for (let order = 0; order < 2_000; order++) {
    const timeUs = random.below(300);
    const timer = kernel.at(timeUs, () => happened.push(order));
    if (random.below(4) === 0) kernel.cancel(timer);
    else expected.push({ timeUs, order });
  }
  expected.sort((a, b) => a.timeUs - b.timeUs || a.order - b.order);
  t.is(kernel.pending, expected.length);
  kernel.run(150);
  t.is(kernel.nowUs, 150);
  t.is(happened.length, expected.filter(({ timeUs }) => timeUs <= 150).length);
  kernel.run(1_000);
  t.deepEqual(
    happened,
    expected.map(({ order }) => order),
    `SEED=${SEED}`,
  );
  t.is(kernel.nextUs, Infinity);
  t.false(kernel.step());
});

test("the kernel refuses the past and fractions, and no event happens twice", (t) => {
  const kernel = new Kernel();
  let count = 0;
  const timer = kernel.after(5, () => count++);
  t.true(kernel.step());
  kernel.cancel(timer);
  kernel.cancel(undefined);
  t.is(count, 1);
  t.is(kernel.nowUs, 5);
  t.throws(() => kernel.at(4, () => {}));
  t.throws(() => kernel.at(5.5, () => {}));
  t.throws(() => kernel.run(4));
});

// Random numbers

test("seed and name choose a stream, and its numbers are the same on every engine", (t) => {
  const draws = (seed: number, stream: string) => {
    const random = new SeededRandom(seed, stream);
    return [random.u32(), random.u32(), random.u32()];
  };
  t.deepEqual(draws(1, "radio"), GOLDEN);
  t.notDeepEqual(draws(2, "radio"), GOLDEN);
  t.notDeepEqual(draws(1, "radii"), GOLDEN);
  t.notDeepEqual(draws(1 + 2 ** 32, "radio"), GOLDEN, "the high bits of a seed count");
  t.throws(() => new SeededRandom(-1, "x"));
  t.throws(() => new SeededRandom(1.5, "x"));
});

test("below, chance, between and fill are fair", (t) => {
  const random = new SeededRandom(SEED, "fair");
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 100_000; i++) counts[random.below(10)]!++;
  // 570 is six standard deviations of a binomial distribution of 100,000 draws at 1/10.
  for (const count of counts) t.true(Math.abs(count - 10_000) < 570, `SEED=${SEED}: ${counts}`);
  let hits = 0;
  for (let i = 0; i < 100_000; i++) if (random.chance(250_000)) hits++;
  t.true(Math.abs(hits - 25_000) < 822, `SEED=${SEED}: ${hits}`);
  for (let i = 0; i < 1_000; i++) {
    const value = random.between(-3, 4);
    t.true(value >= -3 && value < 4);
  }
  const [a, b] = [new SeededRandom(SEED, "same"), new SeededRandom(SEED, "same")];
  t.false(a.chance(0), "no chance at all, and no number is drawn");
  t.is(a.u32(), b.u32());
  const bytes = new Uint8Array(1_027);
  random.fill(bytes);
  t.true(new Set(bytes).size > 200);
  t.throws(() => random.below(0));
});

// Medium

/** The share of the frames that collide at a receiver between two senders. */
function collisionShare(Class: MediumClass, senderDistanceM: number): number {
  const { kernel, medium } = air({}, Class);
  const receiver = medium.add(new Fixed(0, 0));
  for (const side of [-1, 1]) saturate(medium.add(new Fixed((side * senderDistanceM) / 2, 0)), EVERYONE);
  let received = 0;
  receiver.handlers.onFrame = () => received++;
  kernel.run(10 * SECOND_US);
  return 1 - received / medium.counters.frames;
}

/** Whether senders 20 m apart, which sense each other, collide seldom, and hidden senders 80 m apart collide often. */
function hiddenNodesCollide(Class: MediumClass): boolean {
  return collisionShare(Class, 20) < 0.12 && collisionShare(Class, 80) > 0.5;
}

test("carrier sense keeps senders apart and hidden nodes collide; canary: a medium with capture is caught", (t) => {
  t.true(hiddenNodesCollide(Medium), `SEED=${SEED}`);
  // Two senders with 32 slots each start in the same slot once in 32 times or a little more. Then both frames are lost.
  const share = collisionShare(Medium, 20);
  t.true(share > 0.03 && share < 0.12, `SEED=${SEED}: ${share}`);
  t.false(hiddenNodesCollide(CaptureMedium), "canary: collisions go unnoticed with capture");
});

test("two stations that start at once do not hear each other, and a third station hears neither", (t) => {
  const { kernel, medium } = air();
  const [a, b, c] = [medium.add(new Fixed(0, 0)), medium.add(new Fixed(10, 0)), medium.add(new Fixed(5, 5))];
  let heard = 0;
  for (const station of [a, b, c]) station.handlers.onFrame = () => heard++;
  // The air has been idle for long, so both start at this instant.
  kernel.run(SECOND_US);
  a.send(new Uint8Array(50), 50, EVERYONE);
  b.send(new Uint8Array(50), 50, EVERYONE);
  kernel.run(2 * SECOND_US);
  t.is(heard, 0);
  t.is(medium.counters.lost.deaf, 2);
  t.is(medium.counters.lost.collision, 2);
});

test("a unicast frame is repeated until it is acknowledged, and its receiver gets it once", (t) => {
  const { kernel, medium } = air({ lossPerMille: 300, retriesMax: 7 });
  const [sender, receiver, bystander] = [0, 10, 20].map((x) => medium.add(new Fixed(x, 0)));
  const received: number[] = [];
  receiver!.handlers.onFrame = (frame) => received.push(frame[0]! | (frame[1]! << 8));
  bystander!.handlers.onFrame = () => t.fail("the bystander got a frame for another station");
  let next = 0;
  sender!.handlers.onRoom = () => {
    while (next < 1_000 && sender!.send(Uint8Array.of(next & 255, next >> 8), 2, receiver!.address)) next++;
  };
  sender!.handlers.onRoom();
  kernel.run(60 * SECOND_US);
  const { counters } = medium;
  t.true(counters.retries > 500 && counters.repetitions > 100, `SEED=${SEED}`);
  t.is(counters.frames, 1_000 + counters.retries);
  // A frame has eight attempts. All of them fail in 0.3^8 of the cases, one in fifteen thousand.
  t.true(received.length >= 998, `SEED=${SEED}: ${received.length}`);
  t.deepEqual(
    received,
    [...new Set(received)].sort((a, b) => a - b),
    "each frame arrives once, in order",
  );
});

test("a unicast frame without an acknowledgement is given up after its repetitions, and the window is reset", (t) => {
  const { kernel, medium } = air({ retriesMax: 4 });
  const sender = medium.add(new Fixed(0, 0));
  medium.add(new Fixed(10, 0));
  const far = medium.add(new Fixed(60, 0));
  let ready = 0;
  sender.handlers.onRoom = () => ready++;
  t.true(sender.send(new Uint8Array(100), 100, far.address));
  kernel.run(SECOND_US);
  t.is(medium.counters.frames, 5);
  t.is(medium.counters.retries, 4);
  t.is(medium.counters.unacknowledged, 1);
  t.is(medium.counters.lost.range, 5);
  t.is(sender.contentionSlots, 31, "the next frame begins with the first window");
  t.is(ready, 1);
});

test("a broadcast is sent once and never acknowledged", (t) => {
  const { kernel, medium } = air({ lossPerMille: 1_000 });
  const sender = medium.add(new Fixed(0, 0));
  for (const x of [10, 20, 30]) medium.add(new Fixed(x, 0));
  sender.send(new Uint8Array(10), 10, EVERYONE);
  kernel.run(SECOND_US);
  t.is(medium.counters.frames, 1);
  t.is(medium.counters.acknowledgements, 0);
  t.is(medium.counters.lost.noise, 3);
});

test("the send queue is bounded, copies its frames, and tells when a place is free", (t) => {
  const { kernel, medium } = air({ txQueueFrames: 4 });
  const [sender, receiver] = [medium.add(new Fixed(0, 0)), medium.add(new Fixed(10, 0))];
  const received: number[] = [];
  receiver.handlers.onFrame = (frame, _lengthBytes, from) => {
    received.push(frame[0]!);
    t.deepEqual(from, sender.address);
  };
  let ready = 0;
  sender.handlers.onRoom = () => ready++;
  const frame = new Uint8Array(300);
  for (let i = 0; i < 6; i++) {
    frame[0] = i;
    t.is(sender.send(frame, 20, EVERYONE), i < 4);
  }
  frame[0] = 99;
  t.is(medium.counters.refused, 2);
  kernel.run(SECOND_US);
  t.deepEqual(received, [0, 1, 2, 3]);
  t.is(ready, 4);
  t.throws(() => sender.send(frame, 251, EVERYONE), undefined, "a frame longer than frameSizeBytesMax");
  t.throws(() => sender.send(frame, 0, EVERYONE));
});

test("the receive queue drops the frames for which a slow node leaves no room", (t) => {
  // A frame takes 2.7 ms and its processing 10 ms, so three of four frames find the queue full.
  const { kernel, medium } = air({ rxQueueFrames: 6, processingUs: 10_000 });
  const [sender, receiver] = [medium.add(new Fixed(0, 0)), medium.add(new Fixed(10, 0))];
  let received = 0;
  receiver.handlers.onFrame = () => received++;
  saturate(sender, EVERYONE);
  kernel.run(10 * SECOND_US);
  t.true(received >= 990 && received <= 1_000, `${received}`);
  const { counters } = medium;
  t.is(counters.delivered, received);
  t.is(counters.lost.queue, counters.receptions - received - receiver.inbound.length);
  t.is(receiver.inbound.length, 7, "six frames wait, and one is being processed");
});

test("frames are duplicated and held back as often as asked, and otherwise arrive in order", (t) => {
  for (const perMille of [0, 100]) {
    const { kernel, medium } = air({ duplicatePerMille: perMille, reorderPerMille: perMille });
    const [sender, receiver] = [medium.add(new Fixed(0, 0)), medium.add(new Fixed(10, 0))];
    const received: number[] = [];
    receiver.handlers.onFrame = (frame) => received.push(frame[0]! | (frame[1]! << 8));
    let next = 0;
    sender.handlers.onRoom = () => {
      while (next < 2_000 && sender.send(Uint8Array.of(next & 255, next >> 8), 2, EVERYONE)) next++;
    };
    sender.handlers.onRoom();
    kernel.run(60 * SECOND_US);
    const sorted = [...received].sort((a, b) => a - b);
    const expected = 2_000 * (perMille / 1_000);
    t.is(new Set(received).size, 2_000);
    t.true(Math.abs(received.length - 2_000 - expected) <= expected / 2, `SEED=${SEED}: ${received.length}`);
    t.is(received.length, 2_000 + medium.counters.duplicated);
    if (perMille === 0) t.deepEqual(received, sorted);
    else t.notDeepEqual(received, sorted);
  }
});

test("a damaged frame differs in one to eight bits, for one receiver only, and other frames in none", (t) => {
  for (const perMille of [0, 100]) {
    const { kernel, medium } = air({ corruptPerMille: perMille });
    const [sender, ...receivers] = [0, 10, 20].map((x) => medium.add(new Fixed(x, 0))) as [Station, Station, Station];
    const damages: number[] = [];
    for (const receiver of receivers) {
      receiver.handlers.onFrame = (frame) => {
        const bits = frame.reduce((sum, byte) => sum + (byte ^ 0x55).toString(2).replaceAll("0", "").length, 0);
        if (bits > 0) damages.push(bits);
      };
    }
    let next = 0;
    sender.handlers.onRoom = () => {
      while (next < 2_000 && sender.send(new Uint8Array(200).fill(0x55), 200, EVERYONE)) next++;
    };
    sender.handlers.onRoom();
    kernel.run(60 * SECOND_US);
    const expected = 4_000 * (perMille / 1_000);
    t.true(Math.abs(damages.length - expected) <= expected / 4, `SEED=${SEED}: ${damages.length}`);
    // One bit may be flipped twice.
    t.true(medium.counters.corrupted - damages.length <= expected / 50);
    t.true(damages.every((bits) => bits <= 8));
    if (perMille > 0) t.is(new Set(damages).size, 8);
  }
});

test("a frame has exactly one outcome for each of its receivers, whatever happens", (t) => {
  for (let round = 0; round < 8; round++) {
    const random = new SeededRandom(SEED + round, "weather");
    const { kernel, medium } = air(
      {
        lossPerMille: random.below(300),
        edgeLossPerMille: random.below(500),
        burst: { lossPerMille: 1 + random.below(200), meanFrames: 1 + random.below(30) },
        duplicatePerMille: random.below(100),
        reorderPerMille: random.below(100),
        rxQueueFrames: 1 + random.below(4),
        processingUs: random.below(5_000),
        rateMbps: ([1, 2, 11, 6, 24, 54] as const)[random.below(6)]!,
      },
      Medium,
      `round ${round}`,
    );
    const area = [0, 0, 120, 120] as const;
    for (let i = 0; i < 8; i++) {
      const walk = new SeededRandom(SEED + round, `walk ${i}`);
      medium.add(new Wander({ area, speedMps: [1, 20], pauseS: [0, 1] }, walk));
    }
    let running = true;
    for (const station of medium.stations) {
      station.handlers.onRoom = () => {
        const to = random.below(2) === 0 ? EVERYONE : medium.stations[random.below(8)]!.address;
        if (running && to !== station.address) station.send(new Uint8Array(250), 1 + random.below(250), to);
      };
    }
    for (let ms = 0; ms < 3_000; ms += 5) {
      kernel.run(ms * 1_000);
      const station = medium.stations[random.below(8)]!;
      if (random.below(20) === 0) medium.powerOff(station);
      else medium.powerOn(station);
      if (station.powered) station.handlers.onRoom();
    }
    running = false;
    for (const station of medium.stations) medium.powerOn(station);
    kernel.run(30 * SECOND_US);
    const { counters } = medium;
    t.is(kernel.pending, 0, "the air is quiet");
    t.true(counters.delivered > 200 && counters.lost.collision > 0 && counters.lost.off > 0, `SEED=${SEED + round}`);
    t.is(
      counters.receptions + counters.duplicated,
      counters.delivered + lostInAll(medium) + counters.repetitions,
      `SEED=${SEED + round}: ${JSON.stringify(counters)}`,
    );
  }
});

test("the frame of a sender that loses power reaches no station, and a station without power hears nothing", (t) => {
  const { kernel, medium } = air();
  const [sender, receiver] = [medium.add(new Fixed(0, 0)), medium.add(new Fixed(10, 0))];
  let received = 0;
  receiver.handlers.onFrame = () => received++;
  kernel.run(1_000);
  sender.send(new Uint8Array(200), 200, EVERYONE);
  kernel.run(2_000);
  t.not(sender.transmitting, undefined);
  medium.powerOff(sender);
  t.false(sender.send(new Uint8Array(1), 1, EVERYONE));
  medium.powerOn(sender);
  kernel.run(100_000);
  t.is(medium.counters.lost.cut, 1);
  medium.powerOff(receiver);
  sender.send(new Uint8Array(200), 200, EVERYONE);
  kernel.run(101_000);
  // The receiver comes back too late: it missed the beginning of the frame.
  medium.powerOn(receiver);
  kernel.run(200_000);
  t.is(medium.counters.lost.off, 1);
  t.is(received, 0);
  sender.send(new Uint8Array(200), 200, EVERYONE);
  kernel.run(300_000);
  t.is(received, 1);
});

test("bursts have the given length and the given overall loss, each direction for itself", (t) => {
  const options = { lossPerMille: 0, edgeLossPerMille: 0, burst: { lossPerMille: 100, meanFrames: 20 } };
  const losses = new Losses(options, new SeededRandom(SEED, "bursts"));
  const FRAMES = 400_000;
  let lost = 0;
  let bursts = 0;
  let both = 0;
  let before = false;
  for (let i = 0; i < FRAMES; i++) {
    const bad = losses.draw(0, 1, 0) !== undefined;
    const back = losses.draw(1, 0, 0) !== undefined;
    if (bad) lost++;
    if (bad && !before) bursts++;
    if (bad && back) both++;
    before = bad;
  }
  // Over about 2,000 bursts the mean length deviates by 2 % and the share by 3 %. At least four times as much is
  // allowed.
  t.true(Math.abs(lost / FRAMES - 0.1) < 0.012, `SEED=${SEED}: ${lost / FRAMES}`);
  t.true(Math.abs(lost / bursts - 20) < 2, `SEED=${SEED}: ${lost / bursts}`);
  t.true(Math.abs(both / FRAMES - 0.01) < 0.004, `SEED=${SEED}: ${both / FRAMES}`);
});

test("loss grows with the fourth power of the distance", (t) => {
  const options = { lossPerMille: 0, edgeLossPerMille: 800, burst: undefined };
  const losses = new Losses(options, new SeededRandom(SEED, "distance"));
  const share = (distance: number): number => {
    let lost = 0;
    for (let i = 0; i < 50_000; i++) if (losses.draw(0, 1, distance * distance) === "distance") lost++;
    return lost / 50_000;
  };
  t.is(share(0), 0);
  t.true(Math.abs(share(1) - 0.8) < 0.01);
  t.true(Math.abs(share(0.5) - 0.05) < 0.006);
});

test("the neighbourhood finds all stations in range and no others, wherever they walk", (t) => {
  const { medium } = air();
  const near = new Neighbourhood(50);
  for (let i = 0; i < 60; i++) {
    const walk = new SeededRandom(SEED, `walk ${i}`);
    near.add(medium.add(new Wander({ area: [-300, -300, 300, 300], speedMps: [1, 40], pauseS: [0, 2] }, walk)));
  }
  const [here, there] = [new Point(), new Point()];
  let pairs = 0;
  for (let timeUs = 0; timeUs < 20 * SECOND_US; timeUs += 137_000) {
    for (const station of medium.stations) {
      const found = new Set<Station>();
      near.visit(station, timeUs, (other) => found.add(other));
      station.path.at(timeUs, here);
      const expected = medium.stations.filter((other) => {
        other.path.at(timeUs, there);
        return other !== station && (here.x - there.x) ** 2 + (here.y - there.y) ** 2 <= 50 * 50;
      });
      pairs += expected.length;
      if (found.size !== expected.length || !expected.every((other) => found.has(other))) {
        t.fail(`SEED=${SEED}: station ${station.index} at ${timeUs} us`);
      }
    }
  }
  t.true(pairs > 1_000);
});

// Paths

test("a path is linear between its points, and stands still before the first and after the last", (t) => {
  const path = new Waypoints([
    [10, 0, 0],
    [20, 30, 40],
    [30, 30, 40],
    [31, 31, 40],
  ]);
  const at = (timeS: number): [number, number] => {
    const point = new Point();
    path.at(timeS * SECOND_US, point);
    return [point.x, point.y];
  };
  t.is(path.speedMpsMax, 5);
  t.deepEqual([0, 10, 15, 20, 25, 30.5, 99].map(at), [
    [0, 0],
    [0, 0],
    [15, 20],
    [30, 40],
    [30, 40],
    [30.5, 40],
    [31, 40],
  ]);
  t.throws(() => new Waypoints([]));
  t.throws(
    () =>
      new Waypoints([
        [1, 0, 0],
        [1, 5, 5],
      ]),
  );
});

test("a walker stays in the area, is never faster than allowed, and takes the same path for the same seed", (t) => {
  const options = { area: [10, 20, 110, 70], speedMps: [0.5, 1.5], pauseS: [0, 30] } as const;
  const walkers = [0, 0, 1].map((more) => new Wander(options, new SeededRandom(SEED + more, "walk")));
  const points = walkers.map(() => new Point());
  let [x, y] = [NaN, NaN];
  let moved = 0;
  let apart = 0;
  for (let timeS = 0; timeS < 3_600; timeS++) {
    for (let i = 0; i < 3; i++) walkers[i]!.at(timeS * SECOND_US, points[i]!);
    const [a, b, c] = points as [Point, Point, Point];
    t.true(a.x >= 10 && a.x <= 110 && a.y >= 20 && a.y <= 70);
    t.deepEqual(a, b);
    if (a.x !== c.x) apart++;
    const step = timeS === 0 ? 0 : Math.sqrt((a.x - x) ** 2 + (a.y - y) ** 2);
    t.true(step <= 1.5 + 1e-9, `SEED=${SEED}: ${step} m in a second`);
    if (step > 0.4) moved++;
    [x, y] = [a.x, a.y];
  }
  t.true(moved > 1_000 && apart > 3_000);
});

// Scenarios

/** Any JSON, as a file may contain it. */
type Loose = ReturnType<typeof JSON.parse>;

const FOLDER = "sim/scenarios";
const read = (name: string): unknown => JSON.parse(readFileSync(`${FOLDER}/${name}.json`, "utf8"));

function scenario(name: string): Scenario {
  const parsed = parseScenario(read(name));
  if (typeof parsed === "string") throw new Error(`${name}: ${parsed}`);
  return parsed;
}

test("every file in the folder of scenarios is a valid scenario of the name of its file", (t) => {
  const names = readdirSync(FOLDER).map((file) => file.replace(/\.json$/, ""));
  for (const name of ["pair", "mule", "town", "crashes", "noisy"]) t.true(names.includes(name), name);
  for (const name of names) t.is(scenario(name).name, name);
});

test("an invalid scenario is refused with a sentence that names the field", (t) => {
  const refused = (change: (scenario: Loose) => void): string | undefined => {
    const value = read("town") as Loose;
    change(value);
    const parsed = parseScenario(value);
    return typeof parsed === "string" ? parsed : undefined;
  };
  t.is(
    refused(() => {}),
    undefined,
  );
  const cases: [change: (scenario: Loose) => void, sentence: RegExp][] = [
    [(s) => delete s.name, /^name is absent; expected a text/],
    [(s) => (s.durationS = "3600"), /^durationS is "3600"; expected a number of seconds from/],
    [(s) => (s.duration = 5), /^the scenario has a field "duration"; expected only name, /],
    [(s) => (s.radio.rateMbps = 5.5), /^radio\.rateMbps is 5\.5; expected 1 or 2 or 11 or 6 or 24 or 54\.$/],
    [(s) => (s.radio.lossPerMille = 0.5), /^radio\.lossPerMille is 0\.5; expected a whole number of per mille/],
    [(s) => (s.radio.burst = { lossPerMille: 100 }), /^radio\.burst\.meanFrames is absent/],
    [(s) => (s.radio = []), /^radio is \[\]; expected an object/],
    [(s) => (s.nodes = []), /^nodes is \[\]; expected a list of 1 to/],
    [(s) => (s.nodes[2].role = "x"), /^nodes\[2\]\.role is "x"; expected "throwie" or "mule"\.$/],
    [(s) => delete s.nodes[0].at, /^nodes\[0\] has 0 of at, path and wander; expected exactly one\.$/],
    [(s) => (s.nodes[0].path = [[0, 1, 1]]), /^nodes\[0\] has 2 of at, path and wander/],
    [(s) => (s.nodes[0].at = [1]), /^nodes\[0\]\.at is \[1\]; expected \[x, y\] in metres/],
    [(s) => (s.nodes[1].name = "station"), /^nodes\[1\]\.name is "station"; expected a name that no other/],
    [(s) => (s.nodes[1].name = "mule-3"), /"mule-3"; expected a name that no other/],
    [(s) => (s.nodes[1].name = "all"), /^nodes\[1\]\.name is "all"/],
    [
      (s) => (s.nodes[1].capacity = 751),
      /^nodes\[1\]\.capacity is 751; expected a whole number of Drops from 1 to 750/,
    ],
    [(s) => (s.nodes[12].wander.speedMps = [2, 1]), /^nodes\[12\]\.wander\.speedMps is \[2,1\]; .*smaller first/],
    [
      (s) =>
        (s.nodes[0] = {
          name: "x",
          role: "mule",
          path: [
            [5, 0, 0],
            [5, 1, 1],
          ],
        }),
      /^nodes\[0\]\.path\[1\]\[0\] is 5; expected a later time/,
    ],
    [
      (s) =>
        (s.nodes[0].crashes = [
          { atS: 5, downS: 5 },
          { atS: 8, downS: 1 },
        ]),
      /^nodes\[0\]\.crashes\[1\]\.atS is 8; expected a time after/,
    ],
    [(s) => (s.drops[0].from = "nowhere"), /^drops\[0\]\.from is "nowhere"; expected the name of a node or group/],
    [(s) => (s.drops[0].wantedBy = ["market", "?"]), /^drops\[0\]\.wantedBy\[1\] is "\?"; expected the name/],
    [(s) => (s.drops[0].wantedBy = "market"), /^drops\[0\]\.wantedBy is "market"; expected "all"/],
    [
      (s) => (s.drops[0].sizeBytes = 2049),
      /^drops\[0\]\.sizeBytes is 2049; expected a whole number of bytes from 1 to 2048/,
    ],
    [(s) => (s.drops[0].sizeBytes = [9, 8]), /^drops\[0\]\.sizeBytes is \[9,8\]; /],
    [(s) => (s.drops[0].everyS = 60), /^drops\[0\] ends at 5950 s; expected before durationS\.$/],
  ];
  for (const [change, sentence] of cases) t.regex(refused(change) ?? "accepted", sentence);
  for (const value of [null, 5, "town", []])
    t.regex(parseScenario(value) as string, /^the scenario is .*; expected an object/);
});

test("the nodes of a group are numbered", (t) => {
  t.deepEqual(nodeNames({ name: "mule", role: "mule", at: [0, 0] }), ["mule"]);
  t.deepEqual(nodeNames({ name: "mule", role: "mule", at: [0, 0], count: 3 }), ["mule-1", "mule-2", "mule-3"]);
});

// Histories

test("percentiles are by nearest rank, and an empty list has none", (t) => {
  const values = [15, 20, 35, 40, 50];
  t.deepEqual(
    [5, 30, 40, 50, 100].map((percent) => nearestRank(values, percent)),
    [15, 20, 20, 35, 50],
  );
  t.deepEqual(percentiles([3_000_000, 1_000_000, 2_000_000]), { p50: 2, p90: 3, p99: 3 });
  t.deepEqual(percentiles([]), { p50: null, p90: null, p99: null });
});

test("one seed gives one history, in one run or in many steps, and another seed gives another", (t) => {
  for (const name of ["pair", "noisy", "crashes"]) {
    const first = simulate(scenario(name), SEED);
    const again = new World(scenario(name), SEED);
    again.run();
    t.deepEqual(again.report(), first, name);
    t.not(simulate(scenario(name), SEED + 1).traceHash, first.traceHash, name);
  }
});

test("one frame of a foreign station changes the trace hash", (t) => {
  const hash = (stranger: boolean): string => {
    const world = new World(scenario("pair"), SEED);
    world.run(10);
    const station = world.medium.add(new Fixed(10_000, 0));
    if (stranger) station.send(Uint8Array.of(1, 2, 3), 3, EVERYONE);
    world.run();
    return world.report().traceHash;
  };
  t.is(hash(false), simulate(scenario("pair"), SEED).traceHash);
  t.not(hash(true), hash(false));
});

test("Drops reach all nodes that want them: by a contact, by a carrier, through noise, and after power cuts in mid-write", (t) => {
  for (const name of ["pair", "mule", "noisy", "crashes"]) {
    const report = simulate(scenario(name), SEED);
    const at = `${name}, SEED=${SEED}: ${JSON.stringify(report)}`;
    t.true(report.wanted > 0 && report.delivered === report.wanted, at);
    t.is(report.corrupt, 0, at);
    t.true(report.bytesOnAir > 43 * report.frames && report.airtimeSeconds > 0, at);
    t.true(report.latencySeconds.p50! <= report.latencySeconds.p90!, at);
    if (name === "mule") t.true(report.latencySeconds.p50! > 250, at);
    if (name === "crashes") t.true(report.crashes === 8, at);
    if (name === "noisy") t.true(report.collisions > 100 && report.lost.burst! > 50 && report.duplicates > 10, at);
  }
});

test("seeds that found a bug deliver all Drops", (t) => {
  const cases: [name: string, seed: number, bug: string][] = [
    ["pair", 4, "the third message of a reconciliation was never sent"],
    ["pair", 77, "the third message of a reconciliation was never accepted"],
    [
      "crashes",
      20,
      "power failed between a Drop's mark in flash and the event, so the Drop was not counted as delivered",
    ],
  ];
  for (const [name, seed, bug] of cases) {
    const report = simulate(scenario(name), seed);
    t.is(report.delivered, report.wanted, `${name}, seed ${seed}: ${bug}`);
  }
});

test("a node whose power fails in the middle of a write comes back with the Drops that it had", (t) => {
  // Half a minute more than the pair has: after the restart the board hashes 50 Drops, a third of a second each.
  const cut = { ...scenario("pair"), durationS: 60 };
  cut.nodes[1]!.crashes = [{ atS: 1.2, downS: 12, midWrite: true }];
  const stopped: number[] = [];
  const started: string[] = [];
  const world: World = new World(cut, SEED, {
    stopped: () => stopped.push(world.nowS),
    started: (node) => started.push(`${node.name} ${node.throwie!.store.count > 0}`),
  });
  world.run();
  t.is(stopped.length, 1);
  t.true(
    stopped[0]! >= 1.2 && stopped[0]! < 5,
    `SEED=${SEED}: the power must fail at the next write, not at ${stopped[0]} s`,
  );
  t.is(started.at(-1), "bridge true");
  const { delivered, wanted, crashes, lost } = world.report();
  t.deepEqual([delivered, crashes], [wanted, 1]);
  t.true(lost.off! > 0);
});

test("progress follows simulated time to the end", (t) => {
  const seen: number[] = [];
  const report = simulate(scenario("pair"), SEED, (nowS, durationS) => seen.push(nowS / durationS));
  t.is(seen.length, 100);
  t.deepEqual(
    seen,
    [...seen].sort((a, b) => a - b),
  );
  t.is(seen.at(-1), 1);
  t.is(report.simulatedSeconds, 30);
});

test("a full store evicts Drops, and the report says so", (t) => {
  const small = scenario("pair");
  small.nodes[1]!.capacity = 20;
  const report = simulate(small, SEED);
  t.true(report.evictions > 0 || report.delivered < report.wanted);
  t.true(report.delivered >= 20, JSON.stringify(report));
});
