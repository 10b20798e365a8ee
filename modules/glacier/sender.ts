/**
 * The sending half of a link: at most MESSAGES_AHEAD_MAX messages under way, fragment by fragment (design section 4).
 *
 * Every transmission has an order number. An acknowledgement tells which fragments arrived; one that was transmitted
 * REORDER_FRAMES before the latest to arrive, and did not, is lost and goes out again before anything new. Nothing that was
 * acknowledged is sent again.
 *
 * The sender says when it wants an acknowledgement (a poll): every POLL_FRAMES, in good time before it has to wait for one, soon
 * again while it has no answer, and with the last frame it has. When no answer comes for a time-out that follows the
 * measured round trip, and there is nothing else to send, the oldest fragment goes again as a probe.
 *
 * Messages come from a MessageSource, whose bytes are read fragment by fragment (a Drop straight from flash), so the
 * sender holds no message. Invariant: a fragment is in flight when it is in `sent` and not in `acked`, and then exactly one
 * place of `transmissions` names it. It paces nothing: the caller asks for a frame when the radio has room.
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
import { FRAME_TYPES, type MessageType } from "./frame-type.ts";
import { fragmentCount, fragmentMask, MESSAGE_PREFIX_BYTES } from "./message.ts";
import { type MessageSource, Outgoing } from "./ports.ts";
import { RoundTrip } from "./round-trip.ts";

/** Until the peer has said what its radio can queue; the published working point. */
const WINDOW_INITIAL_FRAMES = 8;
const WINDOW_FRAMES_MAX = 48;
/** Places for transmissions: the window, and some that are answered while an older one is not. */
const TRANSMISSIONS = WINDOW_FRAMES_MAX + 8;
/** No message has as many fragments as this would name. */
const NOTHING = 0xff;
/** In place of a sequence number, or of an order number. */
const NONE = -1;
/** As many later frames may arrive first before a missing one counts as lost (QUIC's packet threshold, RFC 9002 6.1.1). */
const REORDER_FRAMES = 3;
/**
 * Frames from one poll to the next: an acknowledgement costs 0.4 of a frame's air, but Drops with holes fill the
 * receiver's buffers.
 */
const POLL_FRAMES = 20;
/** And after a poll that has no answer yet: the poll or the acknowledgement may be lost. */
const REPOLL_FRAMES = 5;
/**
 * From one probe to the next, as long as a burst of losses may be passing; then seldom. A peer that is busy finds all of them in
 * its radio's queue, on top of the window, which is three quarters of it: no more than a third of the window go eagerly.
 */
const PROBE_INTERVAL_MS = 20;
const PROBE_INTERVAL_LATE_MS = 320;
/** What was measured on a short frame may be asked of a long one behind another: two frames at 1 Mbit/s. */
const QUEUED_BYTES_PER_MS = 64;
/**
 * A receiver gives a message up when a fragment does not fit, or its buffer goes; one that does it for ever is served
 * in vain.
 */
const WITHDRAWALS_MAX = 16;
/** Until the peer has said how much room it has: the opening, and a Drop to keep the air busy meanwhile. */
const CREDIT_INITIAL = 2;
/** A peer without room is asked again with one message so often; it need not remember to tell. */
const CREDIT_PROBE_MS = 100;

/** Columns of the table of messages under way. One array: XS spends 176 bytes on each, and there are four senders. */
const TYPE = 0;
const CLAIM = MESSAGES_AHEAD_MAX;
const BODY_BYTES = 2 * MESSAGES_AHEAD_MAX;
const HANDLE = 3 * MESSAGES_AHEAD_MAX;
const ALL = 4 * MESSAGES_AHEAD_MAX;
const SENT = 5 * MESSAGES_AHEAD_MAX;
const ACKED = 6 * MESSAGES_AHEAD_MAX;
const COLUMNS = 7;

export class Sender {
  framesSent = 0;
  /** Transmissions that were given up as lost, and so were or will be repeated. */
  framesLost = 0;
  readonly #source: MessageSource;
  /** Bytes of a full payload in this session, an OPEN's excepted. */
  fragmentBytes = PAYLOAD_BYTES_V1;

  // Messages base .. next - 1 are under way; message s has place s % MESSAGES_AHEAD_MAX in each column. Type 0: finished.
  readonly #table = new Uint16Array(COLUMNS * MESSAGES_AHEAD_MAX);
  readonly #ids = new Uint32Array(2 * MESSAGES_AHEAD_MAX);
  #base = 0;
  #next = 0;
  /** All before this message is sent, as far as is known. */
  #unsentFrom = 0;
  /** The first fragment of message next - 1 that was never sent. */
  #fresh = 0;
  /** Messages of several fragments under way: what the peer's credit is for. */
  #large = 0;

