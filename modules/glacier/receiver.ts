/**
 * The receiving half of a link: which fragments of which messages are here, and when to say so (docs/protocol.md, "How
 * a link works").
 *
 * Frames come late, twice, out of order or not at all, and memory for messages is short. So the receiver follows only
 * MESSAGES_AHEAD_MAX sequence numbers from `base`, the lowest that is not finished, and owns no buffers: a MessageSink
 * lends an Assembly for a message that it wants, and may take the Assembly back.
 *
 * The receiver acknowledges when the sender asks (a poll). It acknowledges unasked only where that saves frames: when a
 * message is not wanted, when some of a message is here from an earlier contact, when a fragment did not fit, and
 * when there is room again after there was none. It keeps no timer.
 *
 * The receiver refuses a fragment that is here already, that runs ahead of the sequence numbers it follows, or for
 * which there is no buffer. Such a fragment costs a counter.
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

  /** The peer was told that there is no room. If there is room again, an acknowledgement is due. */
  tellRoom(): void {
    if (this.#sink.credit > 0) this.due = true;
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
      // The buffer was lent again, to another contact or for another message. This message may be complete by now.
      assembly = this.#assemblies[i] = undefined;
      this.#masks[i] = 0;
    }
    if (assembly !== undefined && !assembly.isNamed(frame.shortIdLow, frame.shortIdHigh)) {
      if (!assembly.contradict()) return "changed";
      // One of the two names is false, and this one came again. What is here stays: the other name may come back.
      this.#sink.shelve?.(assembly);
      assembly = this.#assemblies[i] = undefined;
      this.#masks[i] = 0;
      this.due = true;
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
    }
    const outcome = assembly.put(frame, now);
    if (outcome === "repeat") return outcome;
    if (outcome === "misfit") {
      if (!assembly.contradict()) return outcome;
      // Fragments that are here or those that do not fit are false. All fragments must come again.
      assembly.clear();
      this.#masks[i] = 0;
      this.due = true;
      return outcome;
    }
    this.#took(frame.type, assembly, ahead);
    return undefined;
  }

  /** A fragment came into this buffer that another link of the same peer brought. */
  overheard(type: MessageType, assembly: Assembly): void {
    for (let ahead = 0; ahead < MESSAGES_AHEAD_MAX; ahead++) {
      const i = (this.#base + ahead) % MESSAGES_AHEAD_MAX;
      if (this.#assemblies[i] !== assembly || this.#masks[i] === FINISHED) continue;
      this.#took(type, assembly, ahead);
      return;
    }
  }

  /** The buffer has a new fragment. */
  #took(type: MessageType, assembly: Assembly, ahead: number): void {
    const i = (this.#base + ahead) % MESSAGES_AHEAD_MAX;
    this.#masks[i] = assembly.mask;
    if (!assembly.complete) return;
    this.#assemblies[i] = undefined;
    const completion = this.#sink.complete(type, assembly);
    if (completion === "again") this.#masks[i] = 0;
    else this.#finish(ahead, completion === "kept");
  }

  /** Fill in the acknowledgement as of now, except `done`. */
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

  /** Whether the buffer is now lent to another message of this link. */
  #passedOn(assembly: Assembly, frame: FrameOf<MessageType>, i: number): boolean {
    if (assembly.isNamed(frame.shortIdLow, frame.shortIdHigh)) return false;
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
