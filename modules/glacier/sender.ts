/**
 * The sending half of a link: messages, fragment by fragment, until the peer needs no more of them (docs/protocol.md,
 * "How a link works").
 *
 * The air loses frames, and each acknowledgement takes air too. So the sender finds losses from few acknowledgements
 * (transmissions.ts), and asks when it needs one.
 *
 * Polls: the sender asks for an acknowledgement every POLL_FRAMES, in good time before it must wait for one, sooner
 * while a poll has no answer, and with the last frame that it has. When no answer comes within a time-out that follows
 * the measured round trip, and there is nothing else to send, the oldest fragment in flight is sent again as a probe.
 *
 * A message of which the peer has all fragments is finished, unless one of these fragments is false. So when nothing
 * else is in flight, the fragments of such a message are sent again, one for each answer, until the peer notices.
 *
 * Messages come from a MessageSource, whose bytes are read fragment by fragment (a Drop straight from flash). So the
 * sender holds no message, only what became of its fragments (outgoing-table.ts).
 *
 * The sender sets no pace: the caller asks for a frame when the radio has room.
 */
import { type Ack, FINISHED, MESSAGES_AHEAD_MAX } from "./ack.ts";
import {
  FRAME_HEADER_BYTES,
  type FrameHeader,
  type HeaderOf,
  PAYLOAD_BYTES_V1,
  SEQUENCE_COUNT,
  sealFrame,
} from "./frame.ts";
import type { MessageType } from "./frame-type.ts";
import { MESSAGE_PREFIX_BYTES } from "./message.ts";
import { ACKED, ALL, CLAIM, following, fragmentBytesOf, NAMED, OutgoingTable, SENT, TYPE } from "./outgoing-table.ts";
import type { MessageSource, Outgoing } from "./ports.ts";
import { Room } from "./room.ts";
import { BACKED_OFF_MAX_MS, RoundTrip } from "./round-trip.ts";
import { Transmissions, WINDOW_FRAMES_MAX } from "./transmissions.ts";

/** In place of a sequence number or of a place: none. */
const NONE = -1;
/** The window until the peer has said what its radio can queue: the published working point. */
const WINDOW_INITIAL_FRAMES = 8;
/**
 * Frames from one poll to the next. An acknowledgement costs 0.4 of a frame's air, but Drops with holes fill the
 * receiver's buffers.
 */
const POLL_FRAMES = 20;
/** Frames from one poll to the next while a poll has no answer: the poll or the acknowledgement may be lost. */
const REPOLL_FRAMES = 5;
/**
 * From one probe to the next: first eagerly, as long as a burst of losses may be passing, then seldom. A busy peer
 * finds all probes in its radio's queue, beside the window, which is three quarters of that queue. So no more than a
 * third of the window are eager.
 */
const PROBE_INTERVAL_MS = 20;
const PROBE_INTERVAL_LATE_MS = 320;
/**
 * A round trip that was measured on a short frame is also asked of a long frame behind another. This allows for it: two
 * frames at 1 Mbit/s.
 */
const QUEUED_BYTES_PER_MS = 64;
/**
 * How often a peer may take back that it has fragments, before newly acknowledged fragments no longer count as
 * progress. A receiver gives up a message when a fragment does not fit, or when it loses the buffer. A receiver that
 * does so for ever would be served in vain.
 */
const WITHDRAWALS_MAX = 16;
/** A link that loses one frame in so many, or more, is lossy. */
const LOSSY_SHARE = 20;

export class Sender {
  framesSent = 0;
  /** Bytes of a full payload in this session, except in an OPEN. */
  fragmentBytes = PAYLOAD_BYTES_V1;
  /** What the peer has said of its room. */
  readonly room = new Room();
  /** Whether the frame that `prepare` built last is a probe. */
  preparedProbe = false;
  readonly #source: MessageSource;
  readonly #outgoing = new OutgoingTable();
  readonly #roundTrip = new RoundTrip();
  readonly #transmissions = new Transmissions(this.#outgoing, this.#roundTrip);
  #window = WINDOW_INITIAL_FRAMES;
  /** The first fragment of the latest message that was never sent. */
  #fresh = 0;
  /** How often the peer took back that it has fragments. */
  #withdrawals = 0;
  /** A message of which the peer has all fragments, and which is not finished; or NONE. */
  #stuck = NONE;
  /** The fragment of such a message that is sent again next, if the message has so many. */
  #retold = 0;
  #ackNumber = 0;
  #sincePoll = 0;
  /** When the first poll was sent that has no answer; Infinity if each has one. */
  #polledMs = Infinity;
  #probes = 0;
  /** When a frame was last sent or answered. */
  #activeMs = 0;

