/**
 * The line between a dongle and its computer is bad at times, and either end may restart. These tests run
 * modules/dongle over a simulated line (dongle-world.ts). Whatever happens to the line and to either end, each frame
 * must arrive whole, once and in order, or must be counted as lost.
 *
 * Replay a finding with SEED=n LINES=1. LINES=n searches n seeds for each kind of line.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import test, { type ExecutionContext } from "ava";
import { build } from "esbuild";
import type { Dongle } from "../modules/dongle/dongle.ts";
import { MessageRing } from "../modules/dongle/message-ring.ts";
import { wireDongle } from "../modules/dongle/wire-dongle.ts";
import type { RadioHandlers } from "../modules/throwie/ports.ts";
import { BYTECODES_PER_SECOND } from "../sim/power.ts";
import { SeededRandom } from "../sim/random.ts";
import { type History, play, playTwins } from "./dongle-world.ts";
import { bundleForXs, changing, type Evaluation, XsMachine } from "./xs/machine.ts";

const SEED = Number(process.env.SEED ?? 20_260_401) >>> 0;
const LINES = Number(process.env.LINES ?? 8);
/** A canary stops at its first finding, so that a long search costs no time. */
const CANARY_LINES = 200;

const LINES_OF: Record<string, Partial<History>> = {
  "a good line": {},
  "a good line with the delay of a USB chip": { upMs: 16 },
  "a noisy line": { flipped: 300, dropped: 200, added: 100 },
  "a line that is mostly noise": { flipped: 4_000, dropped: 4_000, added: 2_000, rate: 100 },
  "a radio that is slower than the line": { airMs: 12, flipped: 100 },
  "frames of 1,470 bytes": { frameSizeBytesMax: 1_470, rate: 60, flipped: 50, dropped: 50, airMs: 8 },
  "a dongle that restarts": { reboots: 4_000, flipped: 100, dropped: 100 },
  "a host that restarts": { restarts: 4_000, flipped: 100, dropped: 100 },
  "a line that is unplugged": { unplugs: 4_000, flipped: 100, dropped: 100, upMs: 8 },
  "a line as long as to the moon": { upMs: 1_280, downMs: 1_280 },
  "another dongle in the place of the first": { swaps: 4_000, flipped: 100, dropped: 100 },
  "all faults together": {
    swaps: 1_000,
    reboots: 2_000,
    restarts: 2_000,
    unplugs: 2_000,
    flipped: 300,
    dropped: 300,
    added: 100,
    airMs: 4,
  },
};

function faultsOf(run: typeof play, seed: number, change: Partial<History>): string[] {
  try {
    return run(seed, change).faults;
  } catch (error) {
    return [String(error)];
  }
}

function search(run: typeof play, change: Partial<History>, seeds: number): string[] {
  for (let seed = SEED; seed < SEED + seeds; seed++) {
    const faults = faultsOf(run, seed, change);
    if (faults.length > 0) return faults.slice(0, 3).map((fault) => `SEED=${seed}: ${fault}`);
  }
  return [];
}

for (const [name, change] of Object.entries(LINES_OF)) {
  test(`each frame arrives or is counted with ${name}`, (t) => {
    t.log(`seeds ${SEED} to ${SEED + LINES - 1}`);
    t.deepEqual(search(play, change, LINES), []);
  });
}

test("the simulated lines lose frames and end sessions, but most frames arrive", (t) => {
  const noisy = play(SEED, LINES_OF["a noisy line"]!);
  t.true(noisy.up.gone > 10 && noisy.down.gone > 10, JSON.stringify(noisy));
  t.true(noisy.up.arrived > 400 && noisy.down.arrived > 400, JSON.stringify(noisy));
  t.is(noisy.sessions, 1, "damaged bytes alone must end no session");
  t.true(play(SEED, LINES_OF["all faults together"]!).sessions > 3);
});

