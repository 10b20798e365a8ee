/**
 * A board's end of an update (docs/update.md): takes an image over the line, and writes it to the app partition that
 * does not run.
 *
 * Sans-I/O. The owner calls `receive` for bytes from the line, and `turn` after that and at the time that the last
 * `turn` returned, until `state` is "over" or "chosen". Nobody calls for CALL_WINDOW_MS, or a host falls silent:
 * "over", and the board goes on with the firmware that it has.
 *
 * Invariant: until the whole image was read back and its SHA-256 found right, the boot loader starts what it started
 * before. So a power cut, a cut line and a damaged image cost nothing but the time. Refuses an image for another chip,
 * and one that does not fit.
 */
import type { Line } from "../dongle/line-end.ts";
import { u16At } from "../dongle/message.ts";
import type { Clock } from "../throwie/ports.ts";
import {
  BEGIN,
  BOARD_BYTES_MAX,
  beginFacts,
  CALL,
  DATA,
  DATA_AT,
  DIGEST_BYTES,
  dataOffset,
  END,
  type ReportCode,
  sessionOf,
  writeBoard,
  writeReport,
} from "./message.ts";
import type { NextImage } from "./ports.ts";
import { UpdateEnd } from "./update-end.ts";

/** A host calls every 20 ms while the board starts. */
const CALL_WINDOW_MS = 250;
/** A host that was called back sends something each second. */
const SILENCE_MS = 10_000;
/** How long a board that has chosen an image still answers an END, in case its REPORT was lost. */
const FAREWELL_MS = 1_500;
/** The header of an image has the chip's number here. */
const IMAGE_CHIP_AT = 12;
/** Images end at a block of this size, and flash is written in words. */
const IMAGE_BLOCK_BYTES = 16;

export interface UpdateBoardOptions {
  line: Line;
  clock: Clock;
  next: NextImage;
  /** What the board runs now, in ASCII. */
  firmware: string;
}

export class UpdateBoard {
  /** "chosen": the boot loader will try the new image, so the board must restart. */
  state: "waiting" | "called" | "writing" | "farewell" | "chosen" | "over" = "waiting";
  readonly #clock: Clock;
  readonly #next: NextImage;
  readonly #firmware: string;
  readonly #end: UpdateEnd;
  readonly #digest = new Uint8Array(DIGEST_BYTES);
  #session = 0;
  #chip = 0;
  #sizeBytes = 0;
  #written = 0;
  #dueMs: number;
  /** What is to be said when the line has room; the last one counts. */
  #answer: ReportCode | "board" | undefined;

  constructor({ line, clock, next, firmware }: UpdateBoardOptions) {
    this.#clock = clock;
    this.#next = next;
    this.#firmware = firmware;
    this.#end = new UpdateEnd(line, BOARD_BYTES_MAX);
    this.#dueMs = clock.now() + CALL_WINDOW_MS;
  }

  receive(bytes: Uint8Array, lengthBytes: number): void {
    this.#end.receive(bytes, lengthBytes, (message, messageBytes) => this.#take(message, messageBytes));
  }

  /** Returns when to call again at the latest, in clock milliseconds. */
  turn(): number {
    this.#end.flush();
    if (!this.#end.busy && this.#answer !== undefined) this.#say(this.#answer);
    if (this.#clock.now() >= this.#dueMs) this.state = this.state === "farewell" ? "chosen" : "over";
    return this.#dueMs;
  }

  #take(message: Uint8Array, lengthBytes: number): void {
    const kind = message[0];
    if (this.state === "farewell") {
      if (kind === END && sessionOf(message) === this.#session) this.#answer = "done";
    } else if (kind === CALL) {
      this.#session = sessionOf(message);
      this.#heard("called", "board");
    } else if (this.state !== "waiting" && sessionOf(message) === this.#session) {
      if (kind === BEGIN) this.#begin(message);
      else if (kind === DATA && this.state === "writing") this.#write(message, lengthBytes);
      else if (kind === END && this.state === "writing") this.#choose();
    }
  }

  #heard(state: UpdateBoard["state"], answer: ReportCode | "board"): void {
    this.state = state;
    this.#answer = answer;
    this.#dueMs = this.#clock.now() + (state === "farewell" ? FAREWELL_MS : SILENCE_MS);
  }

  #begin(message: Uint8Array): void {
    const { chip, sizeBytes, digest } = beginFacts(message);
    this.#written = 0;
    if (this.#next.trial) this.#heard("called", "trial");
    else if (chip !== this.#next.chip) this.#heard("called", "chip");
    else if (sizeBytes > this.#next.sizeBytes || sizeBytes % IMAGE_BLOCK_BYTES !== 0) this.#heard("called", "size");
    else {
      this.#chip = chip;
      this.#sizeBytes = sizeBytes;
      this.#digest.set(digest);
      this.#heard("writing", "writing");
    }
  }

  /** Whatever does not follow the last byte is not taken; the answer says which byte comes next. */
  #write(message: Uint8Array, lengthBytes: number): void {
    const offset = dataOffset(message);
    const dataBytes = lengthBytes - DATA_AT;
    const fits = offset + dataBytes <= this.#sizeBytes && dataBytes % IMAGE_BLOCK_BYTES === 0;
    if (offset !== this.#written || !fits) this.#heard("writing", "writing");
    else if (offset === 0 && u16At(message, DATA_AT + IMAGE_CHIP_AT) !== this.#chip) this.#heard("called", "chip");
    else if (!this.#next.write(offset, message, DATA_AT, dataBytes)) this.#heard("called", "flash");
    else {
      this.#written += dataBytes;
      this.#heard("writing", "writing");
    }
  }

  #choose(): void {
    if (this.#written < this.#sizeBytes) this.#heard("writing", "writing");
    else if (!this.#next.holds(this.#digest)) this.#heard("called", "digest");
    else if (!this.#next.choose()) this.#heard("called", "loader");
    else this.#heard("farewell", "done");
  }

  #say(answer: ReportCode | "board"): void {
    const { chip, sizeBytes, trial } = this.#next;
    const session = this.#session;
    this.#answer = undefined;
    this.#end.send((bytes, at) =>
      answer === "board"
        ? writeBoard(bytes, at, session, { chip, room: sizeBytes, trial, firmware: this.#firmware })
        : writeReport(bytes, at, session, { code: answer, next: this.#written }),
    );
  }
}