  /** Transmission n is in place n % TRANSMISSIONS: a message's place x 16 + fragment, or NOTHING once it was answered. */
  readonly #transmissions = new Uint8Array(TRANSMISSIONS);
  #order = 0;
  #oldest = 0;
  #inFlight = 0;
  /** How often the peer took back that it has fragments. */
  #withdrawals = 0;

  #ackNumber = 0;
  #window = WINDOW_INITIAL_FRAMES;
  #credit = CREDIT_INITIAL;
  #creditMs = 0;

  #sincePoll = 0;
  #pollUnanswered = false;
  /** The poll whose answer measures the round trip; NONE if there is none. */
  #timedOrder = NONE;
  #timedMs = 0;
  readonly #roundTrip = new RoundTrip();
  #probes = 0;
  /** When a frame was last sent or answered. */
  #activeMs = 0;

  readonly #message = new Outgoing();
  /** The sequence number of the message that is in `#message`, or NONE. */
  #loaded = NONE;
  /** The frame that `prepare` built last is a probe. */
  preparedProbe = false;

  constructor(source: MessageSource) {
    this.#source = source;
  }

  begin(now: number): void {
    this.framesSent = 0;
    this.framesLost = 0;
    this.#table.fill(0, TYPE, TYPE + MESSAGES_AHEAD_MAX);
    this.#base = 0;
    this.#next = 0;
    this.#loaded = NONE;
    this.#unsentFrom = 0;
    this.#large = 0;
    this.#order = 0;
    this.#oldest = 0;
    this.#inFlight = 0;
    this.#withdrawals = 0;
    this.#ackNumber = 0;
    this.#window = WINDOW_INITIAL_FRAMES;
    this.#credit = CREDIT_INITIAL;
    this.#creditMs = now;
    this.#sincePoll = 0;
    this.#pollUnanswered = false;
    this.#timedOrder = NONE;
    this.#roundTrip.begin();
    this.#probes = 0;
    this.#activeMs = now;
  }

