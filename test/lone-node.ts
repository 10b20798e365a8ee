/** One node without a radio medium. The test sets its clock, its random numbers and the frames that it hears. */
import { Store } from "../modules/store/store.ts";
import { Throwie } from "../modules/throwie/throwie.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import type { SeededRandom } from "../sim/random.ts";

const FLASH_BYTES = 448 * 4096;

export interface LoneNode {
  node: Throwie;
  store: Store;
  flash: NorFlash;
  now: number;
  sent: Uint8Array[];
}

/** A node with `drops` Drops of its own. Its radio sends nothing: it only keeps the frames in `sent`. */
export function loneNode(drops: number, random: SeededRandom, capacity?: number): LoneNode {
  const lone = { now: 0, sent: [] as Uint8Array[], flash: new NorFlash({ sizeBytes: FLASH_BYTES }) } as LoneNode;
  lone.store = new Store(lone.flash, capacity);
  lone.store.mount();
  lone.node = new Throwie({
    radio: {
      address: Uint8Array.of(2, 0, 0, 0, 0, 1),
      frameSizeBytesMax: 250,
      receiveQueueFrames: 48,
      full: false,
      send: (frame, lengthBytes) => {
        lone.sent.push(frame.slice(0, lengthBytes));
        return true;
      },
    },
    clock: { now: () => lone.now },
    random,
    store: lone.store,
  });
  for (let i = 0; i < drops; i++) {
    const drop = new Uint8Array(1 + random.below(2048));
    random.fill(drop);
    lone.node.publish(drop, "own");
  }
  return lone;
}
