/**
 * A line between a dongle and its computer may damage, lose or delay bytes, and either end may restart at any moment.
 * This file simulates such a line from a seed. test/dongle.test.ts searches many seeds for faults, also in variants of
 * the modules that are broken on purpose.
 *
 * `play` runs one history and returns its faults: a frame that arrived twice, out of order or changed; a frame that
 * neither arrived nor was counted; an end that does not come to rest after the line is good again.
 */
import { Dongle } from "../modules/dongle/dongle.ts";
import { DongleHost } from "../modules/dongle/dongle-host.ts";
import { encodeLine, lineBytesMax, MESSAGE_AT } from "../modules/dongle/framing.ts";
import type { Line } from "../modules/dongle/line-end.ts";
import { HELLO_BYTES, writeHello } from "../modules/dongle/message.ts";
import { SeededRandom } from "../sim/random.ts";

/** A line of 921,600 bit/s, with ten bits for each byte. */
const BYTES_PER_MS = 92;
/** The size of a driver's buffer. */
const DRIVER_BYTES = 2_048;
/** After this time an undisturbed host has its WELCOME. */
const GREETED_MS = 100;
/** Both ends must come to rest within this time on a good line. It is several times every interval of the protocol. */
const REST_MS = 8_000;

export interface History {
  durationMs: number;
  /** Frames a second, each way. */
  rate: number;
  /** Out of a million bytes, how many are changed. */
  flipped: number;
  /** Out of a million bytes, how many are lost. */
  dropped: number;
  /** Before how many of a million bytes others are inserted. */
  added: number;
  /** In how many of a million milliseconds the dongle restarts. */
  reboots: number;
  /** In how many of a million milliseconds the host restarts. */
  restarts: number;
  /** In how many of a million milliseconds the line is pulled out and plugged in again. */
  unplugs: number;
  /** In how many of a million milliseconds another dongle takes the place of the first. */
  swaps: number;
  /** The delay of bytes to the host. It may be long, because a USB chip waits for more bytes. */
  upMs: number;
  /** The delay of bytes to the dongle. */
  downMs: number;
  frameBytesMin: number;
  /** How long the radio takes to send a frame. */
  airMs: number;
  frameSizeBytesMax: number;
}

export const QUIET: History = {
  durationMs: 2_000,
  rate: 300,
  flipped: 0,
  dropped: 0,
  added: 0,
  reboots: 0,
  restarts: 0,
  unplugs: 0,
  swaps: 0,
  upMs: 1,
  downMs: 1,
  frameBytesMin: 8,
  airMs: 2,
  frameSizeBytesMax: 250,
};

/** One direction of the line, with a driver's buffer, a speed, a delay, and damage. */
class Wire implements Line {
  readonly #random: SeededRandom;
  readonly #history: History;
  readonly #latencyMs: number;
  #buffered: number[] = [];
  #flying: { at: number; byte: number }[] = [];
  open = true;

  constructor(history: History, latencyMs: number, random: SeededRandom) {
    this.#history = history;
    this.#latencyMs = latencyMs;
    this.#random = random;
  }

