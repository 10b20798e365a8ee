/**
 * Tests of the serial radio need a board at the other end of the line. This program stands for a board with the dongle
 * role, in a process of its own. It runs the dongle's TypeScript behind a pseudo-terminal (pty.c). Its air is in
 * memory, and a second node may be on that air. test/serial-radio.test.ts sends it orders as messages, and it answers
 * each order with a report.
 *
 * Arguments: the program that makes the terminal, the terminal's name, a seed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import type { Dongle } from "../modules/dongle/dongle.ts";
import { encodeLine, lineBytesMax, MESSAGE_AT } from "../modules/dongle/framing.ts";
import { GREETING_BYTES_MIN, WELCOME } from "../modules/dongle/message.ts";
import { type LineHandlers, wireDongle } from "../modules/dongle/wire-dongle.ts";
import { Store } from "../modules/store/store.ts";
import type { RadioHandlers } from "../modules/throwie/ports.ts";
import { Throwie } from "../modules/throwie/throwie.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { Arrivals, FRAME_BYTES, frameOf } from "./dongle-world.ts";

export type Order =
  | { order: "plug" | "unplug" | "reboot" | "report" }
  /** Out of a million bytes of the line, how many are changed, how many are lost, and how often bytes are inserted. */
  | { order: "noise"; flipped: number; dropped: number; added: number }
  /** The radio receives `frames` frames, `rate` a second. */
  | { order: "hear"; frames: number; rate: number }
  /** The radio receives one frame of this size. */
  | { order: "hearLarge"; frameSizeBytes: number }
  | { order: "radio"; frameSizeBytesMax: number; address: string }
  | { order: "version"; version: number }
  /** What the dongle says of its memory from now on. */
  | { order: "headroom"; text: string }
  /** Starts a second node on this air, with this number of Drops. */
  | { order: "node"; drops: number };

export interface Report {
  heard: number;
  transmitted: number;
  faults: string[];
  missed: number;
  cut: number;
  /** Frames that an earlier life took from the line and never gave to the radio. */
  forgotten: number;
  outstanding: number;
  held: number;
}

const AIR_MS = 2;
const DRIVER_BYTES = 4_096;
const TICK_MS = 2;

const [ptyProgram = "", link = "", seed = "0"] = process.argv.slice(2);
const random = new SeededRandom(Number(seed), "board");
const clock = { now: () => Math.floor(performance.now()) };
const onAir = new Arrivals("down", (number) => frameOf(number, 0, FRAME_BYTES, FRAME_BYTES));
let noise = { flipped: 0, dropped: 0, added: 0 };
let terminal: ChildProcess | undefined;
let node: Throwie | undefined;
let heard = 0;
// These three count for the lives that are over.
let missed = 0;
let cut = 0;
let forgotten = 0;
let version: number | undefined;
let headroom = "";

/** One of the two radios of this air. The other radio receives each frame when its time on the air is over. */
class AirRadio {
  address: Uint8Array;
  frameSizeBytesMax = FRAME_BYTES;
  readonly receiveQueueFrames = 64;
  readonly rssiDbm = -70;
  readonly #onSent: (frame: Uint8Array, from: Uint8Array) => void;
  #queued = 0;

  constructor(address: Uint8Array, onSent: (frame: Uint8Array, from: Uint8Array) => void) {
    this.address = address;
    this.#onSent = onSent;
  }

  get full(): boolean {
    return this.#queued >= 2;
  }

