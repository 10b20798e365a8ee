/**
 * The position of a station as a function of simulated time, linear between the points of a path.
 *
 * Coordinates are metres on a plane; time is in microseconds. There are three kinds of path: stay (`Fixed`), follow a
 * list of points with their times (`Waypoints`), or walk at random (`Wander`). `Wander` is the random waypoint model:
 * it draws a point in a rectangle, a speed for the way there, and a pause on arrival. The times of the calls must never
 * go back, because a walker keeps only its current leg.
 *
 * Only + - * / and the square root are used, because every engine rounds them alike.
 */
import type { SeededRandom } from "./random.ts";

export class Point {
  x = 0;
  y = 0;
}

export interface Path {
  /** The station is never faster than this. */
  readonly speedMpsMax: number;
  /** Writes the position at `timeUs` to `into`. */
  at(timeUs: number, into: Point): void;
}

const SECOND_US = 1_000_000;

export class Fixed implements Path {
  readonly speedMpsMax = 0;
  readonly #x: number;
  readonly #y: number;

  constructor(x: number, y: number) {
    this.#x = x;
    this.#y = y;
  }

  at(_timeUs: number, into: Point): void {
    into.x = this.#x;
    into.y = this.#y;
  }
}

export type Waypoint = readonly [timeS: number, x: number, y: number];

/**
 * Stands at the first point before its time, and at the last point after its time. Times ascend. Needs at least one
 * point.
 */
export class Waypoints implements Path {
  readonly speedMpsMax: number;
  readonly #points: readonly Waypoint[];
  #leg = 0;

  constructor(points: readonly Waypoint[]) {
    if (points.length === 0) throw new Error("mobility: a path has at least one point");
    let fastest = 0;
    for (let i = 1; i < points.length; i++) {
      const [fromS, fromX, fromY] = points[i - 1]!;
      const [toS, toX, toY] = points[i]!;
      if (!(toS > fromS)) throw new Error("mobility: the times of a path ascend");
      fastest = Math.max(fastest, distance(fromX, fromY, toX, toY) / (toS - fromS));
    }
    this.speedMpsMax = fastest;
    this.#points = points;
  }

  at(timeUs: number, into: Point): void {
    const points = this.#points;
    const timeS = timeUs / SECOND_US;
    while (this.#leg + 1 < points.length && points[this.#leg + 1]![0] <= timeS) this.#leg++;
    const [fromS, fromX, fromY] = points[this.#leg]!;
    const to = points[this.#leg + 1];
    const part = to === undefined || timeS <= fromS ? 0 : (timeS - fromS) / (to[0] - fromS);
    into.x = to === undefined ? fromX : fromX + (to[1] - fromX) * part;
    into.y = to === undefined ? fromY : fromY + (to[2] - fromY) * part;
  }
}

export interface WanderOptions {
  /** x0, y0, x1, y1 in metres. */
  readonly area: readonly [number, number, number, number];
  /** Slowest and fastest walk in metres per second. */
  readonly speedMps: readonly [number, number];
  /** Shortest and longest pause on arrival in seconds. */
  readonly pauseS: readonly [number, number];
}

/** A walker in an area of a few millimetres, who never pauses, sets out no more often than this. */
const LEG_US_MIN = 10_000;

export class Wander implements Path {
  readonly speedMpsMax: number;
  readonly #options: WanderOptions;
  readonly #random: SeededRandom;
  #fromX: number;
  #fromY: number;
  #toX: number;
  #toY: number;
  #startUs = 0;
  #arrivalUs = 0;
  #leaveUs = 0;

  constructor(options: WanderOptions, random: SeededRandom) {
    this.#options = options;
    this.#random = random;
    this.speedMpsMax = options.speedMps[1];
    this.#fromX = this.#toX = this.#drawX();
    this.#fromY = this.#toY = this.#drawY();
  }

  at(timeUs: number, into: Point): void {
    while (timeUs >= this.#leaveUs) this.#setOut();
    const way = this.#arrivalUs - this.#startUs;
    const part = timeUs >= this.#arrivalUs || way === 0 ? 1 : (timeUs - this.#startUs) / way;
    into.x = this.#fromX + (this.#toX - this.#fromX) * part;
    into.y = this.#fromY + (this.#toY - this.#fromY) * part;
  }

  #setOut(): void {
    const { speedMps, pauseS } = this.#options;
    this.#fromX = this.#toX;
    this.#fromY = this.#toY;
    this.#toX = this.#drawX();
    this.#toY = this.#drawY();
    const speed = this.#random.between(speedMps[0], speedMps[1]);
    const metres = distance(this.#fromX, this.#fromY, this.#toX, this.#toY);
    this.#startUs = this.#leaveUs;
    // Rounded up, so that no walker is faster than the drawn speed.
    this.#arrivalUs = this.#startUs + Math.ceil((metres / speed) * SECOND_US);
    const leaveUs = this.#arrivalUs + 1 + Math.floor(this.#random.between(pauseS[0], pauseS[1]) * SECOND_US);
    this.#leaveUs = Math.max(leaveUs, this.#startUs + LEG_US_MIN);
  }

  #drawX(): number {
    return this.#random.between(this.#options.area[0], this.#options.area[2]);
  }

  #drawY(): number {
    return this.#random.between(this.#options.area[1], this.#options.area[3]);
  }
}

function distance(fromX: number, fromY: number, toX: number, toY: number): number {
  const x = toX - fromX;
  const y = toY - fromY;
  return Math.sqrt(x * x + y * y);
}
