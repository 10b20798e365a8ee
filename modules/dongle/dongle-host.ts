/**
 * The computer's end of the line: speaks to a dongle, and finds it again after either end lost the other
 * (docs/dongle.md).
 *
 * Sans-I/O. The owner calls `begin` when a line was opened and `receive` for bytes from the line. The owner calls
 * `turn` after that, after `send`, when the line has room, and at the time that the last `turn` returned. The host
 * greets the dongle until the dongle answers with a WELCOME. The host greets again when the dongle is silent for
 * SILENCE_MS. It also greets again when the dongle does not know the session, because the dongle was restarted or is
 * another one.
 *
 * Refuses a dongle of another version (`state` is then "refused"), because guessing at its messages would lose frames
 * unseen.
 */
import { ADDRESS_BYTES, type Clock, type MacAddress, type RadioHandlers, type Random } from "../throwie/ports.ts";
import { lineBytesMax } from "./framing.ts";
import { greetingSession, type Line, LineEnd, type LineOwner } from "./line-end.ts";
import {
  FRAME_ADDRESS_AT,
  FRAME_AT,
  FRAME_SIZE_BYTES_MAX,
  FRAME_SIZE_MAX_AT,
  RECEIVE_QUEUE_AT,
  RSSI_AT,
  TELL,
  TOPIC_AT,
  TOPIC_FIRMWARE,
  TOPIC_HEADROOM,
  tellText,
  u16At,
  u32At,
  VERSION,
  VERSION_AT,
  WELCOME,
  WELCOME_ADDRESS_AT,
  WINDOW_AT,
  writeAsk,
  writeHello,
} from "./message.ts";

/** Frames on the way from the dongle. A Linux terminal holds 64 KB for a slow process: 43 of the longest frames. */
const WINDOW_FRAMES = 32;
/** Frames for the dongle that wait here. Few, because a node chooses better the later it makes a frame. */
const QUEUE_FRAMES = 4;
const GREETING_INTERVAL_MS = 200;
/** The time of fifteen STATUS messages that did not arrive. */
const SILENCE_MS = 3_000;
/**
 * This process may have been stopped while bytes were waiting. So silence is confirmed by a second turn, this much
 * later.
 */
const SILENCE_DOUBT_MS = 100;
/** A full line calls when it has room again. This interval is for a line that does not call. */
const PATIENCE_MS = 10;

export interface DongleHostOptions {
  line: Line;
  clock: Clock;
  random: Random;
  /** Called from `receive` only. */
  onFrame: RadioHandlers["onFrame"];
}

export class DongleHost implements LineOwner {
  readonly waiting = 0;
  /** The address of the dongle's radio, as long as `state` is "open". */
  readonly address: MacAddress = new Uint8Array(ADDRESS_BYTES);
  frameSizeBytesMax = 0;
  receiveQueueFrames = 0;
  state: "closed" | "greeting" | "open" | "refused" = "closed";
  /** The signal strength of the frame that `onFrame` is called with. 0 before the first frame. */
  rssiDbm = 0;
  /**
   * The version, the build's hash and the settings of the dongle's firmware, as the dongle told them in this session.
   * Empty: not yet, or the dongle is older than this question.
   */
  firmware = "";
  /** What the dongle told of its memory and stacks since `askHeadroom`, in this session. Undefined: nothing. */
  headroom: string | undefined;
  /** The version of the dongle that was refused. */
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
    const ringBytes = QUEUE_FRAMES * lineBytesMax(FRAME_AT + FRAME_SIZE_BYTES_MAX);
    this.#end = new LineEnd({ line, owner: this, windowFrames: WINDOW_FRAMES, ringBytes });
  }

  get counters(): LineEnd["counters"] {
    return this.#end.counters;
  }

  /** Whether `send` would refuse a frame. */
  get full(): boolean {
    return this.state !== "open" || this.#end.queued >= QUEUE_FRAMES;
  }

  /** Frames that the other end has not reported as done. 0 when all are accounted for. */
  get outstanding(): number {
    return this.#end.outstanding;
  }

  /** A line was opened: greet the dongle at its far end. */
  begin(): void {
    this.#end.restart();
    this.#greet();
  }

  /** The line was lost. */
  end(): void {
    this.#end.restart();
    this.state = "closed";
  }

  receive(bytes: Uint8Array, lengthBytes: number): void {
    this.#heardMs = this.#clock.now();
    this.#doubtMs = -1;
    this.#end.receive(bytes, lengthBytes);
  }

  /**
   * Queues a copy of one frame for the dongle's radio. False when there is no dongle or no room; then nothing was
   * taken.
   */
  send(frame: Uint8Array, lengthBytes: number, to: MacAddress): boolean {
    return !this.full && this.#end.offer(to, 0, frame, lengthBytes);
  }

  /** Do the work that is due. Returns when to call again at the latest, in clock milliseconds. */
  turn(): number {
    const now = this.#clock.now();
    if (this.state === "closed" || this.state === "refused") return Number.POSITIVE_INFINITY;
    if (this.state === "greeting" && now >= this.#greetMs) {
      this.#greetMs = now + GREETING_INTERVAL_MS;
      this.#end.greet();
    }
    if (this.state === "open" && this.#silent(now)) this.#greetAnew();
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

  #greetAnew(): void {
    this.#end.close();
    this.#greet();
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
    } else if (this.state === "open") this.#greetAnew();
  }

  /** Nothing to do: the message is left over from a session that is over. */
  strange(): void {}

  /** Two dongles may have heard the same HELLO. */
  astray(): void {
    this.#greetAnew();
  }

  greeting(bytes: Uint8Array, at: number): number {
    return writeHello(bytes, at, this.#session, WINDOW_FRAMES);
  }

  noted(message: Uint8Array, lengthBytes: number): void {
    if (message[0] !== TELL) return;
    if (message[TOPIC_AT] === TOPIC_FIRMWARE) this.firmware = tellText(message, lengthBytes);
    if (message[TOPIC_AT] === TOPIC_HEADROOM) this.headroom = tellText(message, lengthBytes);
  }

  /** Asks what the dongle has left of memory and stacks. A question that is not on the line yet gives way. */
  askHeadroom(): void {
    this.headroom = undefined;
    this.#end.note(TOPIC_HEADROOM);
  }

  note(bytes: Uint8Array, at: number, topic: number): number {
    return writeAsk(bytes, at, { session: this.#session, topic });
  }

  #open(message: Uint8Array): void {
    this.address.set(message.subarray(WELCOME_ADDRESS_AT, WELCOME_ADDRESS_AT + ADDRESS_BYTES));
    this.frameSizeBytesMax = u16At(message, FRAME_SIZE_MAX_AT);
    this.receiveQueueFrames = u16At(message, RECEIVE_QUEUE_AT);
    this.state = "open";
    this.firmware = "";
    this.headroom = undefined;
    this.#end.open(this.#session, message[WINDOW_AT]!);
    this.#end.note(TOPIC_FIRMWARE);
  }
}
