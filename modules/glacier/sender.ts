/**
 * The sending half of a link: messages, fragment by fragment, until the peer needs no more of them (docs/protocol.md,
 * "How a link works").
 *
 * The air loses frames, and each acknowledgement takes air too. So the sender finds losses from few acknowledgements,
 * and asks when it needs one. It has at most MESSAGES_AHEAD_MAX messages under way.
 *
 * Loss: every transmission has an order number, and an acknowledgement tells which fragments arrived. A fragment that
 * did not arrive and was transmitted REORDER_FRAMES or more before the latest that did is lost, and is sent again
 * before anything new. A fragment that was acknowledged is not sent again.
 *
 * Polls: the sender asks for an acknowledgement every POLL_FRAMES, in good time before it must wait for one, sooner
 * while a poll has no answer, and with the last frame that it has. When no answer comes within a time-out that follows
 * the measured round trip, and there is nothing else to send, the oldest fragment in flight is sent again as a probe.
 *
 * A message of which the peer has all fragments is finished, unless one of these fragments is false. So when nothing
 * else is in flight, the fragments of such a message are sent again, one for each answer, until the peer notices.
 *
 * Messages come from a MessageSource, whose bytes are read fragment by fragment (a Drop straight from flash). So the
 * sender holds no message.
 *
 * Invariant: a fragment is in flight when its bit is set in `SENT` and not in `ACKED`. Then exactly one place of
 * `#transmissions` names it.
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
import { DROP, FRAME_TYPES, type MessageType } from "./frame-type.ts";
import { fragmentCount, fragmentMask, MESSAGE_PREFIX_BYTES } from "./message.ts";
import { type MessageSource, Outgoing } from "./ports.ts";
import { Room } from "./room.ts";
import { BACKED_OFF_MAX_MS, RoundTrip } from "./round-trip.ts";

/** The window until the peer has said what its radio can queue: the published working point. */
const WINDOW_INITIAL_FRAMES = 8;
const WINDOW_FRAMES_MAX = 48;
/** Places for transmissions: the window, and some for transmissions that are answered while an older one is not. */
const TRANSMISSIONS = WINDOW_FRAMES_MAX + 8;
/** In place of a transmission: none. No message has as many fragments as this would name. */
const NOTHING = 0xff;
/** In place of a sequence number, or of an order number: none. */
const NONE = -1;
/** So many later frames may arrive before a missing one counts as lost (QUIC's packet threshold, RFC 9002, 6.1.1). */
const REORDER_FRAMES = 3;
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

/**
 * Columns of the table of messages under way. One array, since XS spends 176 bytes on each array, and there are four
 * senders.
 */
const TYPE = 0;
const CLAIM = MESSAGES_AHEAD_MAX;
const BODY_BYTES = 2 * MESSAGES_AHEAD_MAX;
const HANDLE = 3 * MESSAGES_AHEAD_MAX;
const ALL = 4 * MESSAGES_AHEAD_MAX;
const SENT = 5 * MESSAGES_AHEAD_MAX;
const ACKED = 6 * MESSAGES_AHEAD_MAX;
const COLUMNS = 7;
/** Beside the claim: this link has sent a fragment of the message itself, so the peer can know its sequence number. */
const NAMED = 0x100;

export class Sender {
  framesSent = 0;
  /** Transmissions that were given up as lost. Their fragments were or will be repeated. */
  framesLost = 0;
  readonly #source: MessageSource;
  /** Bytes of a full payload in this session, except in an OPEN. */
  fragmentBytes = PAYLOAD_BYTES_V1;

  // Messages base .. next - 1 are under way. Message s has place s % MESSAGES_AHEAD_MAX in each column. Type 0 means
  // finished.
  readonly #table = new Uint16Array(COLUMNS * MESSAGES_AHEAD_MAX);
  readonly #ids = new Uint32Array(2 * MESSAGES_AHEAD_MAX);
  #base = 0;
  #next = 0;
  /** All messages before this one are sent, as far as is known. */
  #unsentFrom = 0;
  /** The first fragment of message next - 1 that was never sent. */
  #fresh = 0;
  /** Messages of several fragments that are under way: the peer's credit counts these. */
  #large = 0;

