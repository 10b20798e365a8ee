/**
 * A board that lost its settings is on another channel than its town. So these tests hold the writer to the vectors
 * that other programs can use too (test/xs/settings-vectors.ts has those of a copy, on XS as well). They cut the power
 * at every operation of every write, also again and again, and during the repair.
 */
import test from "ava";
import { checkSettings } from "../hosts/firmware/configuration.ts";
import {
  imageOf,
  SETTINGS_PARTITION_BYTES,
  SETTINGS_SECTOR_BYTES,
  settingLines,
  settingsWrite,
} from "../hosts/firmware/settings-writer.ts";
import { faultOf, OPERATOR_KEYS, type OperatorKey, settings } from "../modules/board/settings.ts";
import { holding, readCopy, type SettingLine, writeCopy } from "../modules/board/settings-copy.ts";
import { NorFlash, PowerCut } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";
import vectors from "./vectors/settings.json" with { type: "json" };
import { fromHex, toHex } from "./xs/hex.ts";

const SEED = Number(process.env.SEED ?? 1);
const PAGE_BYTES = 256;

const linesOf = (settings: Record<string, string | undefined>): SettingLine[] =>
  Object.entries(settings).map(([key, value]) => ({ key, value: value! }));
const settingsOf = (lines: readonly SettingLine[]): Record<string, string> =>
  Object.fromEntries(lines.map(({ key, value }) => [key, value]));
const byName = new Map([...vectors.valid, ...vectors.invalid].map(({ name, copy }) => [name, fromHex(copy)]));

function partitionOf(names: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(SETTINGS_PARTITION_BYTES).fill(0xff);
  for (const [sector, name] of names.entries()) bytes.set(byName.get(name)!, sector * SETTINGS_SECTOR_BYTES);
  return bytes;
}

const copiesOf = (partition: Uint8Array) =>
  [0, 1].map((sector) => readCopy(partition.subarray(sector * SETTINGS_SECTOR_BYTES)));

test("a writer keeps what it was not told to change, and begins with the sector that does not hold", (t) => {
  for (const { copies, change, order, sequence, settings, copy } of vectors.writes) {
    const write = settingsWrite(partitionOf(copies), linesOf(change));
    const copyNow = readCopy(write.sector);
    const about = `${copies.join(", ")}: ${JSON.stringify(change)}`;
    t.deepEqual(
      [write.order, copyNow.sequence, settingsOf(copyNow.lines)],
      [order, sequence, settings] as never,
      about,
    );
    t.is(toHex(write.sector.subarray(0, 512)), copy, about);
    t.true(write.sector.subarray(512).every((byte) => byte === 0xff));
  }
});

test("a writer refuses with a sentence what no board takes", (t) => {
  const empty = partitionOf([]);
  const refused: [string, string, RegExp][] = [
    ["role", "dongle", /^role is no setting that a board keeps; it must be one of channel, [^\n]*\.$/],
    ["constructor", "x", /^constructor is no setting that a board keeps/],
    ["channel", "14", /^channel is 14; it must be a whole number from 1 to 11\.$/],
    ["name", "Zürich", /^name is Zürich; it must be at most 32 [^\n]*\.$/],
    ["name", "a\nwake=30", /^name is a\nwake=30; it must be/],
    ["name", "x".repeat(33), /^name is x+; it must be/],
    ["channel", "\u00a06", /^channel is \u00a06; it must be letters, digits, signs and spaces of ASCII\.$/],
    ["channel", `${"0".repeat(600)}6`, /^the settings take 610 bytes; they must take at most 496\.$/],
    ["wake", "61", /^wake is 61; it must be "always" or one of/],
  ];
  for (const [key, value, sentence] of refused) {
    t.throws(() => settingsWrite(empty, [{ key, value }]), { message: sentence });
  }
  t.throws(() => settingsWrite(partitionOf(["one setting", "a later format"]), []), {
    message: /newer firmware; write/,
  });
  t.throws(() => writeCopy(1, linesOf({ a: "x".repeat(495) })), {
    message: /take 498 bytes; they must take at most 496/,
  });
});

