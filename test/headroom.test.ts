/**
 * A leak on a board shows only if the board says its figures and goes on saying them. These tests run the log of the
 * headroom through days of an always-awake board and through the lives of a sleeping one, and once on real XS. They
 * also hold the table of a board's memory in docs/firmware.md to the sizes that the build gives.
 */
import { readFileSync } from "node:fs";
import test from "ava";
import { type Creation, creationOfDongle } from "../hosts/firmware/roles.ts";
import type { Board, WakeCause } from "../modules/board/ports.ts";
import { onDesk } from "./xs/on-desk.ts";

Object.assign(globalThis, { native: () => () => "memory: 1" });
const { HeadroomLog } = await import("../modules/board/headroom.ts");
const { Log } = await import("../modules/board/log.ts");

const DAY_MS = 86_400_000;

function lifeFrom(bootMs: number, wakeCause: WakeCause, sleepMs?: number) {
  const clock = { nowMs: bootMs };
  const saidAt: number[] = [];
  const board = { wakeCause, now: () => clock.nowMs, log: () => saidAt.push(clock.nowMs) } as unknown as Board;
  const task = { turn: () => clock.nowMs + 1_000 };
  const made = new HeadroomLog({
    board,
    log: new Log(board, "0.1.0"),
    task,
    ...(sleepMs !== undefined && { sleepMs }),
  });
  return { clock, saidAt, turn: () => made.turn() };
}

test("an awake board says its headroom a minute after the start, then once on each day of its clock", (t) => {
  const { clock, saidAt, turn } = lifeFrom(5_000, "power");
  for (; clock.nowMs < 3 * DAY_MS + 10_000; clock.nowMs += 10_000) t.is(turn(), clock.nowMs + 1_000);
  t.deepEqual(saidAt, [65_000, DAY_MS + 5_000, 2 * DAY_MS + 5_000, 3 * DAY_MS + 5_000]);
});

test("a board that sleeps for a minute says its headroom in one life of each day", (t) => {
  const saidAt: number[] = [];
  for (let bootMs = 700; bootMs < 2.5 * DAY_MS; bootMs += 60_000) {
    const life = lifeFrom(bootMs, bootMs === 700 ? "power" : "timer", 60_000);
    for (let turns = 0; turns < 3; turns++, life.clock.nowMs += 100) life.turn();
    saidAt.push(...life.saidAt);
  }
  t.deepEqual(
    saidAt.map((ms) => Math.floor(ms / DAY_MS)),
    [1, 2],
  );
});

test("a node says its headroom after a minute, and a dongle leaves its line alone", async (t) => {
  for (const [role, lines] of [
    ["throwie", 1],
    ["dongle", 0],
  ] as const) {
    const log = await onDesk<string[]>(`desk.config.role = "${role}"; desk.run(75000); return desk.log;`);
    t.is(log.filter((line) => line.includes("memory: ")).length, lines, `${role}: ${log.join("\n")}`);
  }
});

/** XS never grows its heaps, so what one turn leaves must fit beside what a listening node holds. */
const GARBAGE_BYTES = 12 * 1024;
const SLOT_BYTES = 16;
/** Nobody measured a restart of Wi-Fi on a smaller one. */
const RADIO_STACK_BYTES = Number(
  /^#define TASK_STACK_BYTES (\d+)$/m.exec(readFileSync("modules/espnow/espnow-esp32.c", "utf8"))?.[1],
);
/** What the radio's task and the first beacons took beside the stack of the task. */
const BEACONS_BYTES = 2_284;
/** What the SDK adds to the stack of XS's task on a C3. */
const STACK_EXTRA_BYTES = 1_016;
const NODE: Creation & { stack: number; nativeStack: number } = JSON.parse(
  readFileSync("manifest.json", "utf8"),
).creation;

test("by the table of docs/firmware.md XS has room for garbage beside a node that listens", (t) => {
  const document = readFileSync("docs/firmware.md", "utf8");
  const [slots, chunkBytes] = /^\| listening \| ([\d,]+) \| ([\d,]+) \|/m
    .exec(document)!
    .slice(1)
    .map((cell) => Number(cell.replaceAll(",", ""))) as [number, number];
  t.true(document.includes(`| \`chunk.initial\` | ${NODE.chunk.initial.toLocaleString("en")} bytes,`));
  t.true(NODE.chunk.initial - chunkBytes >= GARBAGE_BYTES);
  t.true((NODE.heap.initial - slots) * SLOT_BYTES >= GARBAGE_BYTES / 2);
});

test("the radio's task has the stack on which Wi-Fi was always started, and the documents say so", (t) => {
  t.is(RADIO_STACK_BYTES, 4_096);
  t.regex(readFileSync("docs/espnow.md", "utf8"), /^\| stack of the radio's task, .* \| 4,096 \|$/m);
});

test("by the table of docs/firmware.md a Throwie keeps 24 KB free and a dongle 32 KB", (t) => {
  const [, table] = readFileSync("docs/firmware.md", "utf8").split(/<!-- \/?memory of a C3 -->/);
  const rows = [...table!.matchAll(/^\| (.+?) \| ([\d,]+) \| ([\d,]+) \|$/gm)].map(([, name, ...cells]) => ({
    name: name!.replaceAll("*", ""),
    bytes: cells.map((cell) => Number(cell.replaceAll(",", ""))),
  }));
  const row = (start: string): number[] => rows.find(({ name }) => name.startsWith(start))!.bytes;
  for (const [column, { heap, chunk }, floorBytes] of [
    [0, NODE, 24 * 1024],
    [1, creationOfDongle(), 32 * 1024],
  ] as const) {
    t.is(row("XS: ")[column], (heap.initial + NODE.stack) * SLOT_BYTES + chunk.initial);
    t.is(row("the radio's task")[column], RADIO_STACK_BYTES + BEACONS_BYTES);
    t.is(row("the stack of XS's task")[column], NODE.nativeStack + STACK_EXTRA_BYTES);
    let left = row("free at the start")[column]!;
    for (const { name, bytes } of rows.slice(1)) {
      if (name.startsWith("free")) t.is(bytes[column], left, name);
      else left -= bytes[column]!;
    }
    t.true(row("free at the least")[column]! >= floorBytes);
    t.deepEqual([heap.incremental, chunk.incremental], [0, 0]);
  }
});
