/**
 * The receiving half of a link: which fragments of which messages are here, and when to say so (design section 4).
 *
 * It follows MESSAGES_AHEAD_MAX sequence numbers from `base`, the lowest that is not finished. Buffers are not its own:
 * a MessageSink lends an Assembly for a message it wants. A fragment that repeats one already here, that runs ahead of
 * the window, or for which there is no buffer costs a counter. It acknowledges when the sender asks, and unasked when that spares
 * frames: a message that is not wanted, or of which some is here from an earlier contact.
 */
import { type Ack, FINISHED, KEPT_BASE_BIT, MESSAGES_AHEAD_MAX } from "./ack.ts";
import type { Assembly } from "./assembly.ts";
import { type FrameOf, SEQUENCE_COUNT } from "./frame.ts";
import type { MessageType } from "./frame-type.ts";
import type { MessageSink } from "./ports.ts";

export type FragmentRefusal = "repeat" | "ahead" | "room" | "misfit" | "changed";

export class Receiver {
  readonly #sink: MessageSink;
  #base = 0;
  readonly #masks = new Uint16Array(MESSAGES_AHEAD_MAX);
  readonly #assemblies: (Assembly | undefined)[] = new Array(MESSAGES_AHEAD_MAX).fill(undefined);
  #kept = 0;
  #number = 0;
  /** An acknowledgement is due. */
  due = false;

  constructor(sink: MessageSink) {
    this.#sink = sink;
  }

  begin(): void {
    this.#base = 0;
    this.#masks.fill(0);
    this.#assemblies.fill(undefined);
    this.#kept = 0;
    this.#number = 0;
    this.due = false;
  }

  receive(frame: FrameOf<MessageType>, now: number): FragmentRefusal | undefined {
    if (frame.poll) this.due = true;
    const ahead = (frame.sequence - this.#base) & (SEQUENCE_COUNT - 1);
    if (ahead >= SEQUENCE_COUNT / 2) return "repeat";
    if (ahead >= MESSAGES_AHEAD_MAX) return "ahead";
    const i = frame.sequence % MESSAGES_AHEAD_MAX;
    if (this.#masks[i] === FINISHED) return "repeat";
    let assembly = this.#assemblies[i];
    if (assembly !== undefined && (!this.#sink.owns(assembly) || this.#passedOn(assembly, frame, i))) {
      // Another contact took the buffer over, and may have completed the message since.
      assembly = this.#assemblies[i] = undefined;
      this.#masks[i] = 0;
    }
    if (assembly === undefined) {
      if (!this.#sink.wants(frame, now)) {
        this.#finish(ahead, false);
        this.due = true;
        return undefined;
      }
      assembly = this.#sink.assembly(frame, now);
      if (assembly === undefined) return "room";
      this.#assemblies[i] = assembly;
      this.#masks[i] = assembly.mask;
      if (assembly.mask !== 0) this.due = true;
    } else if (assembly.shortIdLow !== frame.shortIdLow || assembly.shortIdHigh !== frame.shortIdHigh) {
      return "changed";
    }
    const outcome = assembly.put(frame, now);
    if (outcome === "repeat") return outcome;
    if (outcome === "misfit") {
      // This fragment or what is here is false, and nobody can tell which: all of it comes again.
      assembly.clear();
      this.#masks[i] = 0;
      this.due = true;
      return outcome;
    }
    this.#masks[i] = assembly.mask;
    if (assembly.complete) {
      this.#assemblies[i] = undefined;
      const completion = this.#sink.complete(frame.type, assembly);
      if (completion === "again") this.#masks[i] = 0;
      else this.#finish(ahead, completion === "kept");
    }
    return undefined;
  }

  /** Fill in what an acknowledgement says now, all but `done`. */
  describe(ack: Ack): void {
    ack.number = this.#number;
    ack.base = this.#base;
    ack.kept = this.#kept;
    ack.window = this.#sink.window;
    ack.credit = this.#sink.credit;
    ack.count = 0;
    for (let ahead = 0; ahead < MESSAGES_AHEAD_MAX; ahead++) {
      const mask = this.#masks[(this.#base + ahead) % MESSAGES_AHEAD_MAX]!;
      ack.masks[ahead] = mask;
      if (mask !== 0) ack.count = ahead + 1;
    }
  }

  /** The acknowledgement was sent. */
  answered(): void {
    this.#number = (this.#number + 1) & (SEQUENCE_COUNT - 1);
    this.due = false;
  }

  /** The buffer came back to us for another message. */
  #passedOn(assembly: Assembly, frame: FrameOf<MessageType>, i: number): boolean {
    if (assembly.shortIdLow === frame.shortIdLow && assembly.shortIdHigh === frame.shortIdHigh) return false;
    for (let k = 0; k < MESSAGES_AHEAD_MAX; k++) if (k !== i && this.#assemblies[k] === assembly) return true;
    return false;
  }

  #finish(ahead: number, kept: boolean): void {
    this.#masks[(this.#base + ahead) % MESSAGES_AHEAD_MAX] = FINISHED;
    if (kept) this.#kept |= 1 << (KEPT_BASE_BIT + ahead);
    while (this.#masks[this.#base % MESSAGES_AHEAD_MAX] === FINISHED) {
      this.#masks[this.#base % MESSAGES_AHEAD_MAX] = 0;
      this.#base = (this.#base + 1) & (SEQUENCE_COUNT - 1);
      this.#kept >>>= 1;
    }
  }
}
