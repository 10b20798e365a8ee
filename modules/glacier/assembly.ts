/**
 * Reassembly: one message, put together from its fragments in a buffer that is allocated once (docs/protocol.md,
 * "Messages").
 *
 * Fragments may come in any order and more than once, and a contact may be cut before all have come. An assembly is
 * named by short_id, not by session. So what arrived stays when a contact is cut, and the next contact that brings the
 * same Drop, cut in the same way, goes on from there.
 *
 * `put` copies, since the radio reuses its buffer. It refuses every fragment that cannot belong: a fragment in the
 * middle that is not full, one past the end, a length that does not agree with what is already here, a fragment that
 * is here with other bytes. Then either this fragment is false or one that is here. Nobody can know which. So the
 * assembly counts contradictions, and its owner gives the message up when no fragment fits between two of them.
 *
 * An assembly never grows and never throws.
 */
import { FRAME_HEADER_BYTES, type Frame, PAYLOAD_BYTES_V1, PAYLOAD_BYTES_V2 } from "./frame.ts";
import { fragmentCount, fragmentMask, MESSAGE_BODY_BYTES_MAX, MESSAGE_PREFIX_BYTES } from "./message.ts";

/**
 * What `put` did with a fragment: copied it, had its very bytes already, or refused it because it contradicts what is
 * here.
 */
export type FragmentOutcome = "new" | "repeat" | "misfit";

/**
 * A message is given up when so many fragments contradicted it one after another. With one, a single false frame could
 * cancel what nine true frames brought.
 */
const CONTRADICTIONS_MAX = 2;
/** The claim in fragment 0 may change from one contact to the next. All other bytes of a message stay. */
const CLAIM_AT = 2;

/**
 * The buffer of one message (docs/protocol.md, "Messages"): `begin`, then `put` until `complete`. Times are
 * milliseconds of the caller's clock. Nothing throws.
 */
export class Assembly {
  /** The message as it came: prefix, then body. */
  readonly bytes = new Uint8Array(MESSAGE_PREFIX_BYTES + MESSAGE_BODY_BYTES_MAX);
  /** The low word of the message's short_id, unsigned. */
  shortIdLow = 0;
  /** The high word of the message's short_id, unsigned. */
  shortIdHigh = 0;
  /** Bit i: fragment i is here. 0: the assembly is empty. */
  mask = 0;
  /** When a fragment last came, in clock milliseconds. The assembly that waited longest is given up first. */
  touchedMs = -Infinity;
  /** Fragments that contradicted this message since the last one that was new. */
  #contradictions = 0;
  /** Bytes of every fragment except the last. */
  #fragmentBytes = PAYLOAD_BYTES_V1;
  #lastFragment = -1;
  #lastBytes = 0;

  /** Forget what is here, and expect a message whose fragments, but the last, have so many bytes. */
  begin(shortIdLow: number, shortIdHigh: number, fragmentBytes: number, now: number): void {
    this.shortIdLow = shortIdLow;
    this.shortIdHigh = shortIdHigh;
    this.touchedMs = now;
    this.#fragmentBytes = fragmentBytes;
    this.clear();
  }

  /** Whether the buffer is for this message, even if nothing of it is here. */
  isNamed(shortIdLow: number, shortIdHigh: number): boolean {
    return this.shortIdLow === shortIdLow && this.shortIdHigh === shortIdHigh;
  }

  /** Whether some of this message is here. */
  isOf(shortIdLow: number, shortIdHigh: number): boolean {
    return this.mask !== 0 && this.isNamed(shortIdLow, shortIdHigh);
  }

  /** Whether some of this message is here, cut in this way. */
  holds(shortIdLow: number, shortIdHigh: number, fragmentBytes: number): boolean {
    return this.isOf(shortIdLow, shortIdHigh) && this.#fragmentBytes === fragmentBytes;
  }