test("a good line carries 300 frames of 250 bytes a second, both ways at once, without loss or growing delay", (t) => {
  for (const upMs of [1, 16]) {
    const { faults, up, down } = play(SEED, { durationMs: 20_000, frameBytesMin: 250, upMs });
    t.deepEqual(faults, []);
    // The frames of the last moments may still wait in a queue. The queue itself does not grow.
    t.deepEqual(up, { made: 5_970, arrived: 5_970, gone: 0 });
    t.true(down.made >= 5_960 && down.gone === 0 && down.arrived === down.made, JSON.stringify(down));
  }
});

/** Each entry changes one place of a module. The search must find a fault in the changed module. */
const BREAKAGES: [what: string, file: string, from: string, to: string, line: string][] = [
  [
    "damaged messages are not noticed",
    "framing.ts",
    "!== crc32(bytes, 0, messageBytes) >>> 0",
    "=== -1",
    "a noisy line",
  ],
  [
    "the ends do not tell each other how far they have sent",
    "line-end.ts",
    "if (!this.#see(u16At(message, SENT_AT), 0)) return false;",
    "",
    "a line that is mostly noise",
  ],
  ["lost frames are not counted", "line-end.ts", "this.counters.lostHere += gap;", "", "a noisy line"],
  [
    "credit is given for frames that were seen, not for frames that are done",
    "line-end.ts",
    "+ NUMBERS - this.#owner.waiting)",
    ")",
    "a radio that is slower than the line",
  ],
  [
    "sessions are not told apart",
    "line-end.ts",
    "!== this.session) {",
    "=== 0) {",
    "another dongle in the place of the first",
  ],
  [
    "a session that ends counts no frame as cut",
    "line-end.ts",
    "this.counters.cut += this.outstanding;",
    "",
    "a dongle that restarts",
  ],
  [
    "half a message is continued in the next session",
    "line-end.ts",
    "this.#writing = undefined;\n    this.#newest = 0;",
    "this.#newest = 0;",
    "all faults together",
  ],
  [
    "a second HELLO of the same session begins the session again",
    "dongle.ts",
    " || session === this.#end.session",
    "",
    "a line as long as to the moon",
  ],
];

for (const [what, file, from, to, line] of BREAKAGES) {
  test(`canary: the search finds a fault when ${what}`, async (t) => {
    const broken = await brokenWorld(file, from, to);
    t.not(search(broken.play, LINES_OF[line]!, CANARY_LINES).length, 0);
  });
}

/** The histories over a module in which the text `from` is replaced by `to`. */
async function brokenWorld(file: string, from: string, to: string): Promise<typeof import("./dongle-world.ts")> {
  const folder = mkdtempSync(join(tmpdir(), "throwie-dongle-"));
  const program = join(folder, "broken.mjs");
  await build({
    entryPoints: ["test/dongle-world.ts"],
    bundle: true,
    outfile: program,
    format: "esm",
    target: "es2022",
    logLevel: "silent",
    plugins: [changing({ [`modules/dongle/${file}`]: [from, to] })],
  });
  const broken = await import(pathToFileURL(program).href);
  rmSync(folder, { recursive: true });
  return broken;
}

test("two dongles that heard the same HELLO are told apart", async (t) => {
  t.deepEqual(playTwins(SEED), { sessions: 2, outstanding: 0 });
  const canary = await brokenWorld("line-end.ts", "if (!follows) this.#owner.astray();", "");
  t.deepEqual(canary.playTwins(SEED), { sessions: 1, outstanding: 116 });
});

test("the message ring returns messages unchanged and in order, and refuses only a message that has no room", (t) => {
  const random = new SeededRandom(SEED, "ring");
  const ring = new MessageRing(1_000);
  const model: Uint8Array[] = [];
  let refused = 0;
  for (let i = 0; i < 20_000; i++) {
    if (random.below(2) === 0) {
      const message = new Uint8Array(1 + random.below(random.below(8) === 0 ? 900 : 60));
      random.fill(message);
      const at = ring.place(message.length);
      if (at < 0) {
        refused++;
        if (model.length === 0) t.fail("an empty ring refused a message that is shorter than the ring");
        continue;
      }
      ring.bytes.set(message, at);
      ring.add(at, message.length);
      model.push(message);
    } else if (model.length > 0) {
      const expected = model.shift()!;
      if (Buffer.compare(ring.bytes.subarray(ring.start, ring.start + ring.lengthBytes), expected) !== 0)
        t.fail(`operation ${i} returned other bytes`);
      ring.remove();
    }
    if (ring.count !== model.length) t.fail(`the ring counts ${ring.count} messages, not ${model.length}`);
  }
  t.true(refused > 100);
});