  constructor(source: MessageSource) {
    this.#source = source;
  }

  begin(now: number): void {
    this.framesSent = 0;
    this.room.begin();
    this.#outgoing.begin();
    this.#roundTrip.begin();
    this.#transmissions.begin();
    this.#window = WINDOW_INITIAL_FRAMES;
    this.#withdrawals = 0;
    this.#stuck = NONE;
    this.#ackNumber = 0;
    this.#sincePoll = 0;
    this.#polledMs = Infinity;
    this.#probes = 0;
    this.#activeMs = now;
  }

  /** Give up all messages under way. */
  abandon(): void {
    const outgoing = this.#outgoing;
    for (let sequence = outgoing.base; sequence !== outgoing.next; sequence = following(sequence)) {
      if (outgoing.table[TYPE + (sequence % MESSAGES_AHEAD_MAX)] !== 0) this.#source.abandoned(outgoing.load(sequence));
    }
    outgoing.clear();
    this.#stuck = NONE;
  }

  /** No message is under way. The source knows whether there are more. */
  get idle(): boolean {
    return this.#outgoing.base === this.#outgoing.next;
  }

  /** Transmissions that were given up as lost. */
  get framesLost(): number {
    return this.#transmissions.lost;
  }

  /** Whether so many frames were lost that it is not to be expected that a frame arrives that goes out once. */
  get lossy(): boolean {
    return LOSSY_SHARE * this.framesLost > this.framesSent;
  }

