/**
 * A board's sleep: when the wake schedule allows it, the parts are shut down in a fixed order.
 *
 * First heat is written to flash, then the radio is closed, then the node's state and the schedule's counter go to the
 * bytes that outlive the sleep. There is no way back: the board wakes by a boot.
 */
import type { Radio } from "../throwie/ports.ts";
import { RETAINED_BYTES } from "../throwie/retained.ts";
import type { Throwie } from "../throwie/throwie.ts";
import { type WakeCycle, WakeSchedule } from "../throwie/wake-schedule.ts";
import type { Kept } from "./kept.ts";
import type { Log } from "./log.ts";
import type { Rest } from "./loop.ts";
import type { Board } from "./ports.ts";

export interface SleeperOptions {
  board: Board;
  kept: Kept;
  log: Log;
  radio: Radio & { close(): void };
  node: Throwie;
  cycle: WakeCycle;
}

export class Sleeper implements Rest {
  readonly #options: SleeperOptions;
  readonly #schedule: WakeSchedule;

  constructor(options: SleeperOptions) {
    const { board, kept, radio, cycle } = options;
    this.#options = options;
    this.#schedule = new WakeSchedule({ id: radio.address, cycle, state: kept.wake, now: board.now() });
  }

  awakeUntil(now: number): number {
    const { node } = this.#options;
    return this.#schedule.awakeUntil(now, node.contacts > 0 || node.unverified > 0);
  }

  sleep(now: number): never {
    const { board, kept, log, radio, node } = this.#options;
    node.checkpoint();
    radio.close();
    const retained = new Uint8Array(RETAINED_BYTES);
    node.retain(retained);
    board.retain(retained);
    const sleepMs = this.#schedule.sleepMs(now);
    kept.keepWake(this.#schedule.state);
    kept.keepCrashes(0);
    log.say(`sleeping for ${sleepMs} ms`);
    return board.sleep(sleepMs);
  }
}
