/**
 * `esptool`, the program that reads and writes a chip's flash over a serial port. ESP-IDF brings it, and it can be had
 * without ESP-IDF (`pip install esptool`).
 */
import process from "node:process";
import { run } from "./build.ts";
import { onPath } from "./toolchain.ts";

/** Version 5 and later, and its name before. Version 5 also knows the older names of its commands. */
const NAMES = ["esptool", "esptool.py"];

/** Runs esptool and shows what it says. Throws an Error of one sentence when it is missing or fails. */
export function esptool(chip: string, port: string | undefined, words: string[]): void {
  const path = process.env.PATH ?? "";
  const name = NAMES.find((known) => onPath(known, path));
  if (name === undefined) {
    throw new Error("esptool is not on the path: install it (pip install esptool), or run ESP-IDF's export.sh here.");
  }
  run(name, ["--chip", chip, ...(port === undefined ? [] : ["--port", port]), ...words], process.env);
}
