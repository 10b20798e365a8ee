/**
 * What the peer of a link says of its room for messages, and when to ask again (docs/protocol.md, "How a link works").
 *
 * An acknowledgement carries a credit: for how many messages of several fragments there is room at the peer. A peer
 * without any room has answered, and has nothing to say before a buffer or its turn is free. A sender that went on
 * sending would fill the air with frames that nobody can take. So:
 *
 * - Until the peer has said its room, at most CREDIT_INITIAL messages are under way.
 * - A peer that has no room any more is asked with one frame after ASK_FIRST_MS, and again every ASK_INTERVAL_MS. Most
 *   peers say unasked that they have room again. A question is for a peer that does not, or whose word was lost.
 * - A peer that had no room before has no turn yet. It is asked every ASK_INTERVAL_MS.
 *
 * This class refuses to say which message goes into the room (sender.ts).
 */

/** For the opening, and a Drop to keep the air busy meanwhile. */
const CREDIT_INITIAL = 2;
const ASK_FIRST_MS = 1_000;
/** A little more than a full node lets pass from one turn of a peer to the next (modules/throwie/admission.ts). */
const ASK_INTERVAL_MS = 10_000;

export class Room {
  /** For how many messages there is room. */
  credit = CREDIT_INITIAL;
  /** The peer has said that it has no room for Drops, so all frames of Drops in flight were in vain. */
  none = false;
  /** Messages of one fragment count for the credit too: the peer has said nothing yet, or had no room at some time. */
  scarce = true;
  /** When the peer last said that it has no room, or was last asked. */
  #askedMs = 0;
  /** 0: the peer has said nothing yet. */
  #askIntervalMs = 0;

  begin(): void {
    this.credit = CREDIT_INITIAL;
    this.none = false;
    this.scarce = true;
    this.#askIntervalMs = 0;
  }

  /** When the peer without room is asked, in clock milliseconds. */
  get askMs(): number {
    return this.#askedMs + this.#askIntervalMs;
  }

  /** The peer without room was asked. */
  asked(now: number): void {
    this.#askedMs = now;
    this.#askIntervalMs = ASK_INTERVAL_MS;
  }

  /**
   * The peer said its room. `drops`: only Drops are under way, since other messages have buffers of their own at the
   * peer. True: there is room again, where there was none.
   */
  told(credit: number, drops: boolean, now: number): boolean {
    const had = this.none;
    this.credit = credit;
    this.none = credit === 0 && drops;
    if (this.none) this.#askedMs = now;
    const first = this.#askIntervalMs === 0;
    if (first || (this.none && !had)) this.#askIntervalMs = this.none && this.scarce ? ASK_INTERVAL_MS : ASK_FIRST_MS;
    this.scarce = credit === 0 || (this.scarce && !first);
    return had && !this.none;
  }
}
