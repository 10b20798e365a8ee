/**
 * How long a sender waits for an answer: a time-out that follows the measured round trip (RFC 6298, section 2).
 *
 * Links differ: a fixed time-out either wastes air on frames that were not lost, or leaves the air idle after a loss.
 * The allowance for variation is smaller than the RFC's, since a repetition that comes too early costs only one frame
 * of air that is idle anyway.
 *
 * The arithmetic is the RFC's own: whole milliseconds, with the smoothed round trip kept times 8 and its variation
 * times 4.
 */

const TIMEOUT_INITIAL_MS = 150;
/** The least allowance for variation: the clock counts whole milliseconds. */
const GRACE_MS = 2;
/** The longest time-out. When a peer is silent for longer, the sender probes; it does not wait longer. */
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

  /**
   * Take a measurement: an answer came so many milliseconds after the frame that asked for it, and answers no other
   * frame.
   */
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
