/**
 * What `npm run firmware` says of an image beside the image, for people and programs: which firmware it is, its files
 * with their places and hashes, how much flash and memory it leaves, and which limits it breaks (docs/firmware.md,
 * "Limits of an image").
 *
 * Reads the files of a build, and changes nothing.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type BuildIdentity, identityText } from "./identity.ts";
import { chipNumber, readImage } from "./image.ts";
import { type LinkedMemory, linkedMemory } from "./link-map.ts";
import { appPartition, partitionsOf, TABLE_AT, type TableRow } from "./partitions.ts";

/** The rest is for the versions of the years to come, which must fit into the partitions of boards in the field. */
const FULLEST_PERCENT = 80;

/**
 * The least data RAM that an image may leave, in bytes by its link map.
 *
 * A Throwie on an ESP32-C3 allocates 230,696 bytes from its start to the middle of a contact, and 24 KB must stay free
 * (docs/firmware.md, "Memory"): the heap must begin with 255,272 bytes. It has 51,700 bytes more than the link map
 * leaves, because the boot loader's RAM becomes free. So 203,572 bytes must be left, and 199 KB are the floor, for a
 * dongle too, which allocates less. An ESP32 and an S3 need as much. Their RAM outside of the linker's region is taken
 * from ESP-IDF's memory layout and was not measured: 145,000 and 51,700 bytes.
 */
const FREE_DRAM_BYTES_MIN: Record<string, number> = { esp32: 108 * 1024, esp32c3: 199 * 1024, esp32s3: 199 * 1024 };

/** The boot loader's place: an ESP32 leaves the first sector to secure boot. */
const BOOT_LOADER_AT: Record<string, number> = { esp32: 0x1000, esp32c3: 0, esp32s3: 0 };

export interface ImageFile {
  name: string;
  /** Where it belongs in the chip's flash. */
  offset: number;
  sizeBytes: number;
  sha256: string;
}

export interface BuildManifest {
  firmware: string;
  commit: string | null;
  board: string;
  flash: string;
  settings: Record<string, string>;
  files: ImageFile[];
  app: { partition: string; partitionBytes: number; sizeBytes: number; freeBytes: number; fullPercent: number };
  memory: LinkedMemory & { freeDramBytesMin: number };
  /** Empty: the image keeps its limits. Otherwise a sentence for each limit that it breaks. */
  faults: string[];
}

export const MANIFEST_FILE = "firmware.json";
export const APP_FILE = "xs_esp32.bin";
const MAP_FILE = "xs_esp32.map";

export interface BuildResult {
  /** The folder in which the SDK leaves the files. */
  folder: string;
  board: string;
  flash: string;
  config: Record<string, unknown>;
  identity: BuildIdentity;
  /** The text of the partition table. */
  table: string;
}

/** Throws an Error of one sentence when the build left no whole image. */
export function buildManifest({ folder, board, flash, config, identity, table }: BuildResult): BuildManifest {
  const read = (name: string): Buffer => {
    const path = join(folder, name);
    if (!existsSync(path)) throw new Error(`The build made no ${path}; its messages are above.`);
    return readFileSync(path);
  };
  const rows = partitionsOf(table);
  const partition = appPartition(rows);
  const files = placesOf(board, rows).map(([name, offset]) => {
    const bytes = read(name);
    return { name, offset, sizeBytes: bytes.length, sha256: createHash("sha256").update(bytes).digest("hex") };
  });
  const image = readImage(read(APP_FILE), join(folder, APP_FILE));
  if (image.chip !== chipNumber(board)) throw new Error(`The build made an image for another chip than ${board}.`);
  const memory = { ...linkedMemory(read(MAP_FILE).toString("latin1")), freeDramBytesMin: FREE_DRAM_BYTES_MIN[board]! };
  const { sizeBytes } = image;
  const app = {
    partition: partition.name,
    partitionBytes: partition.sizeBytes,
    sizeBytes,
    freeBytes: partition.sizeBytes - sizeBytes,
    fullPercent: Math.ceil((1_000 * sizeBytes) / partition.sizeBytes) / 10,
  };
  const settings = Object.fromEntries(Object.keys(config).map((key) => [key, String(config[key])]));
  const firmware = identityText(identity);
  const made = { firmware, commit: identity.commit ?? null, board, flash, settings, files, app, memory };
  return { ...made, faults: faultsOf(made) };
}

/** The files of an image with their places. Where two programs stand, the boot loader is told to start the first. */
function placesOf(board: string, rows: TableRow[]): [name: string, offset: number][] {
  const otadata = rows.find(({ name }) => name === "otadata");
  return [
    ["bootloader.bin", BOOT_LOADER_AT[board]!],
    ["partition-table.bin", TABLE_AT],
    ...(otadata === undefined ? [] : [["ota_data_initial.bin", otadata.offset] as [string, number]]),
    [APP_FILE, appPartition(rows).offset],
  ];
}

function faultsOf({ app, memory }: Pick<BuildManifest, "app" | "memory">): string[] {
  const faults: string[] = [];
  const bytesMax = Math.floor((app.partitionBytes * FULLEST_PERCENT) / 100);
  if (app.sizeBytes > bytesMax) {
    faults.push(
      `The image has ${counted(app.sizeBytes)} bytes, ${app.fullPercent} % of the partition ${app.partition}; it may have ${FULLEST_PERCENT} %: make it ${counted(app.sizeBytes - bytesMax)} bytes smaller.`,
    );
  }
  if (memory.freeDramBytes < memory.freeDramBytesMin) {
    faults.push(
      `By its link map the image leaves ${counted(memory.freeDramBytes)} bytes of data RAM free; it must leave ${counted(memory.freeDramBytesMin)}: give back ${counted(memory.freeDramBytesMin - memory.freeDramBytes)}.`,
    );
  }
  return faults;
}

/** What a builder reads after a build. */
export function summary({ firmware, board, app, memory }: BuildManifest): string {
  return [
    `${firmware} for ${board}: ${counted(app.sizeBytes)} bytes, ${app.fullPercent} % of the partition ${app.partition}, ${counted(app.freeBytes)} free.`,
    `${counted(memory.freeDramBytes)} bytes of data RAM are free by the link map; the least is ${counted(memory.freeDramBytesMin)}.`,
  ].join("\n");
}

function counted(number: number): string {
  return number.toLocaleString("en-US");
}
