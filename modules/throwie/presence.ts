/**
 * Whether whoever sends a beacon is there to answer (docs/protocol.md, "Contacts").
 *
 * A beacon proves nothing: anyone may send one under a new address, and an opening to nobody takes the node's one
 * workspace for as long as an answer may take. A node cannot ask first, since the opening is the question. But a peer
 * that is there sends the next beacon within about a second, under the same nonce. So while openings stay unanswered, a
 * node opens only to peers whose beacon it has heard twice, TWICE_MS apart. A node with no such trouble opens at the
 * first beacon, because people may pass in seconds.
 *
 * Invariant: the node remembers SIGHTS_MAX nonces, the latest. More would serve only a forger.
 */

/** What a forger at 2 % of the air sends in four seconds. */
const SIGHTS_MAX = 64;
/** Less than the shortest time between two beacons of an honest node in a crowd, and of a board that just woke. */
const TWICE_MS = 200;
/** So many openings without an answer, within TROUBLE_MS, are trouble. */
const UNANSWERED_MAX = 2;
const TROUBLE_MS = 5_000;

export class Presence {
  readonly #nonces = new Int32Array(SIGHTS_MAX);
  readonly #sinceMs = new Float64Array(SIGHTS_MAX).fill(Infinity);
  /** When the last openings stayed unanswered: a ring. */
  readonly #unansweredMs = new Float64Array(UNANSWERED_MAX).fill(-Infinity);
  #next = 0;
  #unanswered = 0;

  /** An opening of this node stayed unanswered. */
  unanswered(now: number): void {
    this.#unansweredMs[this.#unanswered] = now;
    this.#unanswered = (this.#unanswered + 1) % UNANSWERED_MAX;
  }

  /** A beacon with this nonce was heard. Whether its sender is to be taken as present. */
  likely(nonce: number, now: number): boolean {
    const i = this.#nonces.indexOf(nonce | 0);
    const known = i >= 0 && now - this.#sinceMs[i]! >= TWICE_MS;
    if (i < 0) {
      this.#nonces[this.#next] = nonce;
      this.#sinceMs[this.#next] = now;
      this.#next = (this.#next + 1) % SIGHTS_MAX;
    }
    return known || now - this.#unansweredMs[this.#unanswered]! >= TROUBLE_MS;
  }
}
