/**
 * Flash wears with each erase. This bench measures what the store costs its flash: 10,000 inserts, each of which evicts
 * a Drop, on a full store of 750 Drops in 1.75 MB. The heat of a Drop does not depend on its place.
 *
 * Figures are counts, not times, so they repeat. The littlefs figures come from its own C code on the same work (one
 * file for each Drop, 16-byte pages). littlefs needs 4 MB for 750 full-size Drops; in 1.75 MB it holds 426.
 *
 * - `heat` is the same work with 5 heat changes for each insert. The node's own rule (`checkpointDue`) is asked after
 *   every so many inserts, as between contacts that bring so many Drops. `heat.kept` is the largest number of inserts
 *   between two checkpoints.
 * - `slack` is the same work with the coldest 2 % of the Drops taken for equally cold. It shows what a strict order
 *   costs.
 */
import { Store } from "../modules/store/store.ts";
import { settledKey } from "../modules/temperature/rank.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import { insertion } from "../test/insertion.ts";
import { victimWithSlack } from "./slack.ts";

export type StoreBenchResult = { name: string; value: number; unit: string; limit?: number };

interface Work {
  name: "full" | "uniform";
  sizeBytes(random: SeededRandom): number;
  programmedMax: number;
  erasesMax: number;
  littlefs: { programmed: number; erases: number };
}

const CAPACITY = 750;
const CYCLES = 10_000;
const SEED = 1;
const HEAT_CHANGES_PER_INSERT = 5;
/** How many Drops a contact brings before a checkpoint may be written. */
const INSERTS_PER_CONTACT = [1, 10, 100, 1_000] as const;
const HEAT_OVERHEAD_PERCENT_MAX = 2;
const WEAR_MAX = 1.35;
const MOUNT_READ_BYTES_MAX = 65_536;
const INDEX_RAM_BYTES_MAX = 24_576;
const DROP_BYTES_MAX = 2_048;
const KEY_SPAN = 2 ** 30;
/** 2 % of the Drops. */
const SLACK_DROPS = 15;

const WORKS: Work[] = [
  {
    name: "full",
    sizeBytes: () => DROP_BYTES_MAX,
    programmedMax: 1.75,
    erasesMax: 0.9,
    littlefs: { programmed: 1.085, erases: 1.05 },
  },
  {
    name: "uniform",
    sizeBytes: (random) => 100 + random.below(DROP_BYTES_MAX - 100 + 1),
    programmedMax: 1.25,
    erasesMax: 0.4,
    littlefs: { programmed: 1.167, erases: 0.97 },
  },
];

class Churn {
  readonly flash: NorFlash;
  readonly store: Store;
  readonly #random: SeededRandom;
  readonly #work: Work;
  readonly #slack: number;
  readonly #bytes = new Uint8Array(DROP_BYTES_MAX);
  #inserts = 0;

  constructor(work: Work, slack = 1, programSizeBytes = 4) {
    this.flash = new NorFlash({ programSizeBytes });
    this.store = new Store(this.flash, CAPACITY);
    this.#slack = slack;
    this.#work = work;
    this.#random = new SeededRandom(SEED, `bench ${work.name}`);
    this.#random.fill(this.#bytes);
    this.store.mount();
    // Only the mount that formats a partition knows that its sectors are erased. That gain is made once in a life.
    this.store.mount();
    for (let i = 0; i < CAPACITY; i++) this.#insert();
  }

