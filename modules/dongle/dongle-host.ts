/**
 * The computer's end: speaks to a dongle, and finds it again when either of them lost the other (docs/dongle.md).
 *
 * Sans-I/O. Its owner calls `begin` when a line was opened, `receive` for what it brings, and `turn` after that, after
 * `send`, when the line has room and when the last `turn` said. It greets until it is welcomed; a dongle that is silent for
 * SILENCE_MS, or that says it knows no such session because it was restarted or is another one, is greeted anew.
 *
 * Refuses a dongle of another version (`state` is then "refused"): guessing at its messages would lose frames unseen.
 */
import { ADDRESS_BYTES, type Clock, type MacAddress, type RadioHandlers, type Random } from "../throwie/ports.ts";
import { sealedBytesMax } from "./framing.ts";
import { greetingSession, type Line, LineEnd, type LineOwner } from "./line-end.ts";
import {
  FRAME_ADDRESS_AT,
  FRAME_AT,
  FRAME_SIZE_BYTES_MAX,
  FRAME_SIZE_MAX_AT,
  RECEIVE_QUEUE_AT,
  RSSI_AT,
  u16At,
  u32At,
  VERSION,
  VERSION_AT,
  WELCOME,
  WELCOME_ADDRESS_AT,
  WINDOW_AT,
  writeHello,
} from "./message.ts";

/** Frames on their way up. A Linux terminal holds 64 KB, 43 of the longest, for a process that is late. */
const WINDOW_FRAMES = 32;
/** Frames for the dongle that have not left: few, for the node that made them knows better the later it is asked. */
const QUEUE_FRAMES = 4;
const GREETING_INTERVAL_MS = 200;
/** Fifteen STATUS messages that did not come. */
const SILENCE_MS = 3_000;
/** Bytes may be waiting while this process was kept from reading them: silence is judged by two turns, so long apart. */
const SILENCE_DOUBT_MS = 100;
/** A line that is full calls when it has room; this is for one that does not. */
const PATIENCE_MS = 10;

export interface DongleHostOptions {
  line: Line;
  clock: Clock;
  random: Random;
  /** Called from `receive`. */
  onFrame: RadioHandlers["onFrame"];
}

export class DongleHost implements LineOwner {
  readonly waiting = 0;
  /** Of the dongle's radio; as long as `state` is "open". */
  readonly address: MacAddress = new Uint8Array(ADDRESS_BYTES);
  frameSizeBytesMax = 0;
  receiveQueueFrames = 0;
  state: "closed" | "greeting" | "open" | "refused" = "closed";
  /** Of the frame heard last, in `onFrame` of that one; 0 before the first. */
  rssiDbm = 0;
  /** The version that was refused. */
  otherVersion = 0;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onFrame: RadioHandlers["onFrame"];
  readonly #end: LineEnd;
  #session = 0;
  #greetMs = 0;
  #heardMs = 0;
  #doubtMs = -1;

  constructor({ line, clock, random, onFrame }: DongleHostOptions) {
    this.#clock = clock;
    this.#random = random;
    this.#onFrame = onFrame;
    const ringBytes = QUEUE_FRAMES * sealedBytesMax(FRAME_AT + FRAME_SIZE_BYTES_MAX);
    this.#end = new LineEnd({ line, owner: this, windowFrames: WINDOW_FRAMES, ringBytes });
  }

  get counters(): LineEnd["counters"] {
    return this.#end.counters;
  }

  /** `send` would refuse. */
  get full(): boolean {
    return this.state !== "open" || this.#end.queued >= QUEUE_FRAMES;
  }

  /** Frames that the other end is not known to be done with; 0 when all are accounted for. */
  get outstanding(): number {
    return this.#end.outstanding;
  }

  /** A line was opened: whoever is at its far end is greeted. */
  begin(): void {
    this.#end.restart();
    this.#greet();
  }

  /** The line is gone. */
  end(): void {
    this.#end.restart();
    this.state = "closed";
  }

  receive(bytes: Uint8Array, lengthBytes: number): void {
    this.#heardMs = this.#clock.now();
    this.#doubtMs = -1;
    this.#end.receive(bytes, lengthBytes);
  }

  /** Queue one frame for the dongle's radio; copied before it returns. False: no dongle or no room, nothing was taken. */
  send(frame: Uint8Array, lengthBytes: number, to: MacAddress): boolean {
    return !this.full && this.#end.offer(to, 0, frame, lengthBytes);
  }

  /** Do what is due. Returns when to call again at the latest, in clock milliseconds. */
  turn(): number {
    const now = this.#clock.now();
    if (this.state === "closed" || this.state === "refused") return Number.POSITIVE_INFINITY;
    if (this.state === "greeting" && now >= this.#greetMs) {
      this.#greetMs = now + GREETING_INTERVAL_MS;
      this.#end.greet();
    }
    if (this.state === "open" && this.#silent(now)) {
      this.#end.close();
      this.#greet();
    }
    const idle = this.#end.flush(now);
    const watchMs = this.state === "greeting" ? this.#greetMs : this.#heardMs + SILENCE_MS;
    const dueMs = this.#doubtMs < 0 ? Math.min(watchMs, this.#end.dueMs) : this.#doubtMs + SILENCE_DOUBT_MS;
    return idle ? dueMs : Math.min(dueMs, now + PATIENCE_MS);
  }

  #greet(): void {
    const before = this.#session;
    const chance = new Uint8Array(4);
    do {
      this.#random.fill(chance);
      this.#session = u32At(chance, 0);
    } while (this.#session === 0 || this.#session === before);
    this.state = "greeting";
    this.#greetMs = this.#clock.now();
    this.#doubtMs = -1;
  }

  #silent(now: number): boolean {
    if (now - this.#heardMs < SILENCE_MS) return false;
    if (this.#doubtMs < 0) this.#doubtMs = now;
    return now - this.#doubtMs >= SILENCE_DOUBT_MS;
  }

  // LineOwner

  take(message: Uint8Array, lengthBytes: number): boolean {
    const from = message.subarray(FRAME_ADDRESS_AT, FRAME_ADDRESS_AT + ADDRESS_BYTES);
    this.rssiDbm = (message[RSSI_AT]! << 24) >> 24;
    this.#onFrame(message.subarray(FRAME_AT, lengthBytes), lengthBytes - FRAME_AT, from);
    return true;
  }

  greeted(message: Uint8Array): void {
    if (message[0] !== WELCOME || this.state === "closed") return;
    if (message[VERSION_AT] !== VERSION) {
      this.#end.close();
      this.otherVersion = message[VERSION_AT]!;
      this.state = "refused";
    } else if (greetingSession(message) === this.#session) {
      if (this.state === "greeting") this.#open(message);
    } else if (this.state === "open") {
      this.#end.close();
      this.#greet();
    }
  }

  /** What was left on the line by a session that is over. */
  strange(): void {}

  greeting(bytes: Uint8Array, at: number): number {
    return writeHello(bytes, at, this.#session, WINDOW_FRAMES);
  }

  #open(message: Uint8Array): void {
    this.address.set(message.subarray(WELCOME_ADDRESS_AT, WELCOME_ADDRESS_AT + ADDRESS_BYTES));
    this.frameSizeBytesMax = u16At(message, FRAME_SIZE_MAX_AT);
    this.receiveQueueFrames = u16At(message, RECEIVE_QUEUE_AT);
    this.state = "open";
    this.#end.open(this.#session, message[WINDOW_AT]!);
  }
}
