/**
 * A board's sleep: when the wake schedule allows it, the parts are shut down in a fixed order.
 *
 * A deep sleep clears RAM, and the board wakes by a boot. A light sleep keeps RAM and needs no boot, but draws more
 * while it lasts. So the chip's own figure says up to which length a sleep is light. A life must not go on for ever,
 * since it accumulates what nobody has foreseen: after a sweep the board sleeps deeply, however short the sleep is.
 *
 * Before any sleep the radio is closed, and the schedule's counter goes to the bytes that outlive the sleep. Before a
 * deep sleep, heat is also written to flash, and the node's state goes to the bytes that outlive the sleep. There is no
 * way back. After a light sleep the radio is opened again, and the node goes on. A chip that refuses a light sleep
 * sleeps deeply instead, and loses no more than in any deep sleep.
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
  radio: Radio & { close(): void; open(): unknown };
  node: Throwie;
  cycle: WakeCycle;
}

export class Sleeper implements Rest {
  readonly #options: SleeperOptions;
  #schedule: WakeSchedule;

  constructor(options: SleeperOptions) {
    this.#options = options;
    this.#schedule = scheduleOf(options);
  }

  awakeUntil(now: number): number {
    const { node } = this.#options;
    return this.#schedule.awakeUntil(now, node.contacts > 0 || node.unverified > 0);
  }

  sleep(now: number): void {
    const { board, kept, log, radio } = this.#options;
    const schedule = this.#schedule;
    const sleepMs = schedule.sleepMs(now);
    const light = !schedule.sweeping && sleepMs <= board.lightSleepMsMax();
    radio.close();
    kept.keepWake(schedule.state);
    if (light) log.say(`sleeping lightly for ${sleepMs} ms`);
    if (!light || !board.lightSleep(sleepMs)) sleepDeeply(this.#options, sleepMs);
    kept.keepCrashes(0);
    radio.open();
    this.#schedule = scheduleOf(this.#options);
  }
}

function sleepDeeply({ board, kept, log, node }: SleeperOptions, sleepMs: number): never {
  node.checkpoint();
  kept.keepCrashes(0);
  log.say(`sleeping for ${sleepMs} ms`);
  const retained = new Uint8Array(RETAINED_BYTES);
  node.retain(retained);
  board.retain(retained);
  return board.sleep(sleepMs);
}

/** The schedule of a wake-up that happens now. */
function scheduleOf({ board, kept, radio, cycle }: SleeperOptions): WakeSchedule {
  return new WakeSchedule({ id: radio.address, cycle, state: kept.wake, now: board.now() });
}