  /** Take over the content of the other assembly. */
  adopt(other: Assembly): void {
    this.bytes.set(other.bytes);
    this.shortIdLow = other.shortIdLow;
    this.shortIdHigh = other.shortIdHigh;
    this.mask = other.mask;
    this.touchedMs = other.touchedMs;
    this.#contradictions = other.#contradictions;
    this.#fragmentBytes = other.#fragmentBytes;
    this.#lastFragment = other.#lastFragment;
    this.#lastBytes = other.#lastBytes;
  }

  /** Take a fragment of the message that `begin` named; the caller compares the short_id. */
  put(frame: Frame, now: number): FragmentOutcome {
    const { fragment, payloadBytes } = frame;
    const fragmentBytes = this.#fragmentBytes;
    const bit = 1 << fragment;
    const start = fragment * fragmentBytes;
    if (this.mask & bit) return this.#isHere(frame, start) ? "repeat" : "misfit";
    if (payloadBytes === 0 || payloadBytes > fragmentBytes || start + payloadBytes > this.bytes.length) return "misfit";
    let lastFragment = this.#lastFragment;
    let lastBytes = this.#lastBytes;
    if (fragment === 0) {
      if (payloadBytes <= MESSAGE_PREFIX_BYTES) return "misfit";
      const body = frame.bytes[FRAME_HEADER_BYTES]! | (frame.bytes[FRAME_HEADER_BYTES + 1]! << 8);
      if (MESSAGE_PREFIX_BYTES + body > this.bytes.length) return "misfit";
      const last = fragmentCount(body, fragmentBytes) - 1;
      const rest = MESSAGE_PREFIX_BYTES + body - last * fragmentBytes;
      if (lastFragment >= 0 && (lastFragment !== last || lastBytes !== rest)) return "misfit";
      lastFragment = last;
      lastBytes = rest;
    } else if (payloadBytes < fragmentBytes && lastFragment < 0) {
      lastFragment = fragment;
      lastBytes = payloadBytes;
    }
    if (lastFragment >= 0) {
      const expected = fragment === lastFragment ? lastBytes : fragmentBytes;
      if (payloadBytes !== expected || (this.mask | bit) > fragmentMask(lastFragment + 1)) return "misfit";
    }
    this.#lastFragment = lastFragment;
    this.#lastBytes = lastBytes;
    if (payloadBytes === PAYLOAD_BYTES_V1) this.bytes.set(frame.payloadV1, start);
    else if (payloadBytes === PAYLOAD_BYTES_V2) this.bytes.set(frame.payloadV2, start);
    else for (let i = 0; i < payloadBytes; i++) this.bytes[start + i] = frame.bytes[FRAME_HEADER_BYTES + i]!;
    this.mask |= bit;
    this.touchedMs = now;
    this.#contradictions = 0;
    return "new";
  }

  /** A fragment contradicted this message. True: one too many, and the owner gives the message up. */
  contradict(): boolean {
    return ++this.#contradictions >= CONTRADICTIONS_MAX;
  }

  /** Every fragment is here. */
  get complete(): boolean {
    return this.#lastFragment >= 0 && this.mask === fragmentMask(this.#lastFragment + 1);
  }

  /** Bytes of the body. Only meaningful when complete. */
  get bodyBytes(): number {
    return this.bytes[0]! | (this.bytes[1]! << 8);
  }

  /** The claim byte; only meaningful when complete. */
  get claim(): number {
    return this.bytes[2]!;
  }

  /** Forget what is here. */
  clear(): void {
    this.mask = 0;
    this.#lastFragment = -1;
    this.#contradictions = 0;
  }

  /** Whether the fragment that is here at byte `start` has the bytes of this frame. */
  #isHere(frame: Frame, start: number): boolean {
    const { payloadBytes } = frame;
    if (payloadBytes !== (frame.fragment === this.#lastFragment ? this.#lastBytes : this.#fragmentBytes)) return false;
    for (let i = 0; i < payloadBytes; i++) {
      if (this.bytes[start + i] !== frame.bytes[FRAME_HEADER_BYTES + i] && start + i !== CLAIM_AT) return false;
    }
    return true;
  }
}
