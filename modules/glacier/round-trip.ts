/**
 * How long to wait for an answer: a time-out that follows the measured round trip (RFC 6298, section 2, with a smaller
 * allowance for variation, since what comes too early is one frame into idle air).
 *
 * Whole milliseconds, kept times 8 and times 4 as in the RFC's own arithmetic.
 */

const TIMEOUT_INITIAL_MS = 150;
/** The clock counts whole milliseconds. */
const GRACE_MS = 2;
/** A peer that is silent for longer is met by probes, not by patience. */
const TIMEOUT_MAX_MS = 200;

export class RoundTrip {
  timeoutMs = TIMEOUT_INITIAL_MS;
  #smoothedMs = 0;
  #variationMs = 0;

  begin(): void {
    this.timeoutMs = TIMEOUT_INITIAL_MS;
    this.#smoothedMs = 0;
    this.#variationMs = 0;
  }

  /** No answer came in time: wait longer until one can be measured (RFC 6298, section 5.5). */
  backOff(): void {
    this.timeoutMs = Math.min(2 * this.timeoutMs, TIMEOUT_MAX_MS);
  }

  /** An answer came so long after the question, and is to no other. */
  measure(roundTripMs: number): void {
    if (this.#smoothedMs === 0) {
      this.#smoothedMs = roundTripMs << 3;
      this.#variationMs = roundTripMs << 1;
    } else {
      const error = roundTripMs - (this.#smoothedMs >> 3);
      this.#smoothedMs += error;
      this.#variationMs += (error < 0 ? -error : error) - (this.#variationMs >> 2);
    }
    const timeoutMs = (this.#smoothedMs >> 3) + Math.max(this.#variationMs >> 1, GRACE_MS);
    this.timeoutMs = Math.min(timeoutMs, TIMEOUT_MAX_MS);
  }
}
