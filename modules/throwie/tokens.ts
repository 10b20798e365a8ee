/**
 * The tokens of a contact: the right to bring a Drop into a full share of newcomers (docs/temperature.md, "Admission").
 *
 * While a node is crowded, every Drop that comes in costs its contact a token, and a contact earns one each
 * TOKEN_INTERVAL_MS. Of several Drops that wait for a token, the one with the lowest sequence number is next, because a
 * peer sends the Drops first that matter most to it.
 *
 * This class refuses to decide whether a Drop costs a token (admission.ts).
 */
import { SEQUENCE_COUNT } from "../glacier/frame.ts";
import { TOKEN_INTERVAL_MS } from "./admission.ts";

/** The limit of tokens that are saved up: a peer that waits for long cannot displace all newcomers at once. */
const TOKENS_SAVED_MAX = 2;
const NOTHING = -1;

export class Tokens {
  /** The Drop that the peer began last comes in only for a token. */
  needed = false;
  /** Drops that this contact brought into a full share of newcomers. */
  spent = 0;
  #begunMs = 0;
  /** The sequence number of the Drop that is next for a token. */
  #waiting = NOTHING;

  begin(now: number): void {
    this.needed = false;
    this.spent = 0;
    this.#begunMs = now;
    this.#waiting = NOTHING;
  }

  earned(now: number): number {
    return Math.floor((now - this.#begunMs) / TOKEN_INTERVAL_MS);
  }

  /** Tokens that this contact has earned and not spent: TOKENS_SAVED_MAX at most. */
  left(now: number): number {
    return Math.min(this.earned(now) - this.spent, TOKENS_SAVED_MAX);
  }

  /** When this contact earns the next token, in clock milliseconds. */
  nextMs(now: number): number {
    return this.#begunMs + (this.earned(now) + 1) * TOKEN_INTERVAL_MS;
  }

  /** A Drop came in for a token. Tokens beyond the limit are lost. */
  spend(now: number): void {
    this.spent = Math.max(this.spent, this.earned(now) - TOKENS_SAVED_MAX) + 1;
  }

  /** The Drop with this sequence number waits for a token. */
  wait(sequence: number): void {
    if (this.#waiting === NOTHING || precedes(sequence, this.#waiting)) this.#waiting = sequence;
  }

  /** The Drop with this sequence number waits no more. */
  forget(sequence: number): void {
    if (this.#waiting === sequence) this.#waiting = NOTHING;
  }

  /** Whether no other Drop has the next token before this one. If so, this Drop waits no more. */
  isNext(sequence: number): boolean {
    if (this.#waiting !== NOTHING && this.#waiting !== sequence) return false;
    this.#waiting = NOTHING;
    return true;
  }
}

/** Whether sequence number `a` is before `b`. */
function precedes(a: number, b: number): boolean {
  return ((b - a) & (SEQUENCE_COUNT - 1)) < SEQUENCE_COUNT / 2;
}
