/**
 * test/store-file.test.ts needs a process that it can kill. This program fills a store in a file without end. It writes
 * a line to standard output for each Drop that was stored or evicted, before it goes on. With `hasty`, for the canary,
 * it writes the line for a stored Drop before it stores the Drop.
 *
 *     node store-writer.js <file> <first id> <seed> [hasty]
 */
import { writeSync } from "node:fs";
import process from "node:process";
import { FileFlash } from "../hosts/store/file-flash.ts";
import { openForWriting } from "../hosts/store/store-file.ts";
import { Store } from "../modules/store/store.ts";
import { SeededRandom } from "../sim/random.ts";
import { insertFromWire, insertion } from "./insertion.ts";
import { dropBytes, highOf, lowOf, SMALL_CAPACITY } from "./store-histories.ts";

const [path = "", firstId = "", seed = "", hasty] = process.argv.slice(2);
const random = new SeededRandom(Number(seed), "writer");
const store = new Store(new FileFlash(await openForWriting(path), path, say), SMALL_CAPACITY);

/** Writes a line. Returns when the pipe has the whole line, so a slow reader makes this program wait. */
function say(words: string): void {
  const line = Buffer.from(`${words}\n`);
  for (let done = 0; done < line.length; ) {
    try {
      done += writeSync(1, line, done);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error;
    }
  }
}

say("mounting");
const outcome = store.mount();
if (outcome !== "mounted" && outcome !== "formatted") throw new Error(outcome);

for (let id = Number(firstId); ; id++) {
  const size = 1 + random.below(2048);
  if (hasty !== undefined) say(`stored ${id} ${size}`);
  const inserted = insertFromWire(
    store,
    insertion(lowOf(id), highOf(id), dropBytes(id, size), { heatKey: 2 * id, now: id }),
  );
  if (inserted !== "stored") throw new Error(inserted);
  if (store.evicted) say(`evicted ${store.lastEvictedLow}`);
  if (hasty === undefined) say(`stored ${id} ${size}`);
  if (random.below(3) === 0) store.markVerified(store.lastSlot);
  if (random.below(4) === 0) store.setHeat(store.lastSlot, 2 * (id + random.below(30)));
  if (random.below(9) === 0) store.checkpoint(id);
  if (random.below(2) === 0) store.clean(id);
}
