/** What the store makes of a partition that it did not write: empty, foreign, older, newer, of another shape. */
import process from "node:process";
import { crc32 as zlibCrc32 } from "node:zlib";
import test from "ava";
import { encodeSectorHeader, LOG_SECTOR } from "../modules/store/layout.ts";
import { Store } from "../modules/store/store.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { dropBytes, highOf, lowOf, SMALL_CAPACITY, SMALL_SECTORS } from "./store-histories.ts";

const SEED = Number(process.env.SEED ?? 1);
const SMALL_BYTES = SMALL_SECTORS * 4096;

test("formats what is empty or foreign, and never what is newer or of another shape", (t) => {
  const foreign = new NorFlash({ sizeBytes: SMALL_BYTES });
  const noise = new Uint8Array(SMALL_BYTES);
  new SeededRandom(SEED, "noise").fill(noise);
  foreign.program(0, noise, 0, noise.length);
  const store = new Store(foreign, SMALL_CAPACITY);
  t.is(store.mount(), "formatted");
  for (let id = 1; id < 60; id++) {
    t.is(store.insert(lowOf(id), highOf(id), dropBytes(id, 2048), 0, 2048, id, 0), "stored");
  }
  t.is(new Store(foreign, SMALL_CAPACITY).mount(), "mounted");

  const newer = new NorFlash({ sizeBytes: SMALL_BYTES });
  const header = new Uint8Array(16);
  encodeSectorHeader(header, LOG_SECTOR, 1, 1);
  header[2] = 3;
  new DataView(header.buffer).setUint32(12, zlibCrc32(header.subarray(0, 12)), true);
  newer.program(5 * 4096, header, 0, 16);
  const before = { ...newer.counters };
  const refused = new Store(newer, SMALL_CAPACITY);
  t.is(refused.mount(), "newer");
  t.is(newer.counters.programs, before.programs);
  t.is(newer.counters.erases, before.erases);
  t.throws(() => refused.insert(1, 1, noise, 0, 1, 0, 0), { message: /not mounted/ });

  const other = new NorFlash({ sizeBytes: SMALL_BYTES });
  new Store(other, SMALL_CAPACITY).mount();
  const larger = new NorFlash({ sizeBytes: SMALL_BYTES + 4096 });
  const image = other.snapshot();
  larger.restore(image);
  t.is(new Store(larger, SMALL_CAPACITY).mount(), "geometry");
  t.is(new Store(new NorFlash({ sizeBytes: 8 * 4096 }), 750).mount(), "geometry", "too small");
});
