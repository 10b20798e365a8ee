/**
 * Firmware entry: wires a board's ports to the node, and nothing else.
 *
 * The board calls `turn` on what this returns when it is due and `receive` for each frame heard; see
 * modules/throwie/throwie.ts. A partition that cannot be mounted, because a newer firmware wrote it or because its size
 * is not whole sectors, stops the start with its code: formatting it would eat a town's messages.
 */
import type { Flash } from "./modules/store/flash.ts";
import { Store } from "./modules/store/store.ts";
import type { Clock, Radio, Random } from "./modules/throwie/ports.ts";
import { Throwie } from "./modules/throwie/throwie.ts";

export interface Board {
  radio: Radio;
  clock: Clock;
  random: Random;
  flash: Flash;
}

export function start({ radio, clock, random, flash }: Board): Throwie {
  const store = new Store(flash);
  const outcome = store.mount();
  if (outcome !== "mounted" && outcome !== "formatted") throw new Error(`store: ${outcome}`);
  return new Throwie({ radio, clock, random, store });
}
