/**
 * How a board begins with its store. Nobody is there to ask, and a new chip may hold anything. So a partition that was
 * never a store is formatted. A partition with sectors of a store never is: the board goes on with what is left, and
 * its log says what is missing. What cannot be mounted stops the start.
 */
import type { MountOutcome, Store } from "../store/store.ts";
import type { Log } from "./log.ts";

/** Mount the store. Returns "mounted" or "formatted". Throws an Error with the outcome when neither is possible. */
export function mountOrFormat(store: Store, log: Log): MountOutcome {
  let outcome = store.mount();
  if (outcome === "foreign") {
    log.say("the partition held no store, and is formatted");
    outcome = store.format();
  }
  if (outcome !== "mounted" && outcome !== "formatted") throw new Error(`store: ${outcome}`);
  const { logSectors, records } = store.damage;
  if (logSectors > 0 || records > 0)
    log.say(`the store is damaged: lost ${logSectors} log sectors, ${records} records`);
  return outcome;
}
