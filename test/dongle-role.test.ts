/**
 * The role `dongle` on real XS, from main.ts down to the radio's and the line's faces, where a driver is full more often than
 * not: whatever waits goes on as soon as there is room, and not when the dongle's own patience ends.
 */
import test from "ava";
import type { Changes } from "./xs/machine.ts";
import { onDesk } from "./xs/on-desk.ts";

const FRAMES_UP = 30;
const FRAMES_DOWN = 14;
/** A frame of 250 bytes on the line: its message, its CRC, the code and the zeros around it. */
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

/** Milliseconds until the computer has a burst that the radio heard, through a driver that holds a frame at most. */
const UP = `${PLUGGED}
  const end = desk.heard + ${FRAMES_UP};
  for (let i = 0; i < ${FRAMES_UP}; i++) desk.handlers.onFrame(frame, 250, Uint8Array.of(2, 0, 0, 0, 0, 9));
  return took(() => desk.heard, end);`;

/** Milliseconds until a burst of the computer's is on the air, through a radio that holds two frames. */
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
  ["the line's face does", UP, { "modules/serial/serial.ts": ["if (this.#open) this.#options.onWritable();", ""] }],
  ["the dongle's wiring ignores onRoom", DOWN, { "modules/dongle/wire-dongle.ts": ["onRoom: wake", "onRoom() {}"] }],
  [
    "the radio's face does",
    DOWN,
    { "modules/espnow/espnow.ts": ["if (room && this.#open) this.#options.onRoom();", ""] },
  ],
];

const bestMs = (script: string): number =>
  script === UP ? (FRAMES_UP * LINE_BYTES) / LINE_BYTES_PER_MS : FRAMES_DOWN * AIR_MS;

/** As fast as line or air allows, but for what is under way when the burst begins. */
function inTime(script: string, tookMs: number): boolean {
  return tookMs > 0.9 * bestMs(script) && tookMs < 1.2 * bestMs(script) + 5;
}

for (const [name, script] of [
  ["a full line is written to as soon as it has room", UP],
  ["a full radio is given the next frame as soon as it has room", DOWN],
] as const) {
  test(name, async (t) => {
    const tookMs = await onDesk<number>(script);
    t.log(`${tookMs} ms of ${Math.ceil(bestMs(script))}`);
    t.true(inTime(script, tookMs), `${tookMs} ms`);
  });
}

for (const [what, script, changes] of DEAF) {
  test(`canary: it is seen when ${what}`, async (t) => {
    const tookMs = await onDesk<number>(script, changes);
    t.log(`${tookMs} ms of ${Math.ceil(bestMs(script))}`);
    t.false(inTime(script, tookMs));
  });
}
