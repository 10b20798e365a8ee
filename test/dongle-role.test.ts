/**
 * A dongle must pass frames on as soon as a full driver has room again. If it misses the driver's call, it waits until
 * its own timer ends, and frames are late. These tests run the role `dongle` on real XS, from main.ts down to the
 * native functions, with drivers that are full most of the time, and measure how long a burst takes.
 */
import test from "ava";
import type { Changes } from "./xs/machine.ts";
import { onDesk } from "./xs/on-desk.ts";

const FRAMES_UP = 30;
const FRAMES_DOWN = 14;
/** The bytes of a 250-byte frame on the line: frame, message header, CRC, the overhead of its coding, and two zeros. */
const LINE_BYTES = 250 + 14 + 4 + 2 + 2;
const LINE_BYTES_PER_MS = 92;
const AIR_MS = 3;

const PLUGGED = `
  desk.config.role = "dongle";
  desk.sendBytes = 256;
  desk.plugIn();
  desk.run(1000);
  const startMs = desk.nowMs;
  const frame = new Uint8Array(250).fill(7);
  const took = (count, end) => {
    while (count() < end && desk.nowMs < startMs + 5000) desk.run(desk.nowMs + 1);
    return desk.nowMs - startMs;
  };`;

/** Returns the milliseconds until the computer has a burst from the air. The line's driver holds less than a frame. */
const UP = `${PLUGGED}
  const end = desk.heard + ${FRAMES_UP};
  for (let i = 0; i < ${FRAMES_UP}; i++) desk.handlers.onFrame(frame, 250, Uint8Array.of(2, 0, 0, 0, 0, 9));
  return took(() => desk.heard, end);`;

/** Returns the milliseconds until a burst of the computer is on the air. The radio's driver holds two frames. */
const DOWN = `${PLUGGED}
  const { counters } = desk.peer;
  const everyone = new Uint8Array(6).fill(255);
  const end = counters.short + ${FRAMES_DOWN};
  let sent = 0;
  return took(() => {
    while (sent < ${FRAMES_DOWN} && desk.computer.send(frame, 3, everyone)) sent++;
    return counters.short;
  }, end);`;

const DEAF: [what: string, script: string, changes: Changes][] = [
  [
    "the dongle's wiring ignores onWritable",
    UP,
    { "modules/dongle/wire-dongle.ts": ["onWritable: wake", "onWritable() {}"] },
  ],
  [
    "the line's class ignores that the driver has room",
    UP,
    { "modules/serial/serial.ts": ["if (this.#open) this.#options.onWritable();", ""] },
  ],
  ["the dongle's wiring ignores onRoom", DOWN, { "modules/dongle/wire-dongle.ts": ["onRoom: wake", "onRoom() {}"] }],
  [
    "the radio's class ignores that the driver has room",
    DOWN,
    { "modules/espnow/espnow.ts": ["if (room && this.#open) this.#options.onRoom();", ""] },
  ],
];

const bestMs = (script: string): number =>
  script === UP ? (FRAMES_UP * LINE_BYTES) / LINE_BYTES_PER_MS : FRAMES_DOWN * AIR_MS;

/** The burst took as long as the line or the air needs for it, give or take what was under way when it began. */
function inTime(script: string, tookMs: number): boolean {
  return tookMs > 0.9 * bestMs(script) && tookMs < 1.2 * bestMs(script) + 5;
}

for (const [name, script] of [
  ["a dongle writes to a full line as soon as the line has room", UP],
  ["a dongle gives a full radio the next frame as soon as the radio has room", DOWN],
] as const) {
  test(name, async (t) => {
    const tookMs = await onDesk<number>(script);
    t.log(`${tookMs} ms of ${Math.ceil(bestMs(script))}`);
    t.true(inTime(script, tookMs), `${tookMs} ms`);
  });
}

for (const [what, script, changes] of DEAF) {
  test(`canary: a burst is late when ${what}`, async (t) => {
    const tookMs = await onDesk<number>(script, changes);
    t.log(`${tookMs} ms of ${Math.ceil(bestMs(script))}`);
    t.false(inTime(script, tookMs));
  });
}