  /**
   * Transmission n has place n % TRANSMISSIONS: its message's place x 16 + its fragment, or NOTHING once it was
   * answered.
   */
  readonly #transmissions = new Uint8Array(TRANSMISSIONS);
  #order = 0;
  #oldest = 0;
  #inFlight = 0;
  /** How often the peer took back that it has fragments. */
  #withdrawals = 0;
  /** A message of which the peer has all fragments, and which is not finished; or NONE. */
  #stuck = NONE;
  /** The fragment of such a message that is sent again next, if the message has so many. */
  #retold = 0;

  #ackNumber = 0;
  #window = WINDOW_INITIAL_FRAMES;
  /** What the peer has said of its room. */
  readonly room = new Room();

  #sincePoll = 0;
  /** When the first poll was sent that has no answer; Infinity if each has one. */
  #polledMs = Infinity;
  /** The order number of the poll whose answer measures the round trip, or NONE. */
  #timedOrder = NONE;
  #timedMs = 0;
  readonly #roundTrip = new RoundTrip();
  #probes = 0;
  /** When a frame was last sent or answered. */
  #activeMs = 0;

  readonly #message = new Outgoing();
  /** The sequence number of the message in `#message`, or NONE. */
  #loaded = NONE;
  /** Whether the frame that `prepare` built last is a probe. */
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
    this.#stuck = NONE;
    this.#ackNumber = 0;
    this.#window = WINDOW_INITIAL_FRAMES;
    this.room.begin();
    this.#sincePoll = 0;
    this.#polledMs = Infinity;
    this.#timedOrder = NONE;
    this.#roundTrip.begin();
    this.#probes = 0;
    this.#activeMs = now;
  }

  /** Give up all messages under way. */
  abandon(): void {
    for (let sequence = this.#base; sequence !== this.#next; sequence = following(sequence)) {
      const place = sequence % MESSAGES_AHEAD_MAX;
      if (this.#table[TYPE + place] !== 0) this.#source.abandoned(this.#load(sequence));
    }
    this.#table.fill(0, TYPE, TYPE + MESSAGES_AHEAD_MAX);
    this.#base = this.#next;
    this.#stuck = NONE;
  }

  /** No message is under way. The source knows whether there are more. */
  get idle(): boolean {
    return this.#base === this.#next;
  }

  /** Whether so many frames were lost that it is not to be expected that a frame arrives that goes out once. */
  get lossy(): boolean {
    return LOSSY_SHARE * this.framesLost > this.framesSent;
  }

  /** When a probe or a question for room is due, in clock milliseconds. Infinity when there is nothing to ask. */
  get deadline(): number {
    if (this.room.none) return this.idle && !this.#source.waiting ? Infinity : this.room.askMs;
    if (this.#inFlight === 0 && this.#stuck === NONE) return Infinity;
    const roundTrip = this.#roundTrip;
    if (this.#probes === 0)
      return this.#activeMs + roundTrip.timeoutMs + ((this.fragmentBytes / QUEUED_BYTES_PER_MS) | 0);
    const eager = 3 * (this.#probes + 1) <= this.#window;
    const intervalMs = eager ? PROBE_INTERVAL_MS : PROBE_INTERVAL_LATE_MS;
    return this.#activeMs + Math.max(intervalMs, roundTrip.smoothedMs);
  }

  /** Build the next frame in `out` and its header in `header`, except the session. 0 when there is nothing to send. */
  prepare(out: Uint8Array, header: FrameHeader, now: number): number {
    if (this.room.none && this.#source.needsNoRoom === true) this.room.none = false;
    const roomless = this.room.none;
    const overdue = (roomless || this.#inFlight > 0 || this.#stuck !== NONE) && now >= this.deadline;
    let sequence = NONE;
    if (!roomless && this.#inFlight < this.#window && this.#order - this.#oldest < TRANSMISSIONS) {
      sequence = this.#unsent(this.#unsentFrom);
      this.#unsentFrom = sequence < 0 ? this.#next : sequence;
      if (sequence < 0) sequence = this.#open();
    }
    if (sequence < 0) {
      if (!overdue) return 0;
      if (this.#inFlight > 0) {
        this.#lose(this.#oldest);
        this.#forgetStruck();
      } else if (this.#stuck !== NONE) {
        // The next fragment in turn is due again.
        const place = this.#stuck % MESSAGES_AHEAD_MAX;
        if ((this.#table[ALL + place]! & (1 << this.#retold)) === 0) this.#retold = 0;
        this.#table[SENT + place]! &= ~(1 << this.#retold);
        this.#table[ACKED + place]! &= ~(1 << this.#retold++);
        this.#unsentFrom = this.#base;
        this.#withdrawals++;
      }
      sequence = this.#unsent(this.#base);
      if (sequence < 0) {
        this.room.credit = 1;
        sequence = this.#open();
        if (sequence < 0) return 0;
      }
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
    if (this.room.none) this.room.asked(now);
    else if (this.preparedProbe) {
      this.#probes++;
      this.#roundTrip.backOff();
    }
    this.#table[CLAIM + place]! |= NAMED;
    const fresh = following(sequence) === this.#next && fragment >= this.#fresh;
    if (fresh) this.#fresh = fragment + 1;
    this.#sincePoll++;
    if (header.poll) {
      this.#sincePoll = 0;
      this.#polledMs = Math.min(this.#polledMs, now);
      // The latest poll is timed, but no poll in a fragment that was sent before: its answer would not tell which
      // transmission it is for (Karn's rule, RFC 6298, section 3).
      if (fresh) {
        this.#timedOrder = this.#order;
        this.#timedMs = now;
      }
    }
    this.#transmit(place, fragment);
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
    const place = this.#placeOf(shortIdLow, shortIdHigh);
    if (place === NONE) return;
    const bit = 1 << fragment;
    const all = this.#table[ALL + place]!;
    const sent = this.#table[SENT + place]!;
    if ((all & bit) === 0 || (this.#table[ACKED + place]! & bit) !== 0) return;
    if (sent & bit) {
      // The fragment is in flight. If that transmission was lost, this one may have arrived.
      const transmission = (place << 4) | fragment;
      for (let order = this.#oldest; order < this.#order; order++) {
        if (this.#transmissions[order % TRANSMISSIONS] === transmission) this.#strike(order);
      }
      this.#forgetStruck();
    } else if (
      (sent | bit) === all &&
      (!(this.#table[CLAIM + place]! & NAMED) || (this.#unsent(this.#base, place) < 0 && !this.#mayOpen()))
    ) {
      return;
    }
    if (!this.#mayTransmit) return;
    this.#transmit(place, fragment);
    this.#sincePoll++;
    this.#activeMs = now;
  }

  /** The fragments of this Drop that were sent and not lost, as a mask. 0 when the Drop is not under way. */
  sentOf(shortIdLow: number, shortIdHigh: number): number {
    const place = this.#placeOf(shortIdLow, shortIdHigh);
    return place === NONE ? 0 : this.#table[SENT + place]!;
  }

  /** The handle of the oldest Drop of several fragments under way that `wanted` accepts, or NONE. */
  underWay(wanted: { offers(handle: number): boolean }): number {
    for (let sequence = this.#base; sequence !== this.#next; sequence = following(sequence)) {
      const place = sequence % MESSAGES_AHEAD_MAX;
      if (this.#table[TYPE + place] !== DROP || this.#table[ALL + place] === 1) continue;
      const handle = this.#table[HANDLE + place]!;
      if (wanted.offers(handle)) return handle;
    }
    return NONE;
  }

  #placeOf(shortIdLow: number, shortIdHigh: number): number {
    for (let sequence = this.#base; sequence !== this.#next; sequence = following(sequence)) {
      const place = sequence % MESSAGES_AHEAD_MAX;
      if (this.#ids[place] !== shortIdLow || this.#ids[MESSAGES_AHEAD_MAX + place] !== shortIdHigh) continue;
      if (this.#table[TYPE + place] === DROP) return place;
    }
    return NONE;
  }

  get #mayTransmit(): boolean {
    return this.#inFlight < this.#window && this.#order - this.#oldest < TRANSMISSIONS;
  }

  #transmit(place: number, fragment: number): void {
    this.#table[SENT + place]! |= 1 << fragment;
    this.#transmissions[this.#order++ % TRANSMISSIONS] = (place << 4) | fragment;
    this.#inFlight++;
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
    for (let sequence = this.#base; sequence !== this.#next; sequence = following(sequence)) {
      const place = sequence % MESSAGES_AHEAD_MAX;
      if (this.#table[TYPE + place] === 0) continue;
      const ahead = (sequence - ack.base) & (SEQUENCE_COUNT - 1);
      const mask = ahead >= SEQUENCE_COUNT / 2 ? FINISHED : ahead < ack.count ? ack.masks[ahead]! : 0;
      const received = mask & this.#table[ALL + place]!;
      const withdrawn = this.#table[ACKED + place]! & ~received;
      if (withdrawn !== 0) this.#withdrawals++;
      if ((received & ~this.#table[ACKED + place]!) !== 0 && this.#withdrawals <= WITHDRAWALS_MAX) news = true;
      const whole = this.#table[SENT + place] === this.#table[ALL + place];
      // Fragments from an earlier contact count as sent. Fragments that the peer had and gave up are due again.
      this.#table[SENT + place] = (this.#table[SENT + place]! & ~withdrawn) | received;
      this.#table[ACKED + place] = received;
      if (mask === FINISHED) {
        this.#source.finished(this.#load(sequence), ack.keeps(sequence), whole);
        this.#table[TYPE + place] = 0;
        if (this.#table[ALL + place]! > 1) this.#large--;
        news = true;
      } else if (received === this.#table[ALL + place] && this.#stuck === NONE) {
        this.#stuck = sequence;
      }
    }
    this.#window = Math.min(ack.window, WINDOW_FRAMES_MAX);
    const answered = this.#answer(now);
    if (this.room.told(ack.credit, this.#onlyDrops, now)) this.#loseAll();
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

  /** There was no room for what is in flight. */
  #loseAll(): void {
    for (let order = this.#oldest; order < this.#order; order++) {
      if (this.#transmissions[order % TRANSMISSIONS] !== NOTHING) this.#lose(order);
    }
    this.#forgetStruck();
  }

  /** Whether all messages under way are Drops. Other messages have buffers of their own at the peer. */
  get #onlyDrops(): boolean {
    for (let sequence = this.#base; sequence !== this.#next; sequence = following(sequence)) {
      const type = this.#table[TYPE + (sequence % MESSAGES_AHEAD_MAX)];
      if (type !== 0 && type !== DROP) return false;
    }
    return true;
  }

  /**
   * Strike the transmissions that are acknowledged, and those that are lost as a result. False when nothing was
   * acknowledged.
   */
  #answer(now: number): boolean {
    let latest = -1;
    for (let order = this.#oldest; order < this.#order; order++) {
      const transmission = this.#transmissions[order % TRANSMISSIONS]!;
      if (transmission === NOTHING) continue;
      const place = transmission >>> 4;
      if (this.#table[TYPE + place] !== 0 && !(this.#table[ACKED + place]! & (1 << (transmission & 15)))) continue;
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

  #strike(order: number): void {
    if (order === this.#timedOrder) this.#timedOrder = NONE;
    this.#transmissions[order % TRANSMISSIONS] = NOTHING;
    this.#inFlight--;
  }

  /** The transmission is lost: its fragment is sent again, before anything new. */
  #lose(order: number): void {
    const transmission = this.#transmissions[order % TRANSMISSIONS]!;
    const place = transmission >>> 4;
    this.#table[SENT + place]! &= ~(1 << (transmission & 15));
    if (this.#table[ACKED + place] === 0) this.#table[CLAIM + place]! &= ~NAMED;
    this.#strike(order);
    this.#unsentFrom = this.#base;
    this.framesLost++;
  }

  #forgetStruck(): void {
    while (this.#oldest < this.#order && this.#transmissions[this.#oldest % TRANSMISSIONS] === NOTHING) this.#oldest++;
  }

  /** Whether this frame, the next to be sent, asks for an acknowledgement. */
  #polls(sequence: number, fragment: number): boolean {
    const place = sequence % MESSAGES_AHEAD_MAX;
    const inFlight = this.#inFlight + 1;
    const window = this.#window;
    // The frame that fills the window asks, since the sender must then wait. Frames in the last quarter ask early
    // enough for an answer to come first.
    if (inFlight >= window) return true;
    // On a slow line the sender waits for answers, not for air, so it asks eight times a window.
    const every = this.#polledMs !== Infinity || 4 * inFlight >= 3 * window ? REPOLL_FRAMES : POLL_FRAMES;
    if (
      this.#sincePoll + 1 >=
      Math.min(every, this.#roundTrip.timeoutMs > BACKED_OFF_MAX_MS ? window >> 3 : window >> 1)
    )
      return true;
    if ((this.#table[ALL + place]! & ~this.#table[SENT + place]!) !== 1 << fragment) return false;
    return this.#unsent(following(sequence)) < 0 && !this.#mayOpen();
  }

  /** The first message from `sequence` on that has a fragment to send, or NONE. The message in place `except` aside. */
  #unsent(sequence: number, except: number = NONE): number {
    for (let i = sequence; i !== this.#next; i = following(i)) {
      const place = i % MESSAGES_AHEAD_MAX;
      if (place === except) continue;
      if (this.#table[TYPE + place] !== 0 && this.#table[SENT + place] !== this.#table[ALL + place]) return i;
    }
    return NONE;
  }

  #mayOpen(): boolean {
    const underWay = (this.#next - this.#base) & (SEQUENCE_COUNT - 1);
    const taken = this.room.scarce ? underWay : this.#large;
    if (underWay === MESSAGES_AHEAD_MAX || !this.#source.waiting) return false;
    return taken < this.room.credit || this.#source.needsNoRoom === true;
  }

  #open(): number {
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
    const fragmentBytes = fragmentBytesOf(message.type, this.fragmentBytes);
    this.#table[ALL + place] = fragmentMask(fragmentCount(message.bodyBytes, fragmentBytes));
    this.#table[SENT + place] = 0;
    this.#table[ACKED + place] = 0;
    if (this.#table[ALL + place]! > 1) this.#large++;
    this.#fresh = 0;
    this.#next = following(sequence);
    // At least one fragment is left for this link to send: the last, which is the shortest.
    const all = this.#table[ALL + place]!;
    const aired = (message.aired & all) === all ? all >>> 1 : message.aired & all;
    for (let fragment = 0; aired >>> fragment !== 0; fragment++) {
      if (aired & (1 << fragment) && this.#mayTransmit) this.#transmit(place, fragment);
    }
    return sequence;
  }

  /** The message of this sequence number, which is under way. Most often it is loaded already. */
  #load(sequence: number): Outgoing {
    const message = this.#message;
    if (sequence === this.#loaded) return message;
    this.#loaded = sequence;
    const place = sequence % MESSAGES_AHEAD_MAX;
    message.type = this.#table[TYPE + place] as MessageType;
    message.claim = this.#table[CLAIM + place]! & ~NAMED;
    message.shortIdLow = this.#ids[place]!;
    message.shortIdHigh = this.#ids[MESSAGES_AHEAD_MAX + place]!;
    message.bodyBytes = this.#table[BODY_BYTES + place]!;
    message.handle = this.#table[HANDLE + place]!;
    return message;
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

/** Bytes of a full payload of a message. An opening is always cut small; the others as the session agreed. */
function fragmentBytesOf(type: MessageType, agreedBytes: number): number {
  return FRAME_TYPES[type].opens ? PAYLOAD_BYTES_V1 : agreedBytes;
}

function following(sequence: number): number {
  return (sequence + 1) & (SEQUENCE_COUNT - 1);
}

/** The index of the lowest set bit of a mask that is not 0. */
function lowestBit(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}
