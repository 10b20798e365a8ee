/**
 * The receiving half of a link: which fragments of which messages are here, and when to say so (design section 4).
 *
 * It follows MESSAGES_AHEAD_MAX sequence numbers from `base`, the lowest that is not settled. Buffers are not its own:
 * a MessageSink lends an Assembly for a message it wants. A fragment that repeats one already here, that runs ahead of
 * the window, or for which there is no buffer costs a counter; a repeat is also answered soon, since it means that an
 * acknowledgement was lost. Acknowledgements go out every ACK_EVERY_FRAMES frames, or ACK_DELAY_MS after the first frame
 * that none has answered.
 */
import { type Ack, KEPT_BASE_BIT, MESSAGES_AHEAD_MAX, SETTLED } from "./ack.ts";
import type { Assembly } from "./assembly.ts";
import { type Frame, SEQUENCE_COUNT } from "./frame.ts";

/** Half the sender's window, so that it never waits while frames arrive. */
const ACK_EVERY_FRAMES = 16;
const ACK_DELAY_MS = 15;
/** Repeats in a row are one loss, and get one answer. */
const ACK_GAP_MS = 5;

export type FragmentRefusal = "repeat" | "ahead" | "room" | "misfit" | "changed";

/** What became of a message: kept, of no use, or not what its short_id says (or not storable now), so not settled. */
export type Completion = "kept" | "unwanted" | "again";

export interface MessageSink {
  /** Whether the message is wanted at all; if not it is settled without a buffer. */
  wants(frame: Frame): boolean;
  /** A buffer for the message of this frame, begun or taken up again; undefined when there is no room. */
  assembly(frame: Frame, now: number): Assembly | undefined;
  /** Is a buffer that was lent here still ours? */
  owns(assembly: Assembly): boolean;
  /** All of it is here, and its buffer is the sink's again. */
  complete(type: number, assembly: Assembly): Completion;
  /** Messages there is room for, those begun on this link included. */
  readonly credit: number;
}

export class Receiver {
  readonly #sink: MessageSink;
  #base = 0;
  readonly #masks = new Uint16Array(MESSAGES_AHEAD_MAX);
  readonly #assemblies: (Assembly | undefined)[] = new Array(MESSAGES_AHEAD_MAX).fill(undefined);
  #kept = 0;
  #unanswered = 0;
  #answerByMs = Infinity;
  #answeredMs = 0;
  #number = 0;

  constructor(sink: MessageSink) {
    this.#sink = sink;
  }

  begin(now: number): void {
    this.#base = 0;
    this.#masks.fill(0);
    this.#assemblies.fill(undefined);
    this.#kept = 0;
    this.#unanswered = 0;
    this.#answerByMs = Infinity;
    this.#answeredMs = now - ACK_GAP_MS;
    this.#number = 0;
  }

  /** When an acknowledgement is due, in clock milliseconds. */
  get deadline(): number {
    return this.#answerByMs;
  }

  receive(frame: Frame, now: number): FragmentRefusal | undefined {
    const ahead = (frame.sequence - this.#base) & (SEQUENCE_COUNT - 1);
    if (ahead >= SEQUENCE_COUNT / 2) return this.#repeated(now);
    if (ahead >= MESSAGES_AHEAD_MAX) return "ahead";
    const i = frame.sequence % MESSAGES_AHEAD_MAX;
    if (this.#masks[i] === SETTLED) return this.#repeated(now);
    let assembly = this.#assemblies[i];
    if (assembly !== undefined && !this.#sink.owns(assembly)) {
      // Another contact took the buffer over, and may have completed the message since.
      assembly = this.#assemblies[i] = undefined;
      this.#masks[i] = 0;
    }
    if (assembly === undefined) {
      if (!this.#sink.wants(frame)) {
        this.#settle(ahead, false);
        this.#answerSoon(now);
        return undefined;
      }
      assembly = this.#sink.assembly(frame, now);
      if (assembly === undefined) {
        this.#answerSoon(now);
        return "room";
      }
      this.#assemblies[i] = assembly;
      this.#masks[i] = assembly.mask;
      if (assembly.mask !== 0) this.#answerSoon(now);
    } else if (assembly.shortIdLow !== frame.shortIdLow || assembly.shortIdHigh !== frame.shortIdHigh) {
      return "changed";
    }
    const outcome = assembly.put(frame, now);
    if (outcome === "repeat") return this.#repeated(now);
    if (outcome === "misfit") {
      // This fragment or what is here is false, and nobody can tell which: all of it comes again.
      assembly.begin(frame.shortIdLow, frame.shortIdHigh, now);
      this.#masks[i] = 0;
      this.#answerSoon(now);
      return outcome;
    }
    this.#masks[i] = assembly.mask;
    this.#unanswered++;
    const delay = this.#unanswered >= ACK_EVERY_FRAMES ? 0 : ACK_DELAY_MS;
    if (now + delay < this.#answerByMs) this.#answerByMs = now + delay;
    if (assembly.complete) {
      this.#assemblies[i] = undefined;
      const completion = this.#sink.complete(frame.type, assembly);
      if (completion === "again") this.#masks[i] = 0;
      else this.#settle(ahead, completion === "kept");
    }
    return undefined;
  }

  /** Fill in what an acknowledgement says now, all but `done`. */
  describe(ack: Ack): void {
    ack.number = this.#number;
    ack.base = this.#base;
    ack.kept = this.#kept;
    ack.credit = this.#sink.credit;
    ack.count = 0;
    for (let ahead = 0; ahead < MESSAGES_AHEAD_MAX; ahead++) {
      const mask = this.#masks[(this.#base + ahead) % MESSAGES_AHEAD_MAX]!;
      ack.masks[ahead] = mask;
      if (mask !== 0) ack.count = ahead + 1;
    }
  }

  /** The acknowledgement was sent. */
  answered(now: number): void {
    this.#number = (this.#number + 1) & (SEQUENCE_COUNT - 1);
    this.#unanswered = 0;
    this.#answerByMs = Infinity;
    this.#answeredMs = now;
  }

  /** Ask for an acknowledgement now, for instance to tell that nothing more will be sent. */
  answerNow(now: number): void {
    if (now < this.#answerByMs) this.#answerByMs = now;
  }

  #repeated(now: number): FragmentRefusal {
    this.#answerSoon(now);
    return "repeat";
  }

  #answerSoon(now: number): void {
    const soon = this.#answeredMs + ACK_GAP_MS;
    const due = Math.max(soon, now);
    if (due < this.#answerByMs) this.#answerByMs = due;
  }

  #settle(ahead: number, kept: boolean): void {
    this.#masks[(this.#base + ahead) % MESSAGES_AHEAD_MAX] = SETTLED;
    if (kept) this.#kept |= 1 << (KEPT_BASE_BIT + ahead);
    while (this.#masks[this.#base % MESSAGES_AHEAD_MAX] === SETTLED) {
      this.#masks[this.#base % MESSAGES_AHEAD_MAX] = 0;
      this.#base = (this.#base + 1) & (SEQUENCE_COUNT - 1);
      this.#kept >>>= 1;
    }
  }
}
