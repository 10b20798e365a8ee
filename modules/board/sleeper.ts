/**
 * A board's sleep: when the wake schedule says so, everything is put away in the order in which it is needed last.
 *
 * Heat is written to flash, the radio is closed, the schedule's counter goes to the bytes that outlive the sleep. There
 * is no way back: waking is a boot.
 */
import type { Throwie } from "../throwie/throwie.ts";
import { type WakeCycle, WakeSchedule } from "../throwie/wake-schedule.ts";
import type { Rest } from "./loop.ts";
import { type Board, MEMORY_BYTES } from "./ports.ts";

export class Sleeper implements Rest {
  readonly #board: Board;
  readonly #radio: { close(): void };
  readonly #node: Throwie;
  readonly #schedule: WakeSchedule;
  readonly #memory = new Uint8Array(MEMORY_BYTES);

  constructor(board: Board, radio: { close(): void }, node: Throwie, cycle: WakeCycle) {
    this.#board = board;
    this.#radio = radio;
    this.#node = node;
    board.memory.read(this.#memory);
    const state = this.#memory[0]! | (this.#memory[1]! << 8);
    this.#schedule = new WakeSchedule({ id: board.id, cycle, state, now: board.now() });
  }

  awakeUntil(now: number): number {
    return this.#schedule.awakeUntil(now, this.#node.contacts > 0 || this.#node.unverified > 0);
  }

  sleep(now: number): never {
    this.#node.checkpoint();
    this.#radio.close();
    const sleepMs = this.#schedule.sleepMs(now);
    this.#memory[0] = this.#schedule.state;
    this.#memory[1] = this.#schedule.state >>> 8;
    this.#board.memory.write(this.#memory);
    this.#board.log(`${now} ms: sleeping for ${sleepMs} ms`);
    return this.#board.sleep(sleepMs);
  }
}
