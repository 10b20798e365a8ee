/**
 * The board's end of the line: a radio for a computer (docs/dongle.md).
 *
 * Sans-I/O. The firmware passes bytes from the line to `receive` and frames from the radio to `heard`. The firmware
 * calls `turn` after each of them, when the line or the radio has room, and at the time that the last `turn` returned.
 * A dongle keeps nothing between sessions and decides nothing. A HELLO begins a new session at any moment. Without a
 * session, frames from the radio are missed.
 *
 * Invariant: each frame from the computer is given to the radio once, in order and unchanged. Each frame from the radio
 * is sent to the computer once, or is counted. Refuses, and counts, a frame that is longer than the radio can send.
 */
import { ADDRESS_BYTES, type Clock, type MacAddress, type Radio } from "../throwie/ports.ts";
import { copy } from "./copy.ts";
import { greetingSession, type Line, LineEnd, type LineOwner } from "./line-end.ts";
import {
  ASK,
  FRAME_ADDRESS_AT,
  FRAME_AT,
  HELLO,
  TOPIC_AT,
  TOPIC_FIRMWARE,
  TOPIC_HEADROOM,
  VERSION,
  VERSION_AT,
  type Welcome,
  WINDOW_AT,
  writeTell,
  writeWelcome,
} from "./message.ts";
import { MessageRing } from "./message-ring.ts";

/**
 * Frames from the computer that wait for the radio: enough for 300 a second through a USB chip that delays bytes by 16
 * ms.
 */
const WINDOW_FRAMES_MAX = 16;
/** Longer frames take the line longer, so fewer are on the way: 5 of 1,470 bytes. */
const WINDOW_BYTES = 8_192;
/** Frames for the computer: 59 of 250 bytes, which a line of 921,600 bit/s takes in 180 ms, or 10 of 1,470. */
const RING_BYTES = 16_384;
/** Many messages of a session that is over may arrive. One answer in this time is enough. */
const STRANGE_INTERVAL_MS = 100;
/** A full line or radio calls when it has room again. This interval is for one that does not call. */
const PATIENCE_MS = 10;

export interface DongleRadio extends Radio {
  /** The signal strength of the frame that the radio hands over now. */
  readonly rssiDbm: number;
}

export interface DongleOptions {
  radio: DongleRadio;
  line: Line;
  clock: Clock;
  /** The version, the build's hash and the settings of the firmware, in ASCII. Empty: nobody knows. */
  firmware?: string;
  /** What the board has left of memory and stacks now, in ASCII. */
  headroom?: () => string;
}

export class Dongle implements LineOwner {
  readonly #radio: DongleRadio;
  readonly #clock: Clock;
  readonly #end: LineEnd;
  /** Addresses and frames for the radio. */
  readonly #down: MessageRing;
  readonly #frame: Uint8Array;
  readonly #welcome: Welcome;
  readonly #to: MacAddress = new Uint8Array(ADDRESS_BYTES);
  readonly #firmware: string;
  readonly #headroom: () => string;
  #strangeMs = 0;

  constructor({ radio, line, clock, firmware = "", headroom = () => "" }: DongleOptions) {
    this.#radio = radio;
    this.#clock = clock;
    this.#firmware = firmware;
    this.#headroom = headroom;
    const { address, frameSizeBytesMax, receiveQueueFrames } = radio;
    const bytesMax = ADDRESS_BYTES + frameSizeBytesMax;
    const window = Math.min(Math.floor(WINDOW_BYTES / bytesMax), WINDOW_FRAMES_MAX);
    this.#welcome = { session: 0, window, address, frameSizeBytesMax, receiveQueueFrames };
    this.#end = new LineEnd({ line, owner: this, windowFrames: window, ringBytes: RING_BYTES });
    // One frame more, for the space that is lost where the ring begins again.
    this.#down = new MessageRing((window + 1) * bytesMax);
    this.#frame = new Uint8Array(frameSizeBytesMax);
    // Tells a computer at once that the life to which it spoke is over.
    this.#end.greet();
  }

  get counters(): LineEnd["counters"] {
    return this.#end.counters;
  }

  /** Frames for the computer that the computer has not reported as done. */
  get outstanding(): number {
    return this.#end.outstanding;
  }

  /** Takes bytes from the line, of any number and value. */
  receive(bytes: Uint8Array, lengthBytes: number): void {
    this.#end.receive(bytes, lengthBytes);
  }

  /** Takes a frame that the radio received. The bytes are only read during the call. */
  heard(frame: Uint8Array, lengthBytes: number, from: MacAddress): void {
    const fits = lengthBytes > 0 && lengthBytes <= this.#radio.frameSizeBytesMax;
    if (!fits || !this.#end.offer(from, this.#radio.rssiDbm, frame, lengthBytes)) this.#end.missed();
  }

  /** Do the work that is due. Returns when to call again at the latest, in clock milliseconds. */
  turn(): number {
    this.#transmit();
    const now = this.#clock.now();
    const idle = this.#end.flush(now);
    return idle && this.#down.count === 0 ? this.#end.dueMs : now + PATIENCE_MS;
  }

  #transmit(): void {
    const down = this.#down;
    while (down.count > 0 && !this.#radio.full) {
      const at = down.start;
      const lengthBytes = down.lengthBytes - ADDRESS_BYTES;
      copy(down.bytes, at, this.#to, 0, ADDRESS_BYTES);
      copy(down.bytes, at + ADDRESS_BYTES, this.#frame, 0, lengthBytes);
      if (!this.#radio.send(this.#frame, lengthBytes, this.#to)) return;
      down.remove();
    }
  }

  // LineOwner

  get waiting(): number {
    return this.#down.count;
  }

  take(message: Uint8Array, lengthBytes: number): boolean {
    const frameBytes = lengthBytes - FRAME_AT;
    const at = frameBytes > this.#radio.frameSizeBytesMax ? -1 : this.#down.place(ADDRESS_BYTES + frameBytes);
    if (at < 0) return false;
    copy(message, FRAME_ADDRESS_AT, this.#down.bytes, at, ADDRESS_BYTES);
    copy(message, FRAME_AT, this.#down.bytes, at + ADDRESS_BYTES, frameBytes);
    this.#down.add(at, ADDRESS_BYTES + frameBytes);
    return true;
  }

  greeted(message: Uint8Array): void {
    if (message[0] !== HELLO) return;
    this.#end.greet();
    const session = greetingSession(message);
    // Another version: the WELCOME tells the version of this end. The same session again: the WELCOME was lost.
    if (message[VERSION_AT] !== VERSION || session === this.#end.session) return;
    this.#down.clear();
    this.#end.open(session, message[WINDOW_AT]!);
  }

  strange(): void {
    const now = this.#clock.now();
    if (now - this.#strangeMs < STRANGE_INTERVAL_MS) return;
    this.#strangeMs = now;
    this.#end.greet();
  }

  /** Nothing to do: the host finds out too, and greets. */
  astray(): void {}

  greeting(bytes: Uint8Array, at: number): number {
    this.#welcome.session = this.#end.session;
    return writeWelcome(bytes, at, this.#welcome);
  }

  noted(message: Uint8Array): void {
    if (message[0] === ASK) this.#end.note(message[TOPIC_AT]!);
  }

  note(bytes: Uint8Array, at: number, topic: number): number {
    const { session } = this.#end;
    return writeTell(bytes, at, { session, topic }, this.#known(topic));
  }

  #known(topic: number): string {
    if (topic === TOPIC_FIRMWARE) return this.#firmware;
    return topic === TOPIC_HEADROOM ? this.#headroom() : "";
  }
}
