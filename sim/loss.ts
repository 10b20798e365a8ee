/**
 * The frames that the air loses, besides collisions: three independent chances for each frame and each receiver.
 *
 * - noise: the same chance for every frame;
 * - distance: zero at the sender's place and `edgeLossPerMille` at the end of the range. The chance grows with the
 *   fourth power of the distance (the exponent of path loss between antennas near the ground);
 * - burst: Gilbert's model (Bell System Technical Journal 39, 1960; Elliott 1963). The link from one station to another
 *   is good or bad, and its state may change with each frame. In a bad state every frame is lost. A bad state lasts
 *   `meanFrames` frames on average, and `lossPerMille` of all frames fall into one.
 *
 * Each direction of each pair of stations has a state of its own, drawn from the stationary distribution at first use.
 * Invariant: a chance of zero draws no number.
 */
import type { SeededRandom } from "./random.ts";

export interface Burst {
  /** How many of a thousand frames are lost to bursts. */
  readonly lossPerMille: number;
  /** The mean length of a burst in frames. */
  readonly meanFrames: number;
}

export interface LossOptions {
  readonly lossPerMille: number;
  readonly edgeLossPerMille: number;
  readonly burst: Burst | undefined;
}

type NaturalLoss = "noise" | "distance" | "burst";

/**
 * Why a frame did not reach a station that it was for. noise, distance, burst: see above. collision: another signal
 * reached the receiver. deaf: the receiver was sending. off: the receiver was off. cut: the sender's power failed
 * during the frame. queue: the receiver's queue was full. range: the receiver is out of range. long: the frame is
 * longer than the receiver can take.
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
  /** Whether the link is in the bad state, by direction. */
  readonly #bad = new Map<number, boolean>();

  constructor(options: LossOptions, random: SeededRandom) {
    const { burst } = options;
    this.#random = random;
    this.#noisePerMillion = options.lossPerMille * 1_000;
    this.#edgePerMillion = options.edgeLossPerMille * 1_000;
    this.#badPerMillion = burst === undefined ? 0 : burst.lossPerMille * 1_000;
    this.#leavePerMillion = burst === undefined ? 0 : Math.floor(MILLION / burst.meanFrames);
    // In balance, as many frames enter a burst as leave one.
    this.#enterPerMillion = Math.floor((this.#badPerMillion * this.#leavePerMillion) / (MILLION - this.#badPerMillion));
  }

  /**
   * Why the air loses one frame; undefined when it does not. `squared` is the square of distance over range, 0 .. 1.
   */
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
