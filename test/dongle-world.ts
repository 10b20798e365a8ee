/**
 * A dongle and its computer on a line that a seed spoils, in simulated time: what test/dongle.test.ts searches, also in
 * variants of the modules that are broken on purpose.
 *
 * `play` runs one history and returns what is wrong with it: a frame that came twice, out of order or not as it was sent, or
 * that is neither there nor counted; an end that does not come to rest when the line is good again.
 */
import { Dongle } from "../modules/dongle/dongle.ts";
import { DongleHost } from "../modules/dongle/dongle-host.ts";
import { MESSAGE_AT, sealedBytesMax, sealMessage } from "../modules/dongle/framing.ts";
import type { Line } from "../modules/dongle/line-end.ts";
import { HELLO_BYTES, writeHello } from "../modules/dongle/message.ts";
import { SeededRandom } from "../sim/random.ts";

/** 921,600 bit/s, ten bits a byte. */
const BYTES_PER_MS = 92;
/** What a driver holds before it takes no more. */
const DRIVER_BYTES = 2_048;
/** By now an undisturbed host is welcome. */
const GREETED_MS = 100;
/** Until a line that was spoiled has to be right again: every interval of the protocol, several times. */
const REST_MS = 8_000;

export interface History {
  durationMs: number;
  /** Frames a second, each way. */
  rate: number;
  /** Of a million bytes: changed, taken out, put in. */
  flipped: number;
  dropped: number;
  added: number;
  /** Of a million milliseconds: the dongle starts anew; the host does; the line is pulled and put back; another dongle is there. */
  reboots: number;
  restarts: number;
  unplugs: number;
  swaps: number;
  /** Milliseconds that bytes take; to the host they may take long, through a USB chip that waits for more. */
  upMs: number;
  downMs: number;
  frameBytesMin: number;
  /** Milliseconds that the radio takes for a frame. */
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

/** One direction: a driver's buffer, a speed, a delay, and damage. */
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

/** Of the tests with a real terminal. */
export const FRAME_BYTES = 250;

/** Frame `number` of a stream: its number, and what only it can hold. */
export function frameOf(number: number, stream: number, bytesMin: number, bytesMax: number): Uint8Array {
  const random = new SeededRandom(number * 2 + stream, "frame");
  const frame = new Uint8Array(bytesMin + random.below(bytesMax - bytesMin + 1));
  random.fill(frame);
  frame[0] = number;
  frame[1] = number >>> 8;
  frame[2] = number >>> 16;
  return frame;
}

/** Frames that arrived somewhere, checked as they come. */
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
      this.faults.push(`${this.#name}: a frame is not as it was sent`);
    } else if (this.#came.has(number)) this.faults.push(`${this.#name}: frame ${number} again`);
    else if (this.#inOrder && number <= this.#last)
      this.faults.push(`${this.#name}: frame ${number} after ${this.#last}`);
    this.#came.add(number);
    this.#last = Math.max(this.#last, number);
    this.count++;
  }
}

/** What the spare dongle was greeted with. */
function sealedHello(): Uint8Array {
  const bytes = new Uint8Array(sealedBytesMax(HELLO_BYTES));
  return bytes.slice(0, sealMessage(bytes, 0, writeHello(bytes, MESSAGE_AT, 0x5eed, 32)));
}

export interface Outcome {
  faults: string[];
  /** Each way: frames made, arrived, and counted as gone. */
  down: { made: number; arrived: number; gone: number };
  up: { made: number; arrived: number; gone: number };
  /** Of the host. */
  sessions: number;
}

export function play(seed: number, change: Partial<History>): Outcome {
  const history = { ...QUIET, ...change };
  const { frameSizeBytesMax, durationMs, frameBytesMin } = history;
  const random = new SeededRandom(seed, "world");
  const chance = new SeededRandom(seed, "host");
  const faults: string[] = [];
  const frameDown = (number: number): Uint8Array => frameOf(number, 0, frameBytesMin, frameSizeBytesMax);
  const frameUp = (number: number): Uint8Array => frameOf(number, 1, frameBytesMin, frameSizeBytesMax);
  // A dongle that comes back still has frames that it was given before it was gone.
  const onAir = new Arrivals("down", frameDown, history.swaps === 0);
  const atHost = new Arrivals("up", frameUp);
  let now = 0;
  const clock = { now: () => now };
  const address = Uint8Array.of(2, 1, 2, 3, 4, 5);
  let down = new Wire(history, history.downMs, random);
  let up = new Wire(history, history.upMs, random);
  let made = 0;
  let heard = 0;
  // What the lives that are over counted as gone; and what a dongle had taken for the radio when its life ended.
  let goneUp = 0;
  let goneDown = 0;
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
  /** In a session of its own, with another host. */
  let spare = newDongle();
  let host = newHost();
  let sessions = 0;
  const stranger = sealedHello();
  spare.receive(stranger, stranger.length);
  host.begin();

  /** A life of either end is over: what it alone knew about frames on their way counts as cut. */
  const endDongle = (): void => {
    const { counters } = dongle;
    goneUp += counters.missedHere + counters.cut + dongle.outstanding;
    forgotten += dongle.waiting;
    if (counters.refusedHere > 0)
      faults.push(`the dongle refused ${counters.refusedHere} frames: more came than it allowed`);
  };
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
        if (!host.send(frame, frame.length, address)) faults.push("the host is not full and takes no frame");
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
    faults.push(`no rest: ${host.state}, ${host.outstanding} and ${dongle.outstanding} frames on their way`);
  // One more round of news, so that what is lost at one end is known at the other.
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

  /** Where sessions end, a frame that arrived may also be counted as cut. */
  function account(name: string, sent: number, arrived: number, gone: number): void {
    const unexplained = sent - arrived - gone;
    if (unexplained > 0 || (unexplained < 0 && !cuts)) {
      faults.push(`${name}: ${sent} sent, ${arrived} arrived, ${gone} counted as gone`);
    }
  }
}
