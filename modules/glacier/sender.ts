/**
 * The sending half of a link: at most OUTGOING_MAX messages under way, fragment by fragment (design section 4).
 *
 * Every transmission has an order number. An acknowledgement tells which fragments arrived; one that was transmitted
 * REORDER_FRAMES before the latest to arrive, and did not, is lost and goes out again before anything new. When
 * acknowledgements stay away for a time-out that follows the measured round trip, the oldest fragment is sent again as
 * a probe, ever more slowly. Nothing that was acknowledged is sent again.
 *
 * Messages come from a MessageSource, whose bytes are read fragment by fragment (a Drop straight from flash), so the
 * sender holds no message. Invariant: a fragment is in flight when it is in `sent` and not in `acked`.
 * It paces nothing: the caller asks for a frame when the radio has room.
 */
import { type Ack, KEPT_BASE_BIT, MESSAGES_AHEAD_MAX, SETTLED } from "./ack.ts";
import { FRAGMENTS_MAX, FRAME_HEADER_BYTES, FRAME_PAYLOAD_BYTES_MAX, SEQUENCE_COUNT, sealFrame } from "./frame.ts";
import { fragmentCount, fragmentMask, MESSAGE_PREFIX_BYTES } from "./message.ts";

/** Enough to keep the air busy for one acknowledgement's way there and back: 40 frames are 108 ms at 1 Mbit/s. */
export const OUTGOING_MAX = 4;
/** Frames in flight; the published working point is 8, which leaves the air idle while an acknowledgement travels. */
const WINDOW_FRAMES_MAX = 32;
/** As many later frames may arrive first before a missing one counts as lost (QUIC's packet threshold, RFC 9002 6.1.1). */
const REORDER_FRAMES = 3;
const TIMEOUT_INITIAL_MS = 150;
const TIMEOUT_MIN_MS = 30;
const TIMEOUT_MAX_MS = 800;
/** Until the peer has said how much room it has: the opening, and a Drop to keep the air busy meanwhile. */
const CREDIT_INITIAL = 2;
/** A peer without room is asked again with one message so often; it need not remember to tell. */
const CREDIT_PROBE_MS = 100;

export class Outgoing {
  active = false;
  type = 0;
  sequence = 0;
  shortIdLow = 0;
  shortIdHigh = 0;
  bodyBytes = 0;
  claim = 0;
  /** The source's own name for the message, for instance a store slot. */
  reference = 0;
  fragments = 0;
  sent = 0;
  acked = 0;
  resent = 0;
  readonly order = new Uint32Array(FRAGMENTS_MAX);
  readonly sentMs = new Float64Array(FRAGMENTS_MAX);
}

export interface MessageSource {
  /** Fill in type, shortIdLow, shortIdHigh, bodyBytes, claim and reference of the next message. False: none now. */
  next(message: Outgoing): boolean;
  /** Copy `lengthBytes` bytes of the body from `from` on to `into[offset ..]`. */
  read(message: Outgoing, from: number, into: Uint8Array, offset: number, lengthBytes: number): void;
  /** The peer needs no more of the message: it keeps it, or it does not want it. */
  settled(message: Outgoing, kept: boolean): void;
  /** The link was given up with the message under way. */
  abandoned(message: Outgoing): void;
}

export class Sender {
  framesSent = 0;
  framesResent = 0;
  readonly #source: MessageSource;
  readonly #outgoing: Outgoing[] = [];
  #sequence = 0;
  #peerBase = 0;
  #ackNumber = 0;
  #credit = CREDIT_INITIAL;
  #creditMs = 0;
  #order = 0;
  #inFlight = 0;
  #smoothedMs = 0;
  #variationMs = 0;
  #timeoutMs = TIMEOUT_INITIAL_MS;
  #backoff = 0;
  #progressMs = 0;
  /** What `prepare` built, until `sent`. */
  #prepared: Outgoing | undefined;
  #preparedFragment = 0;

  constructor(source: MessageSource) {
    this.#source = source;
    for (let i = 0; i < OUTGOING_MAX; i++) this.#outgoing.push(new Outgoing());
  }

