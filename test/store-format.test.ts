/**
 * A store may find a partition that this version did not write: empty, foreign, older, newer, or of another shape. It
 * must read what an older release left, must not touch what is newer, and may format only what is no store.
 */

import { createHash } from "node:crypto";
import process from "node:process";
import { inflateRawSync, crc32 as zlibCrc32 } from "node:zlib";
import test from "ava";
import type { Death } from "../modules/store/journal.ts";
import { encodeSectorHeader, FORMAT_VERSION, LOG_SECTOR } from "../modules/store/layout.ts";
import { Store } from "../modules/store/store.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { WornOut } from "./around-flash.ts";
import formatOne from "./fixtures/store-v1.json" with { type: "json" };
import formatTwo from "./fixtures/store-v2.json" with { type: "json" };
import formatThree from "./fixtures/store-v3.json" with { type: "json" };
import { coldestOf, insertFromWire, insertion } from "./insertion.ts";
import { dropBytes, highOf, lowOf, powerFails, SMALL_CAPACITY, SMALL_SECTORS } from "./store-histories.ts";

const SEED = Number(process.env.SEED ?? 1);
const SMALL_BYTES = SMALL_SECTORS * 4096;

test("a store formats a blank partition, a foreign one only when told to, and never a newer one or another shape", (t) => {
  const foreign = new NorFlash({ sizeBytes: SMALL_BYTES });
  const noise = new Uint8Array(SMALL_BYTES);
  new SeededRandom(SEED, "noise").fill(noise);
  foreign.program(0, noise, 0, noise.length);
  const store = new Store(foreign, SMALL_CAPACITY);
  const programs = foreign.counters.programs;
  t.is(store.mount(), "foreign");
  t.deepEqual([foreign.counters.programs, foreign.counters.erases], [programs, 0]);
  t.throws(() => store.checkpoint(0), { message: /not mounted/ });
  t.is(store.format(), "formatted");
  for (let id = 1; id < 60; id++) {
    const record = insertion(lowOf(id), highOf(id), dropBytes(id, 2048), { heatKey: 2 * id });
    t.is(insertFromWire(store, record), "stored");
  }
  t.is(new Store(foreign, SMALL_CAPACITY).mount(), "mounted");

  const newer = new NorFlash({ sizeBytes: SMALL_BYTES });
  const header = new Uint8Array(16);
  encodeSectorHeader(header, LOG_SECTOR, 1, 1);
  header[2] = 4;
  new DataView(header.buffer).setUint32(12, zlibCrc32(header.subarray(0, 12)), true);
  newer.program(5 * 4096, header, 0, 16);
  const before = { ...newer.counters };
  const refused = new Store(newer, SMALL_CAPACITY);
  t.is(refused.mount(), "newer");
  t.is(newer.counters.programs, before.programs);
  t.is(newer.counters.erases, before.erases);
  t.throws(() => refused.insert(insertion(1, 1, noise, { lengthBytes: 1 })), { message: /not mounted/ });

  const other = new NorFlash({ sizeBytes: SMALL_BYTES });
  new Store(other, SMALL_CAPACITY).mount();
  const larger = new NorFlash({ sizeBytes: SMALL_BYTES + 4096 });
  const image = other.snapshot();
  larger.restore(image);
  t.is(new Store(larger, SMALL_CAPACITY).mount(), "geometry");
  t.is(
    new Store(new NorFlash({ sizeBytes: 8 * 4096 }), 750).mount(),
    "geometry",
    "a partition too small for 750 Drops",
  );
});

interface Fixture {
  unitBytes: number;
  sectors: number;
  capacity: number;
  epoch: number;
  torn: number;
  retiredSectors?: number;
  deaths?: Death[];
  drops: { low: number; high: number; lengthBytes: number; sha256: string; heat: number; verified: boolean }[];
  /** The partition, deflated, in base64. */
  image: string;
}

const FORMATS: { format: number; images: Fixture[] }[] = [formatOne, formatTwo, formatThree];

/** Flash with the partition of a released version, which lost power in the middle of an insert. */
function flashOf(fixture: Fixture): NorFlash {
  const options = { sizeBytes: fixture.sectors * 4096, programSizeBytes: fixture.unitBytes };
  const flash = new NorFlash({ ...options, chance: new SeededRandom(SEED, "fixture") });
  flash.overwrite(0, inflateRawSync(Buffer.from(fixture.image, "base64")));
  return flash;
}

function drops(store: Store): Fixture["drops"] {
  const all: Fixture["drops"] = [];
  for (let slot = 0; slot < store.capacity; slot++) {
    if (!store.occupied(slot)) continue;
    const bytes = new Uint8Array(store.lengthBytes(slot));
    store.read(slot, 0, bytes, 0, bytes.length);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    const [low, high] = [store.idLow(slot), store.idHigh(slot)];
    all.push({ low, high, lengthBytes: bytes.length, sha256, heat: store.heat(slot), verified: store.verified(slot) });
  }
  return all.sort((a, b) => a.low - b.low);
}

const sorted = (fixture: Fixture): Fixture["drops"] => [...fixture.drops].sort((a, b) => a.low - b.low);