  /** When a probe or a question for room is due, in clock milliseconds. Infinity when there is nothing to ask. */
  get deadline(): number {
    if (this.room.none) return this.idle && !this.#source.waiting ? Infinity : this.room.askMs;
    if (this.#transmissions.inFlight === 0 && this.#stuck === NONE) return Infinity;
    const roundTrip = this.#roundTrip;
    if (this.#probes === 0)
      return this.#activeMs + roundTrip.timeoutMs + ((this.fragmentBytes / QUEUED_BYTES_PER_MS) | 0);
    const eager = 3 * (this.#probes + 1) <= this.#window;
    const intervalMs = eager ? PROBE_INTERVAL_MS : PROBE_INTERVAL_LATE_MS;
    return this.#activeMs + Math.max(intervalMs, roundTrip.smoothedMs);
  }

  /** Build the next frame in `out` and its header in `header`, except the session. 0 when there is nothing to send. */
  prepare(out: Uint8Array, header: FrameHeader, now: number): number {
    const room = this.room;
    const outgoing = this.#outgoing;
    const transmissions = this.#transmissions;
    if (room.none && this.#source.needsNoRoom === true) room.none = false;
    const roomless = room.none;
    const overdue = (roomless || transmissions.inFlight > 0 || this.#stuck !== NONE) && now >= this.deadline;
    let sequence = NONE;
    if (!roomless && transmissions.inFlight < this.#window && !transmissions.full) {
      sequence = outgoing.unsent(outgoing.unsentFrom);
      outgoing.unsentFrom = sequence < 0 ? outgoing.next : sequence;
      if (sequence < 0) sequence = this.#open();
    }
    if (sequence < 0) {
      if (!overdue) return 0;
      if (transmissions.inFlight > 0) transmissions.loseOldest();
      else if (this.#stuck !== NONE) this.#retell(this.#stuck % MESSAGES_AHEAD_MAX);
      sequence = outgoing.unsent(outgoing.base);
      if (sequence < 0) {
        room.credit = 1;
        sequence = this.#open();
        if (sequence < 0) return 0;
      }
    }
    const place = sequence % MESSAGES_AHEAD_MAX;
    const fragment = lowestBit(outgoing.table[ALL + place]! & ~outgoing.table[SENT + place]!);
    const message = outgoing.load(sequence);
    header.type = message.type;
    header.poll = overdue || this.#polls(sequence, fragment);
    header.sequence = sequence;
    header.fragment = fragment;
    header.shortIdLow = message.shortIdLow;
    header.shortIdHigh = message.shortIdHigh;
    header.payloadBytes = this.#payload(message, fragment, out);
    this.preparedProbe = overdue;
    return sealFrame(out, header);
  }

  /** The peer has all fragments of the message in this place: the next fragment in turn is due again. */
  #retell(place: number): void {
    const outgoing = this.#outgoing;
    const table = outgoing.table;
    if ((table[ALL + place]! & (1 << this.#retold)) === 0) this.#retold = 0;
    table[SENT + place]! &= ~(1 << this.#retold);
    table[ACKED + place]! &= ~(1 << this.#retold++);
    outgoing.unsentFrom = outgoing.base;
    this.#withdrawals++;
  }

  /** The radio took the frame that `prepare` built. */
  sent(header: HeaderOf<MessageType>, now: number): void {
    const outgoing = this.#outgoing;
    const sequence = header.sequence;
    const fragment = header.fragment;
    const place = sequence % MESSAGES_AHEAD_MAX;
    if (this.room.none) this.room.asked(now);
    else if (this.preparedProbe) {
      this.#probes++;
      this.#roundTrip.backOff();
    }
    outgoing.table[CLAIM + place]! |= NAMED;
    const fresh = following(sequence) === outgoing.next && fragment >= this.#fresh;
    if (fresh) this.#fresh = fragment + 1;
    this.#sincePoll++;
    if (header.poll) {
      this.#sincePoll = 0;
      this.#polledMs = Math.min(this.#polledMs, now);
      // The latest poll is timed, but no poll in a fragment that was sent before: its answer would not tell which
      // transmission it is for (Karn's rule, RFC 6298, section 3).
      if (fresh) this.#transmissions.time(now);
    }
    this.#transmissions.add(place, fragment);
    this.#activeMs = now;
    this.framesSent++;
  }

  /**
   * Another link of the same radio sent this fragment of a Drop by broadcast. The peer of this link has heard the frame
   * too, as likely as a frame of this link. So it counts as a transmission of this link. Two frames are left for this
   * link to send itself: one of each message, from which the peer learns the message's sequence number, and the last
   * frame before it must wait, which asks for an acknowledgement.
   */
  aired(shortIdLow: number, shortIdHigh: number, fragment: number, now: number): void {
    const outgoing = this.#outgoing;
    const table = outgoing.table;
    const place = outgoing.placeOf(shortIdLow, shortIdHigh);
    if (place === NONE) return;
    const bit = 1 << fragment;
    const all = table[ALL + place]!;
    const sent = table[SENT + place]!;
    if ((all & bit) === 0 || (table[ACKED + place]! & bit) !== 0) return;
    if (sent & bit) {
      // The fragment is in flight. If that transmission was lost, this one may have arrived.
      this.#transmissions.replace(place, fragment);
    } else if (
      (sent | bit) === all &&
      (!(table[CLAIM + place]! & NAMED) || (outgoing.unsent(outgoing.base, place) < 0 && !this.#mayOpen()))
    ) {
      return;
    }
    if (this.#transmissions.inFlight >= this.#window || this.#transmissions.full) return;
    this.#transmissions.add(place, fragment);
    this.#sincePoll++;
    this.#activeMs = now;
  }

  /** The fragments of this Drop that were sent and not lost, as a mask. 0 when the Drop is not under way. */
  sentOf(shortIdLow: number, shortIdHigh: number): number {
    const place = this.#outgoing.placeOf(shortIdLow, shortIdHigh);
    return place === NONE ? 0 : this.#outgoing.table[SENT + place]!;
  }

  /** The handle of the oldest Drop of several fragments under way that `wanted` accepts, or NONE. */
  underWay(wanted: { offers(handle: number): boolean }): number {
    return this.#outgoing.find(wanted);
  }

  /** Take in an acknowledgement: it brings news, or nothing new, or a later one came before it and it is overtaken. */
  acknowledged(ack: Ack, now: number): "news" | "nothing" | "overtaken" {
    if (((ack.number - this.#ackNumber) & (SEQUENCE_COUNT - 1)) >= SEQUENCE_COUNT / 2) return "overtaken";
    this.#ackNumber = ack.number;
    // The answer to a poll that was repeated may be late, or the poll was lost. Until the next measurement the sender
    // takes the answer for late, and waits as long. Otherwise no poll on a slow line is ever answered before its probe.
    if (this.#probes > 0 && this.#polledMs !== Infinity) this.#roundTrip.suspect(now - this.#polledMs);
    this.#polledMs = Infinity;
    this.#stuck = NONE;
    let news = false;
    const outgoing = this.#outgoing;
    const table = outgoing.table;
    const next = outgoing.next;
    for (let sequence = outgoing.base; sequence !== next; sequence = following(sequence)) {
      const place = sequence % MESSAGES_AHEAD_MAX;
      if (table[TYPE + place] === 0) continue;
      const ahead = (sequence - ack.base) & (SEQUENCE_COUNT - 1);
      const mask = ahead >= SEQUENCE_COUNT / 2 ? FINISHED : ahead < ack.count ? ack.masks[ahead]! : 0;
      const all = table[ALL + place]!;
      const sent = table[SENT + place]!;
      const acked = table[ACKED + place]!;
      const received = mask & all;
      const withdrawn = acked & ~received;
      if (withdrawn !== 0) this.#withdrawals++;
      if ((received & ~acked) !== 0 && this.#withdrawals <= WITHDRAWALS_MAX) news = true;
      // Fragments from an earlier contact count as sent. Fragments that the peer had and gave up are due again.
      table[SENT + place] = (sent & ~withdrawn) | received;
      table[ACKED + place] = received;
      if (mask === FINISHED) {
        this.#source.finished(outgoing.load(sequence), ack.keeps(sequence), sent === all);
        outgoing.finish(place);
        news = true;
      } else if (received === all && this.#stuck === NONE) {
        this.#stuck = sequence;
      }
    }
    this.#window = Math.min(ack.window, WINDOW_FRAMES_MAX);
    const answered = this.#transmissions.answered(now);
    // There was no room for what is in flight.
    if (this.room.told(ack.credit, outgoing.onlyDrops, now)) this.#transmissions.loseAll();
    outgoing.trim();
    if (answered) {
      this.#activeMs = now;
      this.#probes = 0;
    }
    return news ? "news" : "nothing";
  }

  /** Whether this frame, the next to be sent, asks for an acknowledgement. */
  #polls(sequence: number, fragment: number): boolean {
    const outgoing = this.#outgoing;
    const table = outgoing.table;
    const place = sequence % MESSAGES_AHEAD_MAX;
    const inFlight = this.#transmissions.inFlight + 1;
    const window = this.#window;
    // The frame that fills the window asks, since the sender must then wait. Frames in the last quarter ask early
    // enough for an answer to come first.
    if (inFlight >= window) return true;
    // On a slow line the sender waits for answers, not for air, so it asks eight times a window.
    const every = this.#polledMs !== Infinity || 4 * inFlight >= 3 * window ? REPOLL_FRAMES : POLL_FRAMES;
    const share = this.#roundTrip.timeoutMs > BACKED_OFF_MAX_MS ? window >> 3 : window >> 1;
    if (this.#sincePoll + 1 >= Math.min(every, share)) return true;
    if ((table[ALL + place]! & ~table[SENT + place]!) !== 1 << fragment) return false;
    return outgoing.unsent(following(sequence)) < 0 && !this.#mayOpen();
  }

  #mayOpen(): boolean {
    const outgoing = this.#outgoing;
    const count = outgoing.count;
    const taken = this.room.scarce ? count : outgoing.large;
    if (count === MESSAGES_AHEAD_MAX || !this.#source.waiting) return false;
    return taken < this.room.credit || this.#source.needsNoRoom === true;
  }

  /** Take the next message from the source. Returns its sequence number, or NONE. */
  #open(): number {
    const outgoing = this.#outgoing;
    const transmissions = this.#transmissions;
    if (!this.#mayOpen()) return NONE;
    const message = outgoing.blank;
    if (!this.#source.next(message)) return NONE;
    const sequence = outgoing.add(this.fragmentBytes);
    this.#fresh = 0;
    if (message.aired === 0) return sequence;
    // At least one fragment is left for this link to send: the last, which is the shortest.
    const place = sequence % MESSAGES_AHEAD_MAX;
    const all = outgoing.table[ALL + place]!;
    const aired = (message.aired & all) === all ? all >>> 1 : message.aired & all;
    for (let fragment = 0; aired >>> fragment !== 0; fragment++) {
      if ((aired & (1 << fragment)) === 0 || transmissions.inFlight >= this.#window || transmissions.full) continue;
      transmissions.add(place, fragment);
    }
    return sequence;
  }

  #payload(message: Outgoing, fragment: number, out: Uint8Array): number {
    const fragmentBytes = fragmentBytesOf(message.type, this.fragmentBytes);
    const start = fragment * fragmentBytes;
    const rest = MESSAGE_PREFIX_BYTES + message.bodyBytes - start;
    const size = Math.min(rest, fragmentBytes);
    if (fragment > 0) {
      this.#source.read(message, start - MESSAGE_PREFIX_BYTES, out, FRAME_HEADER_BYTES, size);
      return size;
    }
    out[FRAME_HEADER_BYTES] = message.bodyBytes;
    out[FRAME_HEADER_BYTES + 1] = message.bodyBytes >>> 8;
    out[FRAME_HEADER_BYTES + 2] = message.claim;
    this.#source.read(message, 0, out, FRAME_HEADER_BYTES + MESSAGE_PREFIX_BYTES, size - MESSAGE_PREFIX_BYTES);
    return size;
  }
}

/** The index of the lowest set bit of a mask that is not 0. */
function lowestBit(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}
