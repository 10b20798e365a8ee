/**
 * The settings that hold on this board: the build's `config`, and over it what an operator wrote into the settings
 * partition (docs/settings.md).
 *
 * Nobody may be there to read a crash, so a board starts with whatever can be used, and its log says the rest. Without
 * a whole copy the build's settings hold. A key that this firmware does not know, and a value that it does not
 * understand, leave the build's value of that one setting. Only the build's own `config` can stop the start
 * (settings.ts).
 *
 * A board never writes the partition. So no board loses settings by a power cut of its own.
 */
import type { Flash } from "../store/flash.ts";
import { Partition } from "./partition.ts";
import { faultOf, OPERATOR_KEYS, type Settings, settings } from "./settings.ts";
import { holding, readCopy, SETTINGS_COPY_BYTES, type SettingLine, type SettingsCopy } from "./settings-copy.ts";

export interface SettingsOfBoard {
  chosen: Settings;
  /** What the log says of them, a line each. */
  report: string[];
}

export function settingsOfBoard(config: Record<string, unknown>): SettingsOfBoard {
  const copies = copiesOnBoard();
  const held = copies[holding(copies)];
  if (held === undefined) {
    return { chosen: settings(config), report: [`${whyNone(copies)}: the build's settings hold`] };
  }
  const { sequence, lines } = held;
  const report = [`settings ${sequence}: ${lines.map(textOf).join(", ") || "none chosen"}`];
  for (const copy of copies) {
    if (copy.state === "newer") report.push("one copy of the settings was written for a newer firmware");
    else if (copy.sequence !== sequence)
      report.push("one copy of the settings is old or damaged: write the settings again");
  }
  const chosen = { ...config };
  for (const { key, value } of lines) {
    const known = OPERATOR_KEYS.find((name) => name === key);
    const fault = known === undefined ? "" : faultOf(known, value);
    if (known === undefined) report.push(`this firmware knows no setting ${key}, and ignores it`);
    else if (fault !== "") report.push(`${fault}: the build's ${config[key]} holds`);
    else chosen[key] = value;
  }
  return { chosen: settings(chosen), report };
}

function textOf({ key, value }: SettingLine): string {
  return `${key}=${value}`;
}

function whyNone(copies: readonly SettingsCopy[]): string {
  for (const { state } of copies) {
    if (state === "newer") return "the settings were written for a newer firmware";
    if (state === "damaged") return "the settings are damaged";
  }
  return "nobody wrote settings";
}

function copiesOnBoard(): SettingsCopy[] {
  let flash: Flash;
  try {
    flash = new Partition("settings");
  } catch {
    // An image that was written over an older one, whose partition table has no settings.
    return [];
  }
  const copies: SettingsCopy[] = [];
  const bytes = new Uint8Array(SETTINGS_COPY_BYTES);
  for (let address = 0; address < flash.sizeBytes; address += flash.sectorSizeBytes) {
    flash.read(address, bytes, 0, SETTINGS_COPY_BYTES);
    copies.push(readCopy(bytes));
  }
  return copies;
}
