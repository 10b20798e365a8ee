/**
 * The state that outlives a sleep or a restart, in the few bytes that the board keeps. A loss of power sets them to 0.
 *
 * | offset | size | field   | meaning                                                                 |
 * |--------|------|---------|-------------------------------------------------------------------------|
 * | 0      | 2    | wake    | the wake schedule's counter (modules/throwie/wake-schedule.ts)          |
 * | 2      | 1    | crashes | number of crashes in a row, at most 255 (crash-loop.ts)                 |
 * | 3      | 1    |         | 0                                                                       |
 * | 4      | 4    | epoch   | heat time at which the board's clock was 0 (modules/throwie/throwie.ts) |
 *
 * Little-endian. The board checks that the bytes are still the bytes that were written (`board-esp32.c`).
 */
import { type Board, MEMORY_BYTES } from "./ports.ts";

const CRASHES_MAX = 255;

export class Kept {
  readonly #board: Board;
  readonly #bytes = new Uint8Array(MEMORY_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);

  constructor(board: Board) {
    this.#board = board;
    board.memory.read(this.#bytes);
  }

  get wake(): number {
    return this.#view.getUint16(0, true);
  }

  get crashes(): number {
    return this.#view.getUint8(2);
  }

  get epoch(): number {
    return this.#view.getInt32(4, true);
  }

  keepWake(state: number): void {
    this.#view.setUint16(0, state, true);
    this.#board.memory.write(this.#bytes);
  }

  keepCrashes(count: number): void {
    this.#view.setUint8(2, Math.min(count, CRASHES_MAX));
    this.#board.memory.write(this.#bytes);
  }

  keepEpoch(epoch: number): void {
    this.#view.setInt32(4, epoch, true);
    this.#board.memory.write(this.#bytes);
  }
}