  begin(now: number): void {
    for (let i = 0; i < OUTGOING_MAX; i++) this.#outgoing[i]!.active = false;
    this.framesSent = 0;
    this.framesResent = 0;
    this.#sequence = 0;
    this.#peerBase = 0;
    this.#ackNumber = 0;
    this.#credit = CREDIT_INITIAL;
    this.#creditMs = now;
    this.#order = 0;
    this.#inFlight = 0;
    this.#smoothedMs = 0;
    this.#variationMs = 0;
    this.#timeoutMs = TIMEOUT_INITIAL_MS;
    this.#backoff = 0;
    this.#progressMs = now;
    this.#prepared = undefined;
  }

  /** Give up what is under way. */
  abandon(): void {
    for (let i = 0; i < OUTGOING_MAX; i++) {
      const message = this.#outgoing[i]!;
      if (message.active) this.#source.abandoned(message);
      message.active = false;
    }
  }

  /** Nothing under way; whether the source has more is the source's to say. */
  get idle(): boolean {
    for (let i = 0; i < OUTGOING_MAX; i++) if (this.#outgoing[i]!.active) return false;
    return true;
  }

  /** When the probe is due, in clock milliseconds; Infinity while nothing is in flight. */
  get deadline(): number {
    if (this.#inFlight === 0) return this.#credit === 0 ? this.#creditMs + CREDIT_PROBE_MS : Infinity;
    const timeout = this.#timeoutMs * (1 << this.#backoff);
    return this.#progressMs + Math.min(timeout, TIMEOUT_MAX_MS);
  }

  /** Build the next frame in `out`; 0 when there is nothing to send. Counts only when `sent` follows. */
  prepare(out: Uint8Array, sessionId: number, now: number): number {
    if (this.#inFlight > 0 && now >= this.deadline) this.#probe(now);
    if (this.#inFlight >= WINDOW_FRAMES_MAX) return 0;
    const message = this.#unsent() ?? this.#open(now);
    if (message === undefined) return 0;
    const fragment = lowestBit(fragmentMask(message.fragments) & ~message.sent);
    this.#prepared = message;
    this.#preparedFragment = fragment;
    const payload = this.#payload(message, fragment, out);
    return sealFrame(
      out,
      message.type,
      sessionId,
      message.sequence,
      fragment,
      message.shortIdLow,
      message.shortIdHigh,
      payload,
    );
  }

  /** The radio took what `prepare` built. */
  sent(now: number): void {
    const message = this.#prepared!;
    const fragment = this.#preparedFragment;
    message.sent |= 1 << fragment;
    message.order[fragment] = ++this.#order;
    message.sentMs[fragment] = now;
    if (this.#inFlight++ === 0) this.#progressMs = now;
    this.framesSent++;
    if (message.resent & (1 << fragment)) this.framesResent++;
  }

  /** Take in what the peer has: news, nothing new, or overtaken by a later acknowledgement that came before. */
  acknowledged(ack: Ack, now: number): "news" | "nothing" | "overtaken" {
    if (((ack.number - this.#ackNumber) & (SEQUENCE_COUNT - 1)) >= SEQUENCE_COUNT / 2) return "overtaken";
    this.#ackNumber = ack.number;
    let latest = 0;
    let latestMs = -1;
    let settledAny = false;
    for (let i = 0; i < OUTGOING_MAX; i++) {
      const message = this.#outgoing[i]!;
      if (!message.active) continue;
      const ahead = (message.sequence - ack.base) & (SEQUENCE_COUNT - 1);
      const settled = ahead >= SEQUENCE_COUNT / 2 || (ahead < ack.count && ack.masks[ahead] === SETTLED);
      const all = fragmentMask(message.fragments);
      const received = settled ? all : ahead < ack.count ? ack.masks[ahead]! & all : 0;
      const arrived = received & message.sent & ~message.acked;
      for (let rest = arrived; rest !== 0; rest &= rest - 1) {
        const fragment = lowestBit(rest);
        this.#inFlight--;
        if (message.order[fragment]! > latest) {
          latest = message.order[fragment]!;
          latestMs = message.resent & (1 << fragment) ? -1 : message.sentMs[fragment]!;
        }
      }
      // Fragments that the peer holds from an earlier contact are never sent; those that it gave up are sent again.
      const givenUp = message.acked & ~received;
      message.resent |= givenUp;
      message.acked = received;
      message.sent = (message.sent & ~givenUp) | received;
      if (settled) {
        message.active = false;
        settledAny = true;
        const bit = (message.sequence - ack.base + KEPT_BASE_BIT) & (SEQUENCE_COUNT - 1);
        this.#source.settled(message, bit < 16 && (ack.kept & (1 << bit)) !== 0);
      }
    }
    this.#peerBase = ack.base;
    this.#credit = ack.credit;
    this.#creditMs = now;
    if (latest === 0) return settledAny ? "news" : "nothing";
    this.#progressMs = now;
    this.#backoff = 0;
    if (latestMs >= 0) this.#measure(now - latestMs);
    this.#loseBefore(latest - REORDER_FRAMES);
    return "news";
  }

  /** Smoothed round trip and variation (RFC 6298, section 2), in whole milliseconds times 8 and times 4. */
  #measure(roundTripMs: number): void {
    if (this.#smoothedMs === 0) {
      this.#smoothedMs = roundTripMs << 3;
      this.#variationMs = roundTripMs << 1;
    } else {
      const error = roundTripMs - (this.#smoothedMs >> 3);
      this.#smoothedMs += error;
      this.#variationMs += (error < 0 ? -error : error) - (this.#variationMs >> 2);
    }
    const timeout = (this.#smoothedMs >> 3) + this.#variationMs;
    this.#timeoutMs = Math.max(timeout, TIMEOUT_MIN_MS);
  }

  #loseBefore(order: number): void {
    for (let i = 0; i < OUTGOING_MAX; i++) {
      const message = this.#outgoing[i]!;
      if (!message.active) continue;
      for (let rest = message.sent & ~message.acked; rest !== 0; rest &= rest - 1) {
        const fragment = lowestBit(rest);
        if (message.order[fragment]! <= order) this.#lose(message, fragment);
      }
    }
  }

  #lose(message: Outgoing, fragment: number): void {
    message.sent &= ~(1 << fragment);
    message.resent |= 1 << fragment;
    this.#inFlight--;
  }

  #probe(now: number): void {
    let oldest: Outgoing | undefined;
    let oldestFragment = 0;
    for (let i = 0; i < OUTGOING_MAX; i++) {
      const message = this.#outgoing[i]!;
      if (!message.active) continue;
      for (let rest = message.sent & ~message.acked; rest !== 0; rest &= rest - 1) {
        const fragment = lowestBit(rest);
        if (oldest === undefined || message.order[fragment]! < oldest.order[oldestFragment]!) {
          oldest = message;
          oldestFragment = fragment;
        }
      }
    }
    if (oldest !== undefined) this.#lose(oldest, oldestFragment);
    this.#progressMs = now;
    if (this.#backoff < 5) this.#backoff++;
  }

  /** The message with a fragment to send that comes first in sequence. */
  #unsent(): Outgoing | undefined {
    let first: Outgoing | undefined;
    for (let i = 0; i < OUTGOING_MAX; i++) {
      const message = this.#outgoing[i]!;
      if (!message.active || message.sent === fragmentMask(message.fragments)) continue;
      if (first === undefined || ((message.sequence - first.sequence) & (SEQUENCE_COUNT - 1)) >= SEQUENCE_COUNT / 2) {
        first = message;
      }
    }
    return first;
  }

  #open(now: number): Outgoing | undefined {
    if (((this.#sequence - this.#peerBase) & (SEQUENCE_COUNT - 1)) >= MESSAGES_AHEAD_MAX) return undefined;
    let free: Outgoing | undefined;
    let unsettled = 0;
    for (let i = 0; i < OUTGOING_MAX; i++) {
      const message = this.#outgoing[i]!;
      if (message.active) unsettled++;
      else free = message;
    }
    let credit = this.#credit;
    if (credit === 0 && this.#inFlight === 0 && now >= this.#creditMs + CREDIT_PROBE_MS) {
      credit = 1;
      this.#creditMs = now;
    }
    if (free === undefined || unsettled >= credit || !this.#source.next(free)) return undefined;
    free.active = true;
    free.sequence = this.#sequence;
    free.fragments = fragmentCount(free.bodyBytes);
    free.sent = 0;
    free.acked = 0;
    free.resent = 0;
    this.#sequence = (this.#sequence + 1) & (SEQUENCE_COUNT - 1);
    return free;
  }

  #payload(message: Outgoing, fragment: number, out: Uint8Array): number {
    const start = fragment * FRAME_PAYLOAD_BYTES_MAX;
    const rest = MESSAGE_PREFIX_BYTES + message.bodyBytes - start;
    const size = Math.min(rest, FRAME_PAYLOAD_BYTES_MAX);
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

/** Index of the lowest set bit of a nonzero mask. */
function lowestBit(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}
