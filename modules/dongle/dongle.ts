/**
 * The board's end: a radio for a computer (docs/dongle.md).
 *
 * Sans-I/O. The firmware hands it what the line brings (`receive`) and what the radio hears (`heard`), and calls `turn`
 * after either, when the line or the radio has room, and when the last `turn` said. It keeps nothing between sessions
 * and decides nothing: a HELLO begins a session anew, at any moment; without one, what the radio hears is missed.
 *
 * Invariant: a frame is handed to the radio once, in order, as it came; a frame that the radio heard goes up once, or is counted.
 * Refuses, and counts, frames that are longer than the radio sends.
 */
import { ADDRESS_BYTES, type Clock, type MacAddress, type Radio } from "../throwie/ports.ts";
import { copy } from "./copy.ts";
import { greetingSession, type Line, LineEnd, type LineOwner } from "./line-end.ts";
import { FRAME_ADDRESS_AT, FRAME_AT, HELLO, VERSION, VERSION_AT, WINDOW_AT, writeWelcome } from "./message.ts";
import { MessageRing } from "./message-ring.ts";

/** Frames from the computer that wait for the radio: 300 a second through a USB chip that holds bytes back for 16 ms. */
const WINDOW_FRAMES_MAX = 16;
/** Longer frames take the line longer, and fewer are on their way: 5 of 1,470 bytes. */
const WINDOW_BYTES = 8_192;
/** Frames for the computer: 59 of 250 bytes, which a line of 921,600 bit/s takes in 180 ms; 10 of 1,470. */
const RING_BYTES = 16_384;
/** Messages of a session that is over may be many; one word in reply is enough. */
const STRANGE_INTERVAL_MS = 100;
/** A line or a radio that is full calls when it has room; this is for one that does not. */
const PATIENCE_MS = 10;

export interface DongleRadio extends Radio {
  /** How strong the frame was that the radio hands over now. */
  readonly rssiDbm: number;
}

export class Dongle implements LineOwner {
  readonly #radio: DongleRadio;
  readonly #clock: Clock;
  readonly #end: LineEnd;
  /** Address and frame, for the radio. */
  readonly #down: MessageRing;
  readonly #frame: Uint8Array;
  readonly #windowFrames: number;
  readonly #to: MacAddress = new Uint8Array(ADDRESS_BYTES);
  #strangeMs = 0;

  constructor({ radio, line, clock }: { radio: DongleRadio; line: Line; clock: Clock }) {
    this.#radio = radio;
    this.#clock = clock;
    const bytesMax = ADDRESS_BYTES + radio.frameSizeBytesMax;
    this.#windowFrames = Math.min(Math.floor(WINDOW_BYTES / bytesMax), WINDOW_FRAMES_MAX);
    this.#end = new LineEnd({ line, owner: this, windowFrames: this.#windowFrames, ringBytes: RING_BYTES });
    // One more, for the place that is lost where the ring begins again.
    this.#down = new MessageRing((this.#windowFrames + 1) * bytesMax);
    this.#frame = new Uint8Array(radio.frameSizeBytesMax);
    // A computer that spoke to the life before this one learns of it at once.
    this.#end.greet();
  }

  get counters(): LineEnd["counters"] {
    return this.#end.counters;
  }

  /** Frames for the computer that it is not known to be done with. */
  get outstanding(): number {
    return this.#end.outstanding;
  }

  /** Bytes from the line, of any number and value. */
  receive(bytes: Uint8Array, lengthBytes: number): void {
    this.#end.receive(bytes, lengthBytes);
  }

  /** A frame that the radio heard; it is only read during the call. */
  heard(frame: Uint8Array, lengthBytes: number, from: MacAddress): void {
    const fits = lengthBytes > 0 && lengthBytes <= this.#radio.frameSizeBytesMax;
    if (!fits || !this.#end.offer(from, this.#radio.rssiDbm, frame, lengthBytes)) this.#end.missed();
  }

  /** Do what is due. Returns when to call again at the latest, in clock milliseconds. */
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
    // Of another version: the WELCOME says which version this is. The same session again: the WELCOME was lost.
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

  greeting(bytes: Uint8Array, at: number): number {
    const { address, frameSizeBytesMax, receiveQueueFrames } = this.#radio;
    return writeWelcome(
      bytes,
      at,
      this.#end.session,
      this.#windowFrames,
      address,
      frameSizeBytesMax,
      receiveQueueFrames,
    );
  }
}