  /** Give up what is under way. */
  abandon(): void {
    for (let sequence = this.#base; sequence !== this.#next; sequence = following(sequence)) {
      const place = sequence % MESSAGES_AHEAD_MAX;
      if (this.#table[TYPE + place] !== 0) this.#source.abandoned(this.#load(sequence));
    }
    this.#table.fill(0, TYPE, TYPE + MESSAGES_AHEAD_MAX);
    this.#base = this.#next;
  }

  /** Nothing under way; whether the source has more is the source's to say. */
  get idle(): boolean {
    return this.#base === this.#next;
  }

  /** When a probe is due, in clock milliseconds; Infinity while nothing is in flight. */
  get deadline(): number {
    if (this.#inFlight === 0) return this.#credit === 0 ? this.#creditMs + CREDIT_PROBE_MS : Infinity;
    if (this.#probes === 0)
      return this.#activeMs + this.#roundTrip.timeoutMs + ((this.fragmentBytes / QUEUED_BYTES_PER_MS) | 0);
    const eager = 3 * (this.#probes + 1) <= this.#window;
    return this.#activeMs + (eager ? PROBE_INTERVAL_MS : PROBE_INTERVAL_LATE_MS);
  }

  /** Build the next frame in `out` and its header, all but the session, in `header`; 0 when there is nothing to send. */
  prepare(out: Uint8Array, header: FrameHeader, now: number): number {
    const overdue = this.#inFlight > 0 && now >= this.deadline;
    let sequence = NONE;
    if (this.#mayTransmit) {
      sequence = this.#unsent(this.#unsentFrom);
      this.#unsentFrom = sequence < 0 ? this.#next : sequence;
      if (sequence < 0) sequence = this.#open(now);
    }
    if (sequence < 0) {
      if (!overdue) return 0;
      this.#lose(this.#oldest);
      this.#forgetStruck();
      sequence = this.#unsent(this.#base);
    }
    const place = sequence % MESSAGES_AHEAD_MAX;
    const fragment = lowestBit(this.#table[ALL + place]! & ~this.#table[SENT + place]!);
    const message = this.#load(sequence);
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

  /** The radio took the frame that `prepare` built. */
  sent(header: HeaderOf<MessageType>, now: number): void {
    const sequence = header.sequence;
    const fragment = header.fragment;
    const place = sequence % MESSAGES_AHEAD_MAX;
    this.#table[SENT + place]! |= 1 << fragment;
    if (this.preparedProbe) {
      this.#probes++;
      this.#roundTrip.backOff();
    }
    const fresh = following(sequence) === this.#next && fragment >= this.#fresh;
    if (fresh) this.#fresh = fragment + 1;
    this.#sincePoll++;
    if (header.poll) {
      this.#sincePoll = 0;
      this.#pollUnanswered = true;
      // The latest poll is timed, but none that went twice: its answer would not tell which it is for (Karn's rule, RFC
      // 6298, section 3).
      if (fresh) {
        this.#timedOrder = this.#order;
        this.#timedMs = now;
      }
    }
    this.#transmissions[this.#order++ % TRANSMISSIONS] = (place << 4) | fragment;
    this.#inFlight++;
    this.#activeMs = now;
    this.framesSent++;
  }

  /** Take in what the peer has: news, nothing new, or overtaken by a later acknowledgement that came before. */
  acknowledged(ack: Ack, now: number): "news" | "nothing" | "overtaken" {
    if (((ack.number - this.#ackNumber) & (SEQUENCE_COUNT - 1)) >= SEQUENCE_COUNT / 2) return "overtaken";
    this.#ackNumber = ack.number;
    this.#pollUnanswered = false;
    let news = false;
    for (let sequence = this.#base; sequence !== this.#next; sequence = following(sequence)) {
      const place = sequence % MESSAGES_AHEAD_MAX;
      if (this.#table[TYPE + place] === 0) continue;
      const ahead = (sequence - ack.base) & (SEQUENCE_COUNT - 1);
      const mask = ahead >= SEQUENCE_COUNT / 2 ? FINISHED : ahead < ack.count ? ack.masks[ahead]! : 0;
      const received = mask & this.#table[ALL + place]!;
      const withdrawn = this.#table[ACKED + place]! & ~received;
      if (withdrawn !== 0) this.#withdrawals++;
      if ((received & ~this.#table[ACKED + place]!) !== 0 && this.#withdrawals <= WITHDRAWALS_MAX) news = true;
      // Fragments that came with an earlier contact count as sent; what was received once and then given up is due again.
      this.#table[SENT + place] = (this.#table[SENT + place]! & ~withdrawn) | received;
      this.#table[ACKED + place] = received;
      if (mask === FINISHED) {
        this.#source.finished(this.#load(sequence), ack.keeps(sequence));
        this.#table[TYPE + place] = 0;
        if (this.#table[ALL + place]! > 1) this.#large--;
        news = true;
      }
    }
    this.#window = Math.min(ack.window, WINDOW_FRAMES_MAX);
    this.#credit = ack.credit;
    this.#creditMs = now;
    const answered = this.#answer(now);
    while (this.#base !== this.#next && this.#table[TYPE + (this.#base % MESSAGES_AHEAD_MAX)] === 0) {
      this.#base = following(this.#base);
    }
    this.#unsentFrom = this.#base;
    if (answered) {
      this.#activeMs = now;
      this.#probes = 0;
    }
    return news ? "news" : "nothing";
  }

  /** Strike from the transmissions what is acknowledged and what is therefore lost. False: nothing was acknowledged. */
  #answer(now: number): boolean {
    let latest = -1;
    for (let order = this.#oldest; order < this.#order; order++) {
      const transmission = this.#transmissions[order % TRANSMISSIONS]!;
      if (transmission === NOTHING || !this.#isAcked(transmission)) continue;
      if (order === this.#timedOrder) this.#roundTrip.measure(now - this.#timedMs);
      this.#strike(order);
      latest = order;
    }
    if (latest < 0) return false;
    for (let order = this.#oldest; order <= latest - REORDER_FRAMES; order++) {
      if (this.#transmissions[order % TRANSMISSIONS] !== NOTHING) this.#lose(order);
    }
    this.#forgetStruck();
    return true;
  }

  #isAcked(transmission: number): boolean {
    const place = transmission >>> 4;
    return this.#table[TYPE + place] === 0 || (this.#table[ACKED + place]! & (1 << (transmission & 15))) !== 0;
  }

  #strike(order: number): void {
    if (order === this.#timedOrder) this.#timedOrder = NONE;
    this.#transmissions[order % TRANSMISSIONS] = NOTHING;
    this.#inFlight--;
  }

  /** It goes again, before anything new. */
  #lose(order: number): void {
    const transmission = this.#transmissions[order % TRANSMISSIONS]!;
    this.#table[SENT + (transmission >>> 4)]! &= ~(1 << (transmission & 15));
    this.#strike(order);
    this.#unsentFrom = this.#base;
    this.framesLost++;
  }

  #forgetStruck(): void {
    while (this.#oldest < this.#order && this.#transmissions[this.#oldest % TRANSMISSIONS] === NOTHING) this.#oldest++;
  }

  get #mayTransmit(): boolean {
    return this.#inFlight < this.#window && this.#order - this.#oldest < TRANSMISSIONS;
  }

  /** Is an acknowledgement wanted of this frame, the next to be sent? */
  #polls(sequence: number, fragment: number): boolean {
    const place = sequence % MESSAGES_AHEAD_MAX;
    const inFlight = this.#inFlight + 1;
    const window = this.#window;
    // The last that may go asks: there is nothing to do but to wait. Before it those ask that leave time for an answer.
    if (inFlight >= window) return true;
    const every = this.#pollUnanswered || 4 * inFlight >= 3 * window ? REPOLL_FRAMES : POLL_FRAMES;
    if (this.#sincePoll + 1 >= Math.min(every, window >> 1)) return true;
    if ((this.#table[ALL + place]! & ~this.#table[SENT + place]!) !== 1 << fragment) return false;
    return this.#unsent(following(sequence)) < 0 && !this.#mayOpen();
  }

  /** The first message from `sequence` on with a fragment to send; NONE if there is none. */
  #unsent(sequence: number): number {
    for (let i = sequence; i !== this.#next; i = following(i)) {
      const place = i % MESSAGES_AHEAD_MAX;
      if (this.#table[TYPE + place] !== 0 && this.#table[SENT + place] !== this.#table[ALL + place]) return i;
    }
    return NONE;
  }

  #mayOpen(): boolean {
    const underWay = (this.#next - this.#base) & (SEQUENCE_COUNT - 1);
    return underWay < MESSAGES_AHEAD_MAX && this.#large < this.#credit && this.#source.waiting;
  }

  #open(now: number): number {
    if (this.#credit === 0 && this.#inFlight === 0 && now >= this.#creditMs + CREDIT_PROBE_MS) {
      this.#credit = 1;
      this.#creditMs = now;
    }
    const message = this.#message;
    this.#loaded = NONE;
    if (!this.#mayOpen() || !this.#source.next(message)) return NONE;
    const sequence = this.#next;
    this.#loaded = sequence;
    const place = sequence % MESSAGES_AHEAD_MAX;
    this.#table[TYPE + place] = message.type;
    this.#table[CLAIM + place] = message.claim;
    this.#ids[place] = message.shortIdLow;
    this.#ids[MESSAGES_AHEAD_MAX + place] = message.shortIdHigh;
    this.#table[BODY_BYTES + place] = message.bodyBytes;
    this.#table[HANDLE + place] = message.handle;
    this.#table[ALL + place] = fragmentMask(fragmentCount(message.bodyBytes, this.#fragmentBytesOf(message)));
    this.#table[SENT + place] = 0;
    this.#table[ACKED + place] = 0;
    if (this.#table[ALL + place]! > 1) this.#large++;
    this.#fresh = 0;
    this.#next = following(sequence);
    return sequence;
  }

  /** The message of this sequence number, which is under way. Most often it is the one that was asked for last. */
  #load(sequence: number): Outgoing {
    const message = this.#message;
    if (sequence === this.#loaded) return message;
    this.#loaded = sequence;
    const place = sequence % MESSAGES_AHEAD_MAX;
    message.type = this.#table[TYPE + place] as MessageType;
    message.claim = this.#table[CLAIM + place]!;
    message.shortIdLow = this.#ids[place]!;
    message.shortIdHigh = this.#ids[MESSAGES_AHEAD_MAX + place]!;
    message.bodyBytes = this.#table[BODY_BYTES + place]!;
    message.handle = this.#table[HANDLE + place]!;
    return message;
  }

  #fragmentBytesOf(message: Outgoing): number {
    return FRAME_TYPES[message.type].opens ? PAYLOAD_BYTES_V1 : this.fragmentBytes;
  }

  #payload(message: Outgoing, fragment: number, out: Uint8Array): number {
    const fragmentBytes = this.#fragmentBytesOf(message);
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

function following(sequence: number): number {
  return (sequence + 1) & (SEQUENCE_COUNT - 1);
}

/** Index of the lowest set bit of a nonzero mask. */
function lowestBit(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}