  write(bytes: Uint8Array, offset: number, lengthBytes: number): number {
    if (!this.open) return 0;
    const taken = Math.min(lengthBytes, DRIVER_BYTES - this.#buffered.length, 1 + this.#random.below(400));
    for (let i = 0; i < taken; i++) this.#buffered.push(bytes[offset + i]!);
    return taken;
  }

  step(now: number, clean: boolean): Uint8Array {
    for (const byte of this.#buffered.splice(0, BYTES_PER_MS)) {
      const at = now + this.#latencyMs;
      if (!clean && this.#random.chance(this.#history.dropped)) continue;
      if (!clean && this.#random.chance(this.#history.added)) {
        for (let n = this.#random.below(40); n >= 0; n--) this.#flying.push({ at, byte: this.#random.below(256) });
      }
      const flipped = !clean && this.#random.chance(this.#history.flipped);
      this.#flying.push({ at, byte: flipped ? byte ^ (1 << this.#random.below(8)) : byte });
    }
    const arrived = this.#flying.findIndex(({ at }) => at > now);
    return Uint8Array.from(this.#flying.splice(0, arrived < 0 ? this.#flying.length : arrived), ({ byte }) => byte);
  }

  pull(): void {
    this.open = false;
    this.#buffered = [];
    this.#flying = [];
  }
}

/** The size of every frame in the tests with a real terminal. */
export const FRAME_BYTES = 250;

/** Frame `number` of a stream. It begins with its number, and its other bytes follow from number and stream. */
export function frameOf(number: number, stream: number, bytesMin: number, bytesMax: number): Uint8Array {
  const random = new SeededRandom(number * 2 + stream, "frame");
  const frame = new Uint8Array(bytesMin + random.below(bytesMax - bytesMin + 1));
  random.fill(frame);
  frame[0] = number;
  frame[1] = number >>> 8;
  frame[2] = number >>> 16;
  return frame;
}

/** Checks and counts the frames that arrive in one place. */
export class Arrivals {
  readonly faults: string[] = [];
  count = 0;
  #last = 0;
  readonly #came = new Set<number>();
  readonly #inOrder: boolean;
  readonly #name: string;
  readonly #make: (number: number) => Uint8Array;

  constructor(name: string, make: (number: number) => Uint8Array, inOrder = true) {
    this.#name = name;
    this.#make = make;
    this.#inOrder = inOrder;
  }

  take(frame: Uint8Array): void {
    const number = frame[0]! | (frame[1]! << 8) | (frame[2]! << 16);
    const expected = this.#make(number);
    if (frame.length !== expected.length || frame.some((byte, i) => byte !== expected[i])) {
      this.faults.push(`${this.#name}: a frame differs from the frame that was sent`);
    } else if (this.#came.has(number)) this.faults.push(`${this.#name}: frame ${number} arrived twice`);
    else if (this.#inOrder && number <= this.#last)
      this.faults.push(`${this.#name}: frame ${number} arrived after frame ${this.#last}`);
    this.#came.add(number);
    this.#last = Math.max(this.#last, number);
    this.count++;
  }
}

/** The HELLO by which another host opened a session with the spare dongle. */
function sealedHello(): Uint8Array {
  const bytes = new Uint8Array(lineBytesMax(HELLO_BYTES));
  return bytes.slice(0, encodeLine(bytes, 0, writeHello(bytes, MESSAGE_AT, 0x5eed, 32)));
}

export interface Outcome {
  faults: string[];
  /** Frames to the dongle that were made, that arrived, and that were counted as lost. */
  down: { made: number; arrived: number; gone: number };
  /** The same for frames to the host. */
  up: { made: number; arrived: number; gone: number };
  /** The sessions that the host opened. */
  sessions: number;
}

/** Plays one history. `change` names what differs from a quiet line. */
export function play(seed: number, change: Partial<History>): Outcome {
  const history = { ...QUIET, ...change };
  const { frameSizeBytesMax, durationMs, frameBytesMin } = history;
  const random = new SeededRandom(seed, "world");
  const chance = new SeededRandom(seed, "host");
  const faults: string[] = [];
  const frameDown = (number: number): Uint8Array => frameOf(number, 0, frameBytesMin, frameSizeBytesMax);
  const frameUp = (number: number): Uint8Array => frameOf(number, 1, frameBytesMin, frameSizeBytesMax);
  // A dongle that comes back still has frames from before. It sends them late, so frames may be out of order.
  const onAir = new Arrivals("down", frameDown, history.swaps === 0);
  const atHost = new Arrivals("up", frameUp);
  let now = 0;
  const clock = { now: () => now };
  const address = Uint8Array.of(2, 1, 2, 3, 4, 5);
  let down = new Wire(history, history.downMs, random);
  let up = new Wire(history, history.upMs, random);
  let made = 0;
  let heard = 0;
  // The frames that earlier lives of both ends counted as lost.
  let goneUp = 0;
  let goneDown = 0;
  // The frames that a dongle had taken for the radio when its life ended.
  let forgotten = 0;
  let queue: number[] = [];
  const radio = {
    address,
    frameSizeBytesMax,
    receiveQueueFrames: 32,
    rssiDbm: -60,
    get full() {
      return queue.length >= 2;
    },
    send(frame: Uint8Array, lengthBytes: number): boolean {
      if (queue.length >= 2) return false;
      queue.push((queue.at(-1) ?? now) + history.airMs);
      onAir.take(frame.slice(0, lengthBytes));
      return true;
    },
  };
  const newDongle = (): Dongle =>
    new Dongle({ radio, clock, line: { write: (bytes, offset, length) => up.write(bytes, offset, length) } });
  const newHost = (): DongleHost =>
    new DongleHost({
      clock,
      random: chance,
      line: { write: (bytes, offset, length) => down.write(bytes, offset, length) },
      onFrame: (bytes, lengthBytes) => atHost.take(bytes.subarray(0, lengthBytes)),
    });
  let dongle = newDongle();
  /** A second dongle, which is in a session with another host. */
  let spare = newDongle();
  let host = newHost();
  let sessions = 0;
  const stranger = sealedHello();
  spare.receive(stranger, stranger.length);
  host.begin();

  /** Adds up the counters of a dongle whose life is over. Frames on their way count as cut. */
  const endDongle = (): void => {
    const { counters } = dongle;
    goneUp += counters.missedHere + counters.cut + dongle.outstanding;
    forgotten += dongle.waiting;
    if (counters.refusedHere > 0)
      faults.push(`the host sent ${counters.refusedHere} frames more than the dongle had allowed`);
  };
  /** The same for a host. */
  const endHost = (): void => {
    const { counters } = host;
    goneDown += counters.lostThere + counters.refusedThere + counters.cut + host.outstanding;
    goneUp += counters.lostHere;
    sessions += counters.sessions;
  };
  const plug = (): void => {
    down = new Wire(history, history.downMs, random);
    up = new Wire(history, history.upMs, random);
  };

  const step = (busy: boolean): void => {
    now++;
    queue = queue.filter((leaves) => leaves > now);
    if (busy) {
      const due = Math.floor((Math.max(now - GREETED_MS, 0) * history.rate) / 1000);
      while (heard < due) {
        heard++;
        const frame = frameUp(heard);
        dongle.heard(frame, frame.length, address);
      }
      while (made < due && !host.full) {
        const frame = frameDown(made + 1);
        if (!host.send(frame, frame.length, address)) faults.push("the host is not full, but refuses a frame");
        made++;
      }
      if (random.chance(history.reboots)) {
        endDongle();
        dongle = newDongle();
      }
      if (random.chance(history.restarts)) {
        endHost();
        host = newHost();
        host.begin();
      }
      if (random.chance(history.swaps)) [dongle, spare] = [spare, dongle];
      if (random.chance(history.unplugs)) {
        down.pull();
        up.pull();
        if (random.below(2) === 0) {
          host.end();
          plug();
          host.begin();
        } else plug();
      }
    }
    const toDongle = down.step(now, !busy);
    if (toDongle.length > 0) dongle.receive(toDongle, toDongle.length);
    const toHost = up.step(now, !busy);
    if (toHost.length > 0) host.receive(toHost, toHost.length);
    dongle.turn();
    host.turn();
  };

  while (now < durationMs) step(true);
  const atRest = (): boolean => host.state === "open" && host.outstanding === 0 && dongle.outstanding === 0;
  while (now < durationMs + REST_MS && !(atRest() && queue.length === 0)) step(false);
  if (!atRest())
    faults.push(
      `the ends do not come to rest: the host is ${host.state}, ` +
        `${host.outstanding} frames of the host and ${dongle.outstanding} of the dongle are on their way`,
    );
  // The ends exchange their counters once more, so that each knows what the other has lost.
  for (let i = 0; i < 500; i++) step(false);
  endDongle();
  dongle = spare;
  endDongle();
  endHost();
  const cuts = history.reboots + history.restarts + history.unplugs + history.swaps > 0;
  account("down", made, onAir.count, goneDown + forgotten);
  account("up", heard, atHost.count, goneUp);
  faults.push(...onAir.faults, ...atHost.faults);
  return {
    faults,
    sessions,
    down: { made, arrived: onAir.count, gone: goneDown },
    up: { made: heard, arrived: atHost.count, gone: goneUp },
  };

  /** Adds a fault unless each frame arrived or is counted. When a session ends, a frame may be both. */
  function account(name: string, sent: number, arrived: number, gone: number): void {
    const unexplained = sent - arrived - gone;
    if (unexplained > 0 || (unexplained < 0 && !cuts)) {
      faults.push(`${name}: ${sent} frames sent, but ${arrived} arrived and ${gone} are counted as lost`);
    }
  }
}

/**
 * Two dongles hear the same HELLO, and only the second has a line back. After 100 frames each way the first takes its
 * place. Returns the sessions that the host opened, and the frames that are on their way at the end.
 */
export function playTwins(seed: number): { sessions: number; outstanding: number } {
  let now = 0;
  const clock = { now: () => now };
  const address = Uint8Array.of(2, 0, 0, 0, 0, 1);
  const frame = new Uint8Array(40);
  const radio = { address, frameSizeBytesMax: 250, receiveQueueFrames: 32, rssiDbm: 0, full: false, send: () => true };
  const down: number[] = [];
  const up: number[] = [];
  let plugged = 1;
  const lineInto = (bytes: number[], hears: () => boolean): Line => ({
    write: (from, offset, lengthBytes) => {
      if (hears()) bytes.push(...from.subarray(offset, offset + lengthBytes));
      return lengthBytes;
    },
  });
  const dongles = [0, 1].map((place) => new Dongle({ radio, clock, line: lineInto(up, () => plugged === place) }));
  const random = new SeededRandom(seed, "host");
  const host = new DongleHost({ clock, random, line: lineInto(down, () => true), onFrame: () => {} });
  const step = (hearing: Dongle[]): void => {
    now += 10;
    host.turn();
    const toDongles = Uint8Array.from(down.splice(0));
    for (const dongle of hearing) {
      dongle.receive(toDongles, toDongles.length);
      dongle.turn();
    }
    const toHost = Uint8Array.from(up.splice(0));
    host.receive(toHost, toHost.length);
  };
  host.begin();
  step(dongles);
  for (plugged of [1, 0]) {
    const dongle = dongles[plugged]!;
    for (let i = 0; i < 200; i++) {
      if (i < 100) dongle.heard(frame, frame.length, address);
      if (i < 100 && !host.full) host.send(frame, frame.length, address);
      step([dongle]);
    }
  }
  return { sessions: host.counters.sessions, outstanding: host.outstanding + dongles[0]!.outstanding };
}
