/**
 * A link: both directions of one contact, over one session id (docs/protocol.md, "How a link works").
 *
 * The air loses frames and a contact ends without notice, so each side needs a sender that repeats what was lost and a
 * receiver that says what arrived. A link is the two together, sans-I/O. Decoded frames go in with the time. Frames to
 * send come out one at a time, when the caller's radio has room, acknowledgements first. `deadline` says when to ask
 * again if nothing else happens.
 *
 * The link never waits, never throws on input and allocates nothing after its construction.
 *
 * The link does not know when a contact is over. Its owner says `done` when it has nothing more to send, and
 * acknowledgements carry that to the peer. The contact is over when both sides have said so.
 */
import { Ack, decodeAck, encodeAck } from "./ack.ts";
import type { Assembly } from "./assembly.ts";
import { type FrameHeader, type FrameOf, type HeaderOf, PAYLOAD_BYTES_V1, sealFrame } from "./frame.ts";
import { ACK, BEACON, DROP, FRAME_TYPES, type FrameType, type SessionType } from "./frame-type.ts";
import type { MessageSink, MessageSource } from "./ports.ts";
import { type FragmentRefusal, Receiver } from "./receiver.ts";
import { Sender } from "./sender.ts";

/**
 * Why a link did not use a frame. "ack": a malformed acknowledgement. "overtaken": an acknowledgement that came after a
 * later one. The others are about fragments (receiver.ts).
 */
export type LinkRefusal = FragmentRefusal | "ack" | "overtaken";

/**
 * One session with one peer (docs/protocol.md, "How a link works"). After `begin`, give it every frame of the session
 * by `receive`; whenever the radio has room call `prepare` until it returns 0, and `sent` for each frame that the radio
 * took. Times are milliseconds of the caller's clock. No frame makes it throw.
 */
export class Link {
  /** The id of the session, 16 bits. */
  sessionId = 0;
  /** The peer has said that it has nothing more to send. */
  peerDone = false;
  /** The peer was told that there is no room for any message, and does not know better. */
  roomless = false;
  /** When the session began, in clock milliseconds. */
  begunMs = 0;
  /** When a frame of this session was last heard, in clock milliseconds. */
  heardMs = 0;
  /** When the session last made progress: a new fragment came, or the news that one of ours arrived. */
  progressMs = 0;
  /** The sending half, whose counters a host may read. */
  readonly sender: Sender;
  readonly #receiver: Receiver;
  readonly #ack = new Ack();
  #done = false;

  /** Takes all memory that the link ever uses, and calls neither port yet. */
  constructor(source: MessageSource, sink: MessageSink) {
    this.sender = new Sender(source);
    this.#receiver = new Receiver(sink);
  }

  /** Begin a session. Its frames carry PAYLOAD_BYTES_V1, until `fragmentBytes` says otherwise. */
  begin(sessionId: number, now: number): void {
    this.sessionId = sessionId;
    this.peerDone = false;
    this.roomless = false;
    this.begunMs = now;
    this.heardMs = now;
    this.progressMs = now;
    this.#done = false;
    this.sender.begin(now);
    this.#receiver.begin();
    this.fragmentBytes = PAYLOAD_BYTES_V1;
  }

  /** Bytes of a full payload in both directions, except in an OPEN: the opening agreed on them. */
  get fragmentBytes(): number {
    return this.sender.fragmentBytes;
  }

  set fragmentBytes(fragmentBytes: number) {
    this.sender.fragmentBytes = fragmentBytes;
  }

  /** Whether `setDone` last said that there is nothing more to send. */
  get done(): boolean {
    return this.#done;
  }

  /** No acknowledgement to the peer is due. */
  get answered(): boolean {
    return !this.#receiver.due;
  }

  /** Say whether there is nothing more to send. The peer is told of a change at once. */
  setDone(done: boolean): void {
    if (done === this.#done) return;
    this.#done = done;
    this.#receiver.due = true;
  }

  /** Take a frame of this session. Undefined when the frame was of use; otherwise the reason to count. */
  receive(frame: FrameOf<SessionType>, now: number): LinkRefusal | undefined {
    switch (frame.type) {
      case ACK: {
        if (!decodeAck(frame, this.#ack)) return "ack";
        const outcome = this.sender.acknowledged(this.#ack, now);
        if (outcome === "overtaken") return outcome;
        this.heardMs = now;
        if (outcome === "news") this.progressMs = now;
        // When both sides are done, say so once more: the frame that said it first may be lost.
        if (this.#ack.done && !this.peerDone && this.#done) this.#receiver.due = true;
        this.peerDone = this.#ack.done;
        return undefined;
      }
      default: {
        const refusal = this.#receiver.receive(frame, now);
        if (refusal === undefined || refusal === "repeat") this.heardMs = now;
        if (refusal === undefined) this.progressMs = now;
        return refusal;
      }
    }
  }

  /** A fragment of a Drop came into this buffer of this link, in a frame that the peer sent on another link. */
  overheard(assembly: Assembly, now: number): void {
    this.heardMs = now;
    this.progressMs = now;
    this.#receiver.overheard(DROP, assembly);
  }

  /**
   * Build the next frame in `out` and its header in `header`. Returns its length in bytes, or 0 when there is nothing
   * to send now. The frame counts only when `sent` follows, with the same header and before anything else happens to
   * the link.
   */
  prepare(out: Uint8Array, header: FrameHeader, now: number): number {
    header.sessionId = this.sessionId;
    const receiver = this.#receiver;
    if (this.roomless && !this.peerDone) receiver.tellRoom();
    if (!receiver.due) return this.sender.prepare(out, header, now);
    receiver.describe(this.#ack);
    this.#ack.done = this.#done;
    encodeAck(out, this.#ack, header);
    return sealFrame(out, header);
  }

  /**
   * Whether the frame that `prepare` built may go by broadcast. The link makes good the loss of a Drop's fragment or of
   * an acknowledgement. The opening and the end of a contact, and the word that there is room again, are few frames and
   * much waiting, so they are worth the radio's own repetitions.
   */
  mayBroadcast(header: FrameHeader): boolean {
    const type = FRAME_TYPES[header.type];
    if (!type.broadcast) return false;
    if (type.fragment) return !this.sender.preparedProbe;
    const tellsRoom = this.roomless && this.#ack.credit > 0;
    return !this.#done && !tellsRoom;
  }

  /** The radio took the frame that `prepare` built. */
  sent(header: HeaderOf<FrameType>, now: number): void {
    switch (header.type) {
      case BEACON:
        throw new Error("glacier: a link sends no beacons");
      case ACK:
        this.#receiver.answered();
        this.roomless = this.#ack.credit === 0;
        break;
      default:
        this.sender.sent(header, now);
    }
  }

  /** The next time, in clock milliseconds, at which `prepare` has a frame that it does not have now. */
  get deadline(): number {
    return this.#receiver.due ? -Infinity : this.sender.deadline;
  }
}