test("frames and bytes that arrive while radio and line are being opened are dropped without an error", (t) => {
  const bytes = Uint8Array.of(1, 2, 3);
  let dongle: Dongle | undefined;
  let woken = 0;
  let handlers: RadioHandlers | undefined;
  wireDongle({
    clock: { now: () => 0 },
    openRadio(given) {
      handlers = given;
      given.onFrame(bytes, 3, new Uint8Array(6));
      given.onRoom();
      return {
        address: new Uint8Array(6),
        frameSizeBytesMax: 250,
        receiveQueueFrames: 32,
        rssiDbm: -60,
        full: false,
        send: () => true,
      };
    },
    openLine(given) {
      given.onReadable(bytes, 3);
      given.onWritable();
      return { write: (_bytes, _offset, lengthBytes) => lengthBytes };
    },
    startLoop(made) {
      dongle = made;
      return { wake: () => woken++ };
    },
  });
  t.deepEqual([dongle!.counters.missedHere, dongle!.counters.damagedHere, woken], [0, 0, 0]);
  handlers!.onFrame(bytes, 3, new Uint8Array(6));
  t.deepEqual(
    [dongle!.counters.missedHere, woken],
    [1, 1],
    "a frame that arrives before a host does must be counted as missed",
  );
});

/** The heap slots by which 30 runs exceed 10 runs, and the bytecodes of one run. */
async function costOnXs(
  t: ExecutionContext,
  script: string,
  program: string,
): Promise<{ slots: number; compute: number }> {
  const machine = new XsMachine();
  t.teardown(() => machine.close());
  await machine.evaluate(script);
  await machine.evaluate(`globalThis.run = () => ${program}; run()`);
  const runs = [];
  for (const times of [10, 30]) runs.push(await machine.evaluate(`for (let i = 0; i < ${times}; i++) run()`));
  const [few, many] = runs as [Evaluation, Evaluation];
  return { slots: many.heapCount - few.heapCount, compute: (many.compute - few.compute) / 20 };
}

test("on XS frames pass both ways and leave no garbage", async (t) => {
  const machine = new XsMachine();
  t.teardown(() => machine.close());
  const script = await bundleForXs("test/xs/dongle-program.ts");
  await machine.evaluate(script);
  t.deepEqual((await machine.evaluate("tell(carry(500))")).told, ["500 500"]);
  for (const way of ["hear", "obey"]) {
    const { slots } = await costOnXs(t, script, `${way}()`);
    // The script itself takes a slot or two. One slot for each frame would be 300.
    t.true(slots < 30, `${way}: ${slots} slots for 300 frames`);
  }
  const wasteful = await costOnXs(t, script, "{ hear(); for (let i = 0; i < 10; i++) new Uint8Array(1); }");
  t.true(wasteful.slots > 300, "canary: an array for each frame must show as garbage");
});

test("XS on a board has time for the 300 frames a second that its radio may receive", async (t) => {
  const script = await bundleForXs(
    "test/xs/dongle-program.ts",
    {},
    {
      "modules/dongle/copy.ts": [
        "for (let i = 0; i < lengthBytes; i++) to[toAt + i] = from[fromAt + i]!;",
        "to.fill(7, toAt, toAt + lengthBytes);",
      ],
      "modules/store/crc32.ts": [
        "for (let i = offset; i < end; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[i]!) & 0xff]!;",
        "",
      ],
    },
  );
  const { compute } = await costOnXs(t, script, "hear()");
  t.log(`${Math.round(compute / 10)} bytecodes for a frame up`);
  // The rest is for frames down, which are fewer: each takes the air.
  t.true((300 * compute) / 10 < 0.75 * BYTECODES_PER_SECOND);
});