  /**
   * Runs the work. If heat changes, a checkpoint is written after a contact when it is due.
   *
   * Returns the bytes inserted, the most erases in one insert, and the most inserts between two checkpoints.
   */
  run(heatChanges = 0, insertsPerContact = 1): { payloadBytes: number; erasesPerInsertMost: number; lagMost: number } {
    const { store, flash } = this;
    const random = this.#random;
    let payloadBytes = 0;
    let erasesPerInsertMost = 0;
    let lagMost = 0;
    let checkpointed = 0;
    for (let i = 0; i < CYCLES; i++) {
      // Any Drop may be the next to die, because heat does not depend on place.
      store.setHeat(random.below(CAPACITY), -2 - 2 * this.#inserts);
      for (let k = 0; k < heatChanges; k++) {
        const slot = random.below(CAPACITY);
        store.setHeat(slot, store.heat(slot) + 2);
      }
      const before = flash.counters.erases;
      payloadBytes += this.#insert();
      erasesPerInsertMost = Math.max(erasesPerInsertMost, flash.counters.erases - before);
      if (heatChanges === 0 || (i + 1) % insertsPerContact !== 0 || !store.checkpointDue(this.#inserts)) continue;
      store.checkpoint(this.#inserts);
      lagMost = Math.max(lagMost, i + 1 - checkpointed);
      checkpointed = i + 1;
    }
    return { payloadBytes, erasesPerInsertMost, lagMost: Math.max(lagMost, CYCLES - checkpointed) };
  }

  #insert(): number {
    const { store } = this;
    const random = this.#random;
    const size = this.#work.sizeBytes(random);
    // Of settled Drops, as all but newcomers are.
    const heatKey = settledKey(random.below(KEY_SPAN));
    const [low, high] = [random.u32(), random.u32()];
    const record = insertion(low, high, this.#bytes, { lengthBytes: size, heatKey, now: this.#inserts++ });
    if (store.count >= store.room) {
      record.victim = this.#slack > 1 ? victimWithSlack(store, this.#slack, heatKey) : store.firstToDie();
    }
    const outcome = store.insert(record);
    if (outcome !== "stored") throw new Error(`bench store: the Drop was not stored: ${outcome}`);
    store.markVerified(store.lastSlot);
    return size;
  }
}

/** The bytes of all typed arrays of a Store, buffers included. */
function indexRamBytes(programSizeBytes: number): number {
  const flash = new NorFlash({ programSizeBytes });
  const arrays = [Uint8Array, Uint16Array, Uint32Array, Int32Array] as const;
  const originals = arrays.map((array) => array);
  const scope = globalThis as unknown as Record<string, unknown>;
  let bytes = 0;
  for (const original of originals) {
    scope[original.name] = new Proxy(original, {
      construct(target, args, newTarget): object {
        const made = Reflect.construct(target, args, newTarget) as Uint8Array;
        bytes += made.byteLength;
        return made;
      },
    });
  }
  try {
    new Store(flash);
  } finally {
    for (const original of originals) scope[original.name] = original;
  }
  return bytes;
}

/** What the store promises in units of so many bytes. */
function promises(work: Work, programSizeBytes: number): { programmed: number; rows: StoreBenchResult[] } {
  const churn = new Churn(work, 1, programSizeBytes);
  const { flash, store } = churn;
  const before = { ...flash.counters };
  const { payloadBytes, erasesPerInsertMost } = churn.run();
  const programmed = (flash.counters.programmedBytes - before.programmedBytes) / payloadBytes;
  const erases = (flash.counters.erases - before.erases) / CYCLES;
  let most = 0;
  let sum = 0;
  for (const count of flash.erasesOf) {
    most = Math.max(most, count);
    sum += count;
  }
  const readBefore = flash.counters.readBytes;
  const again = new Store(flash);
  again.mount();
  const mountRead = flash.counters.readBytes - readBefore;

  const { littlefs } = work;
  const name = programSizeBytes === 4 ? work.name : `${work.name}.unit${programSizeBytes}`;
  const rows = [
    { name: `${name}.capacity`, value: Math.min(store.count, again.count), unit: "Drops", limit: CAPACITY },
    { name: `${name}.programmed`, value: programmed, unit: "bytes/payload byte", limit: work.programmedMax },
    { name: `${name}.programmedOverLittlefs`, value: programmed / littlefs.programmed, unit: "ratio" },
    { name: `${name}.erases`, value: erases, unit: "sectors/insert", limit: work.erasesMax },
    { name: `${name}.erasesOverLittlefs`, value: erases / littlefs.erases, unit: "ratio" },
    { name: `${name}.erasesWorst`, value: erasesPerInsertMost, unit: "sectors in one insert" },
    { name: `${name}.wear`, value: most / (sum / flash.erasesOf.length), unit: "most/mean", limit: WEAR_MAX },
    { name: `${name}.mountRead`, value: mountRead, unit: "bytes", limit: MOUNT_READ_BYTES_MAX },
    { name: `${name}.indexRam`, value: indexRamBytes(programSizeBytes), unit: "bytes", limit: INDEX_RAM_BYTES_MAX },
  ];
  return { programmed, rows };
}

function measure(work: Work): StoreBenchResult[] {
  const { programmed, rows } = promises(work, 4);
  const slack = new Churn(work, SLACK_DROPS);
  const slackBefore = { ...slack.flash.counters };
  const slackPayload = slack.run().payloadBytes;
  const slackProgrammed = (slack.flash.counters.programmedBytes - slackBefore.programmedBytes) / slackPayload;
  const slackErases = (slack.flash.counters.erases - slackBefore.erases) / CYCLES;
  return [
    ...rows,
    ...promises(work, 16).rows,
    ...INSERTS_PER_CONTACT.flatMap((inserts) => heat(work, programmed, inserts)),
    { name: `${work.name}.slack.programmed`, value: slackProgrammed, unit: "bytes/payload byte" },
    { name: `${work.name}.slack.erases`, value: slackErases, unit: "sectors/insert" },
  ];
}

function heat(work: Work, programmed: number, insertsPerContact: number): StoreBenchResult[] {
  const churn = new Churn(work);
  const before = churn.flash.counters.programmedBytes;
  const { payloadBytes, lagMost } = churn.run(HEAT_CHANGES_PER_INSERT, insertsPerContact);
  const heated = (churn.flash.counters.programmedBytes - before) / payloadBytes;
  const name = `${work.name}.heat${insertsPerContact === 1 ? "" : `.by${insertsPerContact}`}`;
  return [
    { name, value: (heated / programmed - 1) * 100, unit: "% more programmed", limit: HEAT_OVERHEAD_PERCENT_MAX },
    { name: `${name}.kept`, value: lagMost, unit: "inserts between checkpoints at most" },
  ];
}

export async function store(): Promise<{ bench: "store"; results: StoreBenchResult[] }> {
  return { bench: "store", results: WORKS.flatMap(measure) };
}
