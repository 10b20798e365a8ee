/**
 * What to write into a board's settings partition, and in which order (docs/settings.md, "Writing").
 *
 * The sector whose copy does not hold is written first, and the other one only then. So at every moment one sector has
 * a whole copy, and a power cut leaves the settings before or the settings after.
 *
 * Settings that are not given stay as they are, also those that this version does not know. The command line, the page
 * of a release and the tests use this code; it needs nothing of Node.
 */
import { faultOf, OPERATOR_KEYS } from "../../modules/board/settings.ts";
import {
  holding,
  readCopy,
  type SettingLine,
  type SettingsCopy,
  writeCopy,
} from "../../modules/board/settings-copy.ts";

export const SETTINGS_SECTOR_BYTES = 4096;
export const SETTINGS_PARTITION_BYTES = 2 * SETTINGS_SECTOR_BYTES;
const SEQUENCE_MAX = 0xffff_ffff;

export interface SettingsWrite {
  /** The contents of both sectors. */
  sector: Uint8Array;
  /** The numbers of the sectors, in the order in which they must be written. */
  order: number[];
}

/** An empty value means: not this setting any more, but the build's. Throws an Error of one sentence. */
export function settingsWrite(partition: Uint8Array, change: readonly SettingLine[]): SettingsWrite {
  for (const { key, value } of change) {
    const known = OPERATOR_KEYS.find((name) => name === key);
    if (known === undefined) {
      throw new Error(`${key} is no setting that a board keeps; it must be one of ${OPERATOR_KEYS.join(", ")}.`);
    }
    const fault = value === "" ? "" : faultOf(known, value);
    if (fault !== "") throw new Error(`${fault}.`);
  }
  const copies = copiesOf(partition);
  if (copies.some(({ state }) => state === "newer")) {
    throw new Error("The board's settings were written for a newer firmware; write them with its version of Throwie.");
  }
  const held = holding(copies);
  const settled = new Map(held < 0 ? [] : copies[held]!.lines.map(({ key, value }) => [key, value]));
  for (const { key, value } of change) {
    if (value === "") settled.delete(key);
    else settled.set(key, value);
  }
  const before = held < 0 ? 0 : copies[held]!.sequence;
  const sequence = before === SEQUENCE_MAX ? 1 : before + 1;
  const sector = new Uint8Array(SETTINGS_SECTOR_BYTES).fill(0xff);
  const lines = [...settled].map(([key, value]) => ({ key, value }));
  try {
    sector.set(writeCopy(sequence, lines));
  } catch (error) {
    throw new Error(`${(error as Error).message}.`);
  }
  // When both copies are the same, `holding` names the first sector, and either may be written first.
  const same = copies[0]!.sequence === copies[1]!.sequence;
  return { sector, order: held === 0 && !same ? [1, 0] : [0, 1] };
}

/** A whole partition, both sectors of which are written. */
export function imageOf(sector: Uint8Array): Uint8Array {
  const image = new Uint8Array(SETTINGS_PARTITION_BYTES);
  image.set(sector);
  image.set(sector, SETTINGS_SECTOR_BYTES);
  return image;
}

/** The settings that a partition holds. Empty when no copy is whole. */
export function settingLines(partition: Uint8Array): SettingLine[] {
  return heldIn(partition)?.lines ?? [];
}

/** The settings that a partition holds, in words. */
export function settingsOn(partition: Uint8Array): string {
  const held = heldIn(partition);
  if (held === undefined) return "no settings that hold, so the build's hold";
  const text = held.lines.map(({ key, value }) => `${key}=${value}`).join(", ") || "none, so the build's hold";
  return `settings ${held.sequence}: ${text}`;
}

function heldIn(partition: Uint8Array): SettingsCopy | undefined {
  const copies = copiesOf(partition);
  return copies[holding(copies)];
}

function copiesOf(partition: Uint8Array): SettingsCopy[] {
  return [0, 1].map((sector) => readCopy(partition.subarray(sector * SETTINGS_SECTOR_BYTES)));
}
