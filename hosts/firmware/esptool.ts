/**
 * `esptool`, the program that reads and writes a chip's flash over a serial port. ESP-IDF brings it, and it can be had
 * without ESP-IDF (`pip install esptool`).
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { hex } from "./partitions.ts";
import { run } from "./run.ts";
import { onPath } from "./toolchain.ts";

/** Version 5 and later, and its name before. Version 5 also knows the older names of its commands. */
const NAMES = ["esptool", "esptool.py"];

/** Runs esptool and shows what it says. Throws an Error of one sentence when it is missing or fails. */
export function esptool(chip: string, port: string | undefined, words: string[]): void {
  run(programName(), ["--chip", chip, ...portWords(port), ...words], process.env);
}

export interface FlashPart {
  offset: number;
  sizeBytes: number;
}

/** Reads a part of a chip's flash. `speed` are words for esptool. */
export function readFlash(
  chip: string,
  port: string | undefined,
  { offset, sizeBytes }: FlashPart,
  speed: string[] = [],
): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "throwie-flash-"));
  const file = join(folder, "read");
  try {
    esptool(chip, port, [...speed, "read_flash", hex(offset), hex(sizeBytes), file]);
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export interface FoundChip {
  /** As the maker writes it. */
  name: string;
  /** The board of targets/ that has this chip, or the chip's name in that form. */
  board: string;
  /** Such as "4MB". Undefined: esptool does not know this flash. */
  flash: string | undefined;
  /** The chip's address, by which two boards can be told apart. Undefined: esptool did not say. */
  address: string | undefined;
}

/**
 * Asks the chip's loader which chip it is. The board restarts. Throws an Error of one sentence when no chip answers.
 */
export function findChip(port: string | undefined): FoundChip {
  const { stdout, stderr, error } = spawnSync(programName(), ["--chip", "auto", ...portWords(port), "flash_id"], {
    encoding: "utf8",
  });
  if (error !== undefined) throw new Error(`esptool did not start: ${error.message}`);
  const found = chipIn(stdout);
  if (found !== undefined) return found;
  const said = `${stdout}\n${stderr}`.trim().split("\n").at(-1) ?? "";
  throw new Error(
    `No chip answers${port === undefined ? "" : ` on ${port}`} (${said}): plug the board in; if that does not help, hold BOOT, press RESET, and let go.`,
  );
}

/**
 * The chip in what esptool says. Version 4 says "Detecting chip type... ESP32-C3", version 5 "Connected to ESP32-C3 on
 * ...". Both then describe the chip, with names such as ESP32-D0WD-V3 or ESP8685 that do not tell the family.
 */
export function chipIn(said: string): FoundChip | undefined {
  const family = [...said.matchAll(/(?:^Connected to|Detecting chip type\.\.\.) (ESP[\w-]+)/gm)].at(-1)?.[1];
  if (family === undefined) return undefined;
  const name = /^Chip (?:is|type:) +(?:Unknown )?(ESP\S+)/m.exec(said)?.[1] ?? family;
  const flash = /^Detected flash size: +(\d+[KM]B)/m.exec(said)?.[1];
  return {
    name: name.startsWith(family) ? name : `${family} (${name})`,
    board: family.toLowerCase().replace("-", ""),
    flash,
    address: /^(?:BASE )?MAC: +([0-9a-f:]{17})/m.exec(said)?.[1],
  };
}

function programName(): string {
  const path = process.env.PATH ?? "";
  const name = NAMES.find((known) => onPath(known, path));
  if (name !== undefined) return name;
  throw new Error("esptool is not on the path: install it (pip install esptool), or run ESP-IDF's export.sh here.");
}

function portWords(port: string | undefined): string[] {
  return port === undefined ? [] : ["--port", port];
}
