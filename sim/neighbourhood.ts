/**
 * Finds the stations in range of a station without a look at all of them: stations are sorted into square cells.
 *
 * A cell is as wide as the range plus the distance that two stations can approach each other until the next sort. So
 * every station in range is in the same cell or in one of the eight cells around it. Then the exact distance is
 * computed. With two thousand walkers this takes a dozen distances for each frame instead of two thousand.
 *
 * Invariant: `visit` names every station within range exactly once. The order depends only on the order in which the
 * stations were added.
 */
import { Point } from "./mobility.ts";
import type { Station } from "./station.ts";

const SORTED_FOR_US = 1_000_000;
/** Cells are numbered row x CELLS_ACROSS + column, both from the middle. So a path may reach 10^6 cells each way. */
const CELLS_ACROSS = 2 ** 21;

export class Neighbourhood {
  readonly #rangeM: number;
  readonly #stations: Station[] = [];
  readonly #cells = new Map<number, Station[]>();
  readonly #here = new Point();
  readonly #there = new Point();
  #cellM = 1;
  #sortedUntilUs = -1;

  constructor(rangeM: number) {
    this.#rangeM = rangeM;
  }

  add(station: Station): void {
    this.#stations.push(station);
    this.#sortedUntilUs = -1;
  }

  /** Calls `visit` with every other station within range, and with the square of its distance over the range. */
  visit(station: Station, nowUs: number, visit: (other: Station, squared: number) => void): void {
    if (nowUs >= this.#sortedUntilUs) this.#sort(nowUs);
    const here = this.#here;
    station.path.at(nowUs, here);
    const column = Math.floor(here.x / this.#cellM);
    const row = Math.floor(here.y / this.#cellM);
    for (let r = row - 1; r <= row + 1; r++) {
      for (let c = column - 1; c <= column + 1; c++) {
        const cell = this.#cells.get(r * CELLS_ACROSS + c);
        if (cell === undefined) continue;
        for (const other of cell) {
          if (other === station) continue;
          other.path.at(nowUs, this.#there);
          const x = this.#there.x - here.x;
          const y = this.#there.y - here.y;
          const squared = (x * x + y * y) / (this.#rangeM * this.#rangeM);
          if (squared <= 1) visit(other, squared);
        }
      }
    }
  }

  #sort(nowUs: number): void {
    let fastestMps = 0;
    for (const { path } of this.#stations) fastestMps = Math.max(fastestMps, path.speedMpsMax);
    // Both stations may have moved. Rounding up keeps a neighbour from being two cells away.
    this.#cellM = Math.ceil(this.#rangeM + (2 * fastestMps * SORTED_FOR_US) / 1_000_000) + 1;
    this.#cells.clear();
    for (const station of this.#stations) {
      station.path.at(nowUs, this.#there);
      const column = Math.floor(this.#there.x / this.#cellM);
      const row = Math.floor(this.#there.y / this.#cellM);
      const key = row * CELLS_ACROSS + column;
      const cell = this.#cells.get(key);
      if (cell === undefined) this.#cells.set(key, [station]);
      else cell.push(station);
    }
    this.#sortedUntilUs = nowUs + SORTED_FOR_US;
  }
}