test("what a writer takes, a board takes, and what a writer refuses, it refuses with a sentence", (t) => {
  const random = new SeededRandom(SEED, "lines");
  const one = <T>(list: readonly T[]): T => list[random.below(list.length)]!;
  const values = [
    ...[
      "1",
      "6",
      "11",
      "12",
      "06",
      " 6",
      "6 ",
      "0x6",
      "6.0",
      "6e0",
      "\t6",
      "6\n",
      "\u00a06",
      "\uff16",
      "-1",
      "NaN",
      "7.25",
    ],
    ...[
      "1M",
      "LR500K",
      "always",
      "30",
      "600",
      "x",
      "=",
      "a=b",
      "\u00fc",
      "",
      " ",
      "x".repeat(32),
      "x".repeat(33),
      "9".repeat(500),
    ],
  ];
  const keys = [...OPERATOR_KEYS, ...["role", "port", "door", "__proto__", "constructor", "", "a b"]];
  const build = checkSettings("esp32c3", []);
  let partition = partitionOf([]);
  let [taken, refused] = [0, 0];
  for (let i = 0; i < 3_000; i++) {
    const change = Array.from({ length: 1 + random.below(2) }, () => ({
      key: random.below(4) === 0 ? one(keys) : one(OPERATOR_KEYS),
      value: one(values),
    }));
    try {
      partition = imageOf(settingsWrite(partition, change).sector);
      taken++;
    } catch (error) {
      t.regex((error as Error).message, /^.+\.$/s, JSON.stringify(change));
      refused++;
      continue;
    }
    const lines = settingLines(partition);
    for (const { key, value } of lines) t.is(faultOf(key as OperatorKey, value), "", JSON.stringify(change));
    t.notThrows(() => settings({ ...build, ...settingsOf(lines) }));
    for (const { key, value } of change) {
      const last = change.filter((line) => line.key === key).at(-1)!.value;
      t.is(settingsOf(lines)[key], last === "" ? (undefined as never) : last, `${key}=${value}`);
    }
  }
  t.true(taken > 300 && refused > 300, `${taken} taken, ${refused} refused; replay: SEED=${SEED}`);
});

/** Writes as a loader does: a sector is erased, then programmed page by page. */
function write(flash: NorFlash, change: Record<string, string>): void {
  const partition = new Uint8Array(SETTINGS_PARTITION_BYTES);
  flash.read(0, partition, 0, SETTINGS_PARTITION_BYTES);
  const { order, sector } = settingsWrite(partition, linesOf(change));
  for (const number of order) {
    flash.eraseSector(number);
    for (let at = 0; at < SETTINGS_SECTOR_BYTES; at += PAGE_BYTES) {
      flash.program(number * SETTINGS_SECTOR_BYTES + at, sector, at, PAGE_BYTES);
    }
  }
}

const OPERATIONS = 2 * (1 + SETTINGS_SECTOR_BYTES / PAGE_BYTES);

/** The channel that a board finds, or undefined when it finds no settings. */
function channelOn(flash: NorFlash): string | undefined {
  const partition = new Uint8Array(SETTINGS_PARTITION_BYTES);
  flash.read(0, partition, 0, SETTINGS_PARTITION_BYTES);
  const copies = copiesOf(partition);
  return copies[holding(copies)]?.lines.find(({ key }) => key === "channel")?.value;
}

/** True when the power was cut. */
function cutAt(flash: NorFlash, operation: number, act: () => void): boolean {
  flash.cutAt(operation);
  try {
    act();
    return false;
  } catch (error) {
    if (error instanceof PowerCut) return true;
    throw error;
  } finally {
    flash.cutAt(undefined);
  }
}

test("a power cut at any operation leaves the older or the newer settings, and a cut repair too", (t) => {
  for (let seed = SEED; seed < SEED + 8; seed++) {
    for (let first = 1; first <= OPERATIONS; first++) {
      const random = new SeededRandom(seed, `cut ${first}`);
      const flash = new NorFlash({ sizeBytes: SETTINGS_PARTITION_BYTES, chance: random });
      write(flash, { channel: "1" });
      let before = "1";
      for (let after = 2; after <= 6; after++) {
        const operation = after === 2 ? first : 1 + random.below(OPERATIONS);
        t.true(cutAt(flash, operation, () => write(flash, { channel: `${after}` })));
        const found = channelOn(flash);
        if (found !== before && found !== `${after}`) {
          t.fail(`${found} after cut ${operation} of ${before} to ${after}; replay: SEED=${seed}`);
        }
        before = found!;
      }
      write(flash, { channel: "11" });
      t.is(channelOn(flash), "11");
    }
  }
});

test("canary: a writer that always begins with the first sector loses settings", (t) => {
  const flash = new NorFlash({ sizeBytes: SETTINGS_PARTITION_BYTES });
  write(flash, { channel: "1" });
  const { sector } = settingsWrite(new Uint8Array(SETTINGS_PARTITION_BYTES).fill(0xff), linesOf({ channel: "2" }));
  cutAt(flash, 20, () => write(flash, { channel: "2" }));
  t.is(channelOn(flash), "2");
  cutAt(flash, 3, () => {
    flash.eraseSector(0);
    for (let at = 0; at < SETTINGS_SECTOR_BYTES; at += PAGE_BYTES) flash.program(at, sector, at, PAGE_BYTES);
  });
  t.is(channelOn(flash), undefined);
});
