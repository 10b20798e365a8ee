/**
 * `npm run flash -- --settings key=value ...`: changes the settings of a board, or of a file that is a board's settings
 * partition, as `lin` has one. Nothing else on the board is read or written.
 *
 * Without key=value, it shows the settings and writes nothing. What a board would refuse is refused before the board is
 * touched.
 */
import {
  closeSync,
  existsSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemSentence } from "../machine/system-error.ts";
import { boards, tableOf } from "./build.ts";
import { keyAndValue } from "./configuration.ts";
import { esptool, findChip, readFlash } from "./esptool.ts";
import { hex, partitionNamed, partitionsOf } from "./partitions.ts";
import {
  imageOf,
  SETTINGS_PARTITION_BYTES,
  SETTINGS_SECTOR_BYTES,
  settingsOn,
  settingsWrite,
} from "./settings-writer.ts";

/** A settings partition within reach. */
interface Place {
  /** As a sentence names it. */
  name: string;
  read(): Uint8Array;
  /** Returns when the sector is written for good: the next sector may only be touched then. */
  write(sector: number, bytes: Uint8Array): void;
}

export interface SettingsOptions {
  port?: string;
  /** A file instead of a board. */
  file?: string;
}

export function settingsCommand({ port, file }: SettingsOptions, given: string[]): void {
  const change = given.map((setting) => {
    const [key, value] = keyAndValue(setting);
    return { key, value };
  });
  settingsWrite(new Uint8Array(SETTINGS_PARTITION_BYTES).fill(0xff), change);
  const place = file === undefined ? onBoard(port) : inFile(file);
  const partition = place.read();
  if (change.length === 0) {
    console.log(`In ${place.name}: ${settingsOn(partition)}.`);
    return;
  }
  const { sector, order } = settingsWrite(partition, change);
  console.log(`Writing to ${place.name}, and nothing else: ${settingsOn(imageOf(sector))}.`);
  for (const number of order) place.write(number, sector);
  console.log("Both copies are written.");
}

/** The partition lies on each chip where its own table has it, so the chip is asked first. */
function onBoard(port: string | undefined): Place {
  const { name, board } = findChip(port);
  if (!boards().includes(board)) {
    throw new Error(`The chip is ${name}, and no firmware is for it: plug in one of ${boards().join(", ")}.`);
  }
  const { offset } = partitionNamed(partitionsOf(tableOf(board, "4MB")), "settings");
  return {
    name: `the partition settings of the ${name} at ${hex(offset)}`,
    read: () => readFlash(board, port, { offset, sizeBytes: SETTINGS_PARTITION_BYTES }),
    write(number, bytes) {
      const folder = mkdtempSync(join(tmpdir(), "throwie-settings-"));
      try {
        const path = join(folder, "settings");
        writeFileSync(path, bytes);
        esptool(board, port, ["write_flash", hex(offset + number * SETTINGS_SECTOR_BYTES), path]);
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  };
}

function inFile(path: string): Place {
  const told = <T>(act: () => T): T => {
    try {
      return act();
    } catch (error) {
      throw new Error(systemSentence(error, path) ?? (error as Error).message);
    }
  };
  return {
    name: path,
    read() {
      if (!existsSync(path)) return new Uint8Array(SETTINGS_PARTITION_BYTES).fill(0xff);
      const bytes = told(() => readFileSync(path));
      if (bytes.length === SETTINGS_PARTITION_BYTES) return bytes;
      throw new Error(
        `${path} is no settings partition: it has ${bytes.length} bytes, and a partition has ${SETTINGS_PARTITION_BYTES}; name another file.`,
      );
    },
    write: (number, bytes) =>
      told(() => {
        // A new file is a new partition: the sector that is not written yet is erased.
        if (!existsSync(path))
          writeFileSync(path, new Uint8Array(SETTINGS_PARTITION_BYTES).fill(0xff), { mode: 0o600 });
        const file = openSync(path, "r+");
        try {
          writeSync(file, bytes, 0, bytes.length, number * SETTINGS_SECTOR_BYTES);
          fdatasyncSync(file);
        } finally {
          closeSync(file);
        }
      }),
  };
}