/** Inserts Drops that are so hot that they displace all earlier Drops. */
function liveOn(store: Store, count: number): void {
  for (let id = 1; id <= count; id++) {
    const now = store.epoch + id;
    const record = insertion(id, id, dropBytes(id, 2048), { heatKey: 2 ** 24 + 2 * id, now });
    // The fixtures hold Drops of odd keys, from before such keys meant newcomers: so name the coldest of all.
    record.victim = coldestOf(store);
    const outcome = store.insert(record);
    if (outcome !== "stored") throw new Error(outcome);
    store.markVerified(store.lastSlot);
    store.clean(now);
  }
  store.checkpoint(store.epoch + count);
}

for (const { format, images } of FORMATS) {
  for (const fixture of images) {
    const name = `format ${format}, unit ${fixture.unitBytes}`;

    test(`a store reads the whole partition of a release and goes on with it: ${name}`, (t) => {
      const flash = flashOf(fixture);
      const store = new Store(flash, fixture.capacity);
      t.is(store.mount(), "mounted");
      t.deepEqual(drops(store), sorted(fixture));
      t.is(store.epoch, fixture.epoch);
      t.is(store.counters.torn, fixture.torn);
      t.is(store.retiredSectors, fixture.retiredSectors ?? 0);
      const journal = JSON.parse(JSON.stringify(store.journal())) as Death[];
      if (format === FORMAT_VERSION) t.deepEqual(journal, fixture.deaths);
      // An upgrade begins the journal anew. What died in the mount of the release dies in this mount, too.
      else t.true(journal.every(({ low }) => fixture.deaths?.some((death) => death.low === low)));
      t.true(
        versionsOf(flash).includes(FORMAT_VERSION),
        "a header must carry the new version, so that an older release refuses the partition",
      );
      liveOn(store, 600);
      const again = new Store(flash, fixture.capacity);
      t.is(again.mount(), "mounted");
      t.is(again.count, again.room);
      t.true(drops(again).every(({ low, verified }) => low <= 600 && verified));
      t.true(again.journal().every(({ age }) => age !== undefined && age < 600));
    });

    test(`a store without a free sector refuses an upgrade and loses nothing: ${name}`, (t) => {
      const flash = flashOf(fixture);
      const around = new WornOut(flash);
      around.wornOut = true;
      const store = new Store(around, fixture.capacity);
      t.is(store.mount(), format < FORMAT_VERSION ? "flash" : "mounted");
      t.is(versionsOf(flash).includes(FORMAT_VERSION), format === FORMAT_VERSION);
      around.wornOut = false;
      t.is(store.mount(), "mounted");
      t.deepEqual(drops(store), sorted(fixture));
    });

    test(`a power cut during an upgrade loses no Drop: ${name}`, (t) => {
      const whole = flashOf(fixture).snapshot();
      const flash = flashOf(fixture);
      let cuts = 0;
      for (let cut = 1; ; cut++) {
        flash.restore(whole);
        flash.cutAt(cut);
        const failed = powerFails(() => {
          const store = new Store(flash, fixture.capacity);
          store.mount();
          // This puts marks into old sectors, moves bodies out of old sectors, and goes once around the log's ring.
          for (let slot = 0; slot < store.capacity; slot++) if (store.occupied(slot)) store.markVerified(slot);
          for (let round = 1; round < 60; round++) {
            for (let slot = 0; slot < 6; slot++) store.setHeat(slot, 2 ** 20 + round);
            store.checkpoint(store.epoch + round * 1000);
            store.clean(store.epoch + round * 1000);
          }
        });
        flash.cutAt(undefined);
        const after = new Store(flash, fixture.capacity);
        t.is(after.mount(), "mounted", `cut ${cut}`);
        const bodies = ({ low, sha256 }: Fixture["drops"][number]): string => `${low} ${sha256}`;
        if (drops(after).map(bodies).join() !== sorted(fixture).map(bodies).join())
          t.fail(`cut ${cut} loses or changes Drops`);
        if (!failed) break;
        cuts++;
      }
      t.true(cuts > 50, `${cuts} cuts`);
      t.log(`${cuts} cuts`);
    });
  }
}

test("canary: a changed bit in a fixture's body is caught", (t) => {
  const fixture = FORMATS[0]!.images[0]!;
  const flash = flashOf(fixture);
  const [low] = sorted(fixture).map((drop) => drop.low);
  const store = new Store(flash, fixture.capacity);
  store.mount();
  const slot = store.find(low!, sorted(fixture)[0]!.high);
  const body = new Uint8Array(store.lengthBytes(slot));
  store.read(slot, 0, body, 0, body.length);
  // The upgrade has left the old body where it was.
  const bytes = Buffer.from(flash.snapshot().bytes);
  for (let at = bytes.indexOf(body.subarray(20)); at >= 0; at = bytes.indexOf(body.subarray(20), at + 1))
    flash.overwrite(at, Uint8Array.of(body[20]! ^ 1));
  t.notDeepEqual(drops(store), sorted(fixture));
});

/** The version bytes of all sectors that carry a header. */
function versionsOf(flash: NorFlash): number[] {
  const { bytes } = flash.snapshot();
  const versions: number[] = [];
  for (let at = 0; at < bytes.length; at += flash.sectorSizeBytes) {
    if (bytes[at] === 0x54 && bytes[at + 1] === 0x53) versions.push(bytes[at + 2]!);
  }
  return versions;
}
