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
/** The longest time-out that losses alone bring about. When a peer is silent for longer, the sender probes. */
export const BACKED_OFF_MAX_MS = 200;
/** The longest time-out, on a slow line: a quarter more than a round trip of a second. */
const TIMEOUT_MAX_MS = 1_250;
const SUSPICIONS_MAX = 3;

export class RoundTrip {
  timeoutMs = TIMEOUT_INITIAL_MS;
  #smoothedMs = 0;
  #variationMs = 0;
  /** Answers since the last measurement that came so late that the question was repeated, and the least time of one. */
  #suspicions = 0;
  #suspectedMs = Infinity;

  begin(): void {
    this.timeoutMs = TIMEOUT_INITIAL_MS;
    this.#smoothedMs = 0;
    this.#variationMs = 0;
    this.#trust();
  }

  /** No answer came in time: wait longer until one can be measured (RFC 6298, section 5.5). */
  backOff(): void {
    this.timeoutMs = Math.max(this.timeoutMs, Math.min(2 * this.timeoutMs, BACKED_OFF_MAX_MS));
  }

  /**
   * An answer came so many milliseconds after the frame that first asked for it, but the frame was repeated meanwhile.
   * Either frames were lost, or the line is slow. On a slow line no measurement is possible as long as the time-out is
   * too short. So the first such answer counts if nothing was measured yet, and later the shortest of SUSPICIONS_MAX in
   * a row.
   */
  suspect(roundTripMs: number): void {
    this.#suspicions++;
    this.#suspectedMs = Math.min(this.#suspectedMs, roundTripMs);
    if (this.#smoothedMs > 0 && this.#suspicions < SUSPICIONS_MAX) return;
    this.timeoutMs = Math.max(this.timeoutMs, Math.min(this.#suspectedMs + GRACE_MS, TIMEOUT_MAX_MS));
    this.#trust();
  }

  #trust(): void {
    this.#suspicions = 0;
    this.#suspectedMs = Infinity;
  }

  /** The smoothed round trip; 0 until one was measured. */
  get smoothedMs(): number {
    return this.#smoothedMs >> 3;
  }

  /**
   * Take a measurement: an answer came so many milliseconds after the frame that asked for it, and answers no other
   * frame.
   */
  measure(roundTripMs: number): void {
    this.#trust();
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
