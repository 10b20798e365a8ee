/**
 * Which frames the air loses besides collisions: for each frame and each receiver, three independent chances.
 *
 * - noise: the same for every frame;
 * - distance: nothing at the sender's side, `edgeLossPerMille` at the end of the range, growing with the fourth power of
 *   the distance (the exponent of path loss between antennas near the ground);
 * - bursts: Gilbert's model (Bell System Technical Journal 39, 1960; Elliott 1963): the way from one station to another
 *   is good or bad, in bad nothing arrives, and it changes from frame to frame. A stay in bad lasts `meanFrames` on
 *   average, and `lossPerMille` of all frames fall into one.
 *
 * Each direction of each pair of stations has its own state, drawn from the stationary distribution when first used.
 * Invariant: a chance that is zero draws no number.
 */
import type { SeededRandom } from "./random.ts";

export interface Burst {
  /** Frames lost to bursts, of a thousand. */
  readonly lossPerMille: number;
  /** Mean length of a burst in frames. */
  readonly meanFrames: number;
}

export interface LossOptions {
  readonly lossPerMille: number;
  readonly edgeLossPerMille: number;
  readonly burst: Burst | undefined;
}

export type NaturalLoss = "noise" | "distance" | "burst";

/**
 * Why a frame did not reach one that it was for: chance (three kinds), another signal, the receiver was sending, the
 * receiver was off, the sender's power failed in the middle, its queue was full, or it was nowhere near.
 */
export type LossCause = NaturalLoss | "collision" | "deaf" | "off" | "cut" | "queue" | "range" | "long";

const MILLION = 1_000_000;
/** Directions are numbered sender x STATIONS_MAX + receiver. */
export const STATIONS_MAX = 65_536;

export class Losses {
  readonly #noisePerMillion: number;
  readonly #edgePerMillion: number;
  readonly #badPerMillion: number;
  readonly #enterPerMillion: number;
  readonly #leavePerMillion: number;
  readonly #random: SeededRandom;
  /** Whether the way is bad, by direction. */
  readonly #bad = new Map<number, boolean>();

  constructor(options: LossOptions, random: SeededRandom) {
    const { burst } = options;
    this.#random = random;
    this.#noisePerMillion = options.lossPerMille * 1_000;
    this.#edgePerMillion = options.edgeLossPerMille * 1_000;
    this.#badPerMillion = burst === undefined ? 0 : burst.lossPerMille * 1_000;
    this.#leavePerMillion = burst === undefined ? 0 : Math.floor(MILLION / burst.meanFrames);
    // In balance as many frames enter a burst as leave one.
    this.#enterPerMillion = Math.floor((this.#badPerMillion * this.#leavePerMillion) / (MILLION - this.#badPerMillion));
  }

  /** Whether one frame is lost on its way, and to what. `squared` is the square of distance over range, 0 .. 1. */
  draw(sender: number, receiver: number, squared: number): NaturalLoss | undefined {
    if (this.#badPerMillion > 0 && this.#isBad(sender * STATIONS_MAX + receiver)) return "burst";
    if (this.#random.chance(this.#noisePerMillion)) return "noise";
    if (this.#random.chance(Math.floor(this.#edgePerMillion * squared * squared))) return "distance";
    return undefined;
  }

  #isBad(direction: number): boolean {
    const before = this.#bad.get(direction);
    const bad =
      before === undefined
        ? this.#random.chance(this.#badPerMillion)
        : before !== this.#random.chance(before ? this.#leavePerMillion : this.#enterPerMillion);
    this.#bad.set(direction, bad);
    return bad;
  }
}
