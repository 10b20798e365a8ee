/**
 * A computer's end of an update (docs/update.md): calls the board while the board starts, sends the image, and asks the
 * board to choose it.
 *
 * Sans-I/O. The owner calls `receive` for bytes from the line, and `turn` after that and at the time that the last
 * `turn` returned, until `state` is "done" or "failed". A few DATA are on the way at a time. The board says which byte
 * it wants next; after a silence the host goes on from there.
 */
import type { Line } from "../dongle/line-end.ts";
import type { Clock } from "../throwie/ports.ts";
import {
  BOARD,
  type BoardFacts,
  boardFacts,
  DATA_AT,
  DATA_BYTES_MAX,
  type ImageFacts,
  REPORT,
  type ReportCode,
  type ReportFacts,
  reportFacts,
  sessionOf,
  UPDATE_VERSION,
  writeBegin,
  writeCall,
  writeData,
  writeEnd,
} from "./message.ts";
import { UpdateEnd } from "./update-end.ts";

/** Often enough for the short time in which a board that starts listens. */
const CALL_INTERVAL_MS = 20;
/** Time for a person who must press RESET. A board that was reset answers within two seconds. */
const CALL_MS = 20_000;
/** Erasing a sector takes 45 ms, and a worn one some hundreds. */
const REPEAT_MS = 1_000;
/** The board reads 2 MB and computes their SHA-256 meanwhile. */
const END_REPEAT_MS = 500;
const SILENCE_MS = 10_000;
/** Together less than the receive ring of a board's line. */
const AHEAD_BYTES = 4 * DATA_BYTES_MAX;

export interface UpdateHostOptions {
  line: Line;
  clock: Clock;
  /** Drawn at random, and not 0. */
  session: number;
  image: Uint8Array;
  facts: ImageFacts;
}

/** `silent`: nobody answers a call. `cut`: the board fell silent later. `version`: the board's is another one. */
export type UpdateFailure = Exclude<ReportCode, "writing" | "done"> | "silent" | "cut" | "version";

export class UpdateHost {
  state: "calling" | "beginning" | "sending" | "ending" | "done" | "failed" = "calling";
  failure: UpdateFailure | undefined;
  /** What the board said of itself; undefined before it answered. */
  board: BoardFacts | undefined;
  /** How many bytes the board has. */
  written = 0;
  readonly #clock: Clock;
  readonly #session: number;
  readonly #image: Uint8Array;
  readonly #facts: ImageFacts;
  readonly #end: UpdateEnd;
  /** How many bytes are on the line or there. */
  #sent = 0;
  #saidMs = Number.NEGATIVE_INFINITY;
  #heardMs: number;

  constructor({ line, clock, session, image, facts }: UpdateHostOptions) {
    this.#clock = clock;
    this.#session = session;
    this.#image = image;
    this.#facts = facts;
    this.#end = new UpdateEnd(line, DATA_AT + DATA_BYTES_MAX);
    this.#heardMs = clock.now();
  }

  receive(bytes: Uint8Array, lengthBytes: number): void {
    this.#end.receive(bytes, lengthBytes, (message, messageBytes) => this.#take(message, messageBytes));
  }

  /** Returns when to call again at the latest, in clock milliseconds. */
  turn(): number {
    if (this.state === "done" || this.state === "failed") return Number.POSITIVE_INFINITY;
    this.#end.flush();
    const now = this.#clock.now();
    if (!this.#end.busy) this.#speak(now);
    const calling = this.state === "calling";
    if (now - this.#heardMs >= (calling ? CALL_MS : SILENCE_MS)) this.#fail(calling ? "silent" : "cut");
    return now + CALL_INTERVAL_MS;
  }

  #speak(now: number): void {
    const waited = now - this.#saidMs;
    const session = this.#session;
    if (this.state === "calling" && waited >= CALL_INTERVAL_MS) this.#say((bytes, at) => writeCall(bytes, at, session));
    else if (this.state === "beginning" && waited >= REPEAT_MS)
      this.#say((bytes, at) => writeBegin(bytes, at, session, this.#facts));
    else if (this.state === "ending" && waited >= END_REPEAT_MS) this.#say((bytes, at) => writeEnd(bytes, at, session));
    else if (this.state === "sending") this.#sendMore(waited);
  }

  #sendMore(waited: number): void {
    if (waited >= REPEAT_MS) this.#sent = this.written;
    while (!this.#end.busy && this.#sent < this.#image.length && this.#sent - this.written < AHEAD_BYTES) {
      const piece = this.#image.subarray(this.#sent, this.#sent + DATA_BYTES_MAX);
      this.#say((bytes, at) => {
        bytes.set(piece, at + writeData(bytes, at, this.#session, this.#sent));
        return DATA_AT + piece.length;
      });
      this.#sent += piece.length;
    }
  }

  #say(write: (bytes: Uint8Array, at: number) => number): void {
    this.#saidMs = this.#clock.now();
    this.#end.send(write);
  }

  #take(message: Uint8Array, lengthBytes: number): void {
    if (sessionOf(message) !== this.#session || this.state === "done" || this.state === "failed") return;
    if (message[0] === BOARD) this.#meet(message, lengthBytes);
    else if (message[0] === REPORT && this.state !== "calling") this.#follow(reportFacts(message));
  }

  #meet(message: Uint8Array, lengthBytes: number): void {
    this.#heardMs = this.#clock.now();
    if (this.state !== "calling") return;
    if (message[1] !== UPDATE_VERSION) {
      this.#fail("version");
      return;
    }
    this.board = boardFacts(message, lengthBytes);
    this.#enter("beginning");
  }

  #follow({ code, next }: ReportFacts): void {
    this.#heardMs = this.#clock.now();
    if (code === "done") this.state = "done";
    else if (code !== "writing") this.#fail(code);
    else if (this.state === "beginning" && next === 0) this.#enter("sending");
    else if (this.state === "sending" && next > this.written) {
      this.written = Math.min(next, this.#image.length);
      this.#sent = Math.max(this.#sent, this.written);
      if (this.written === this.#image.length) this.#enter("ending");
    }
  }

  /** What this state says is said at the next turn. */
  #enter(state: UpdateHost["state"]): void {
    this.state = state;
    this.#saidMs = Number.NEGATIVE_INFINITY;
  }

  #fail(failure: UpdateFailure): void {
    this.state = "failed";
    this.failure = failure;
  }
}