  send(frame: Uint8Array, lengthBytes: number): boolean {
    if (this.full) return false;
    this.#queued++;
    const copy = frame.slice(0, lengthBytes);
    setTimeout(() => {
      this.#queued--;
      this.#onSent(copy, this.address);
      turn();
    }, this.#queued * AIR_MS);
    return true;
  }
}

const radio = new AirRadio(Uint8Array.of(2, 0, 0, 0, 0, 0xd0), (frame, from) => {
  if (node === undefined) onAir.take(frame);
  else node.receive(frame, frame.length, from);
});

function spoil(bytes: Uint8Array): Uint8Array {
  if (noise.flipped + noise.dropped + noise.added === 0) return bytes;
  const out: number[] = [];
  for (const byte of bytes) {
    if (random.chance(noise.dropped)) continue;
    if (random.chance(noise.added)) for (let n = random.below(30); n >= 0; n--) out.push(random.below(256));
    out.push(random.chance(noise.flipped) ? byte ^ (1 << random.below(8)) : byte);
  }
  return Uint8Array.from(out);
}

const line = {
  write(bytes: Uint8Array, offset: number, lengthBytes: number): number {
    const input = terminal?.stdin;
    if (!input?.writable) return 0;
    const taken = Math.min(lengthBytes, DRIVER_BYTES - input.writableLength);
    if (taken <= 0) return 0;
    const piece = bytes.slice(offset, offset + taken);
    // A dongle of another version answers with a WELCOME of that version, and nothing else.
    input.write(version === undefined ? spoil(piece) : otherVersion(version), () => turn());
    return taken;
  },
};

function otherVersion(number: number): Uint8Array {
  const bytes = new Uint8Array(lineBytesMax(GREETING_BYTES_MIN));
  bytes.set([WELCOME, number], MESSAGE_AT);
  return bytes.slice(0, encodeLine(bytes, 0, GREETING_BYTES_MIN));
}

let radioHandlers: RadioHandlers;
let lineHandlers: LineHandlers;
let dongle: Dongle;

/** Starts the dongle as the firmware does. */
function start(): void {
  wireDongle({
    clock,
    headroom: () => headroom,
    openRadio(handlers) {
      radioHandlers = handlers;
      return radio;
    },
    openLine(handlers) {
      lineHandlers = handlers;
      return line;
    },
    startLoop(made) {
      dongle = made;
      return { wake: turn };
    },
  });
}

start();

function turn(): void {
  dongle.turn();
  node?.turn();
}

async function plug(): Promise<void> {
  const opened = spawn(ptyProgram, [link], { stdio: "pipe" });
  opened.stdin.on("error", () => {});
  opened.stdout.on("data", (bytes: Buffer) => {
    if (terminal !== opened) return;
    const spoiled = spoil(bytes);
    lineHandlers.onReadable(spoiled, spoiled.length);
  });
  await once(opened.stderr, "data");
  terminal = opened;
}

async function unplug(): Promise<void> {
  const closed = terminal;
  terminal = undefined;
  if (closed === undefined) return;
  closed.stdin!.end();
  await once(closed, "close");
}

/**
 * Lets the radio receive frames at a rate by the clock. After a pause of this process at most six frames are caught up,
 * because the line and the host stood still as well.
 */
async function hear(frames: number, rate: number): Promise<void> {
  const end = heard + frames;
  let due = 0;
  let before = performance.now();
  while (heard < end) {
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    const now = performance.now();
    due = Math.min(due + ((now - before) * rate) / 1000, 6);
    before = now;
    for (; due >= 1 && heard < end; due--) {
      const frame = frameOf(++heard, 1, FRAME_BYTES, FRAME_BYTES);
      radioHandlers.onFrame(frame, frame.length, Uint8Array.of(2, 0, 0, 0, 0, 9));
    }
  }
}

function startNode(drops: number): void {
  const store = new Store(new NorFlash({ sizeBytes: 448 * 4096 }));
  store.mount();
  const other = new AirRadio(Uint8Array.of(2, 0, 0, 0, 0, 0xb0), (frame, from) =>
    radioHandlers.onFrame(frame, frame.length, from),
  );
  node = new Throwie({ radio: other, clock, random, store });
  for (let i = 0; i < drops; i++) {
    const drop = new Uint8Array(200 + random.below(1_800));
    random.fill(drop);
    node.publish(drop, "own");
  }
}

function endDongle(): void {
  missed += dongle.counters.missedHere;
  cut += dongle.counters.cut + dongle.outstanding;
  forgotten += dongle.waiting;
}

async function obey(order: Order): Promise<void> {
  switch (order.order) {
    case "plug":
      return plug();
    case "unplug":
      return unplug();
    case "reboot":
      endDongle();
      start();
      return;
    case "noise":
      noise = order;
      return;
    case "hear":
      return hear(order.frames, order.rate);
    case "hearLarge":
      radioHandlers.onFrame(new Uint8Array(order.frameSizeBytes), order.frameSizeBytes, new Uint8Array(6));
      return;
    case "radio":
      radio.frameSizeBytesMax = order.frameSizeBytesMax;
      radio.address = Uint8Array.from(Buffer.from(order.address, "hex"));
      return;
    case "version":
      version = order.version;
      return;
    case "headroom":
      headroom = order.text;
      return;
    case "node":
      return startNode(order.drops);
    case "report":
      return;
  }
}

process.on("message", async ({ id, order }: { id: number; order: Order }) => {
  await obey(order);
  const report: Report = {
    heard,
    transmitted: onAir.count,
    faults: onAir.faults,
    missed: missed + dongle.counters.missedHere,
    cut: cut + dongle.counters.cut,
    forgotten,
    outstanding: dongle.outstanding,
    held: node?.store.count ?? 0,
  };
  process.send!({ id, report });
});
process.on("disconnect", () => process.exit(0));
setInterval(turn, TICK_MS);
