/**
 * The settings of a build, checked before anything is built, by the same code that checks them on the board
 * (modules/board/settings.ts). A wrong setting on a board that is out of reach is hard to correct.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CPU_CLOCKS_MHZ, settings } from "../../modules/board/settings.ts";
import { packageFolder } from "../machine/folders.ts";

interface Configured {
  config?: Record<string, unknown>;
  platforms?: Record<string, Configured>;
}

function read(path: string): Configured {
  return JSON.parse(readFileSync(join(packageFolder(), path), "utf8"));
}

/** What the board's own manifest sets. */
function configOf(board: string): Record<string, unknown> {
  const own =
    board === "lin" ? read("modules/board/manifest.json").platforms?.lin : read(`targets/${board}/manifest.json`);
  return own?.config ?? {};
}

/** The clock of the fastest setting of each chip. */
const CPU_MHZ_MAX: Record<string, number> = { esp32: 240, esp32c3: 160, esp32s3: 240, lin: 240 };

export function keyAndValue(setting: string): [key: string, value: string] {
  const at = setting.indexOf("=");
  if (at < 0) throw new Error(`${setting} is no setting; it must be key=value.`);
  return [setting.slice(0, at), setting.slice(at + 1)];
}

/**
 * All settings of a build with their values. `board` is a name of targets/, or "lin"; `given` are `key=value`. Throws
 * an Error of one sentence when the board would refuse a setting.
 */
export function checkSettings(board: string, given: string[]): Record<string, unknown> {
  const own = configOf(board);
  const config: Record<string, unknown> = { ...read("manifest.json").config, ...own };
  const known = Object.keys(config);
  for (const setting of given) {
    const [key, value] = keyAndValue(setting);
    if (!known.includes(key)) throw new Error(`There is no setting ${key}; it must be one of ${known.join(", ")}.`);
    config[key] = value;
  }
  try {
    settings(config);
  } catch (error) {
    throw new Error(`${(error as Error).message}.`);
  }
  if (config.port === "usb" && own.port !== "usb") {
    throw new Error(`port is usb, but the chip of ${board} has no USB of its own; it must be uart.`);
  }
  const mhzMax = CPU_MHZ_MAX[board]!;
  if (Number(config.cpu) > mhzMax) {
    const clocks = CPU_CLOCKS_MHZ.filter((mhz) => mhz <= mhzMax).join(", ");
    throw new Error(`cpu is ${config.cpu}, but the chip of ${board} is slower; it must be one of ${clocks}.`);
  }
  return config;
}
