/**
 * `npm run flash`: writes an image that `npm run firmware` built to a board. The board keeps its Drops.
 *
 * Nothing is written before the chip and its flash were found to be those of the image, and before the files were found
 * to be those of the image's manifest. Only the program, the boot loader and the partition table are written.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type BuildManifest, MANIFEST_FILE } from "./build-manifest.ts";
import { esptool, type FoundChip, findChip } from "./esptool.ts";
import { chipNumber } from "./image.ts";

/** `folder` is where the build left the image. `config` are settings that the image must have. */
export function flashImage(folder: string, port: string | undefined, config: Record<string, unknown>): void {
  const manifest = checkedManifest(folder);
  checkSettingsOf(manifest, config);
  checkFiles(folder, manifest);
  checkChip(manifest, port);
  writeImage(folder, manifest, port);
}

/** The manifest beside an image. Throws an Error of one sentence when there is none, or the image breaks a limit. */
export function checkedManifest(folder: string): BuildManifest {
  const path = join(folder, MANIFEST_FILE);
  if (!existsSync(path))
    throw new Error(`${folder} has no image: build one with npm run firmware, and name its --board.`);
  const manifest = JSON.parse(readFileSync(path, "utf8")) as BuildManifest;
  if (manifest.faults.length > 0) throw new Error(`This image is not written to a board. ${manifest.faults.join(" ")}`);
  return manifest;
}

/** Names the chip that is there. Throws an Error of one sentence when the image is not for that chip. */
export function checkChip(manifest: BuildManifest, port: string | undefined): FoundChip {
  const found = findChip(port);
  const where = port === undefined ? "" : ` on ${port}`;
  console.log(`Found ${article(found.name)} with ${found.flash ?? "an unknown size"} of flash${where}.`);
  const refusal = refusalOf(found, manifest);
  if (refusal !== "") throw new Error(`${refusal} Nothing was written.`);
  return found;
}

export function writeImage(folder: string, { board, firmware, files }: BuildManifest, port: string | undefined): void {
  console.log(`Writing ${firmware}.`);
  const places = files.flatMap(({ name, offset }) => [`0x${offset.toString(16)}`, join(folder, name)]);
  esptool(board, port, ["--baud", String(FLASH_BAUD), "write_flash", ...places]);
}

/** Bits per second. Every USB chip of a board does this, and ESP-IDF and the Moddable SDK use no other speed. */
export const FLASH_BAUD = 921_600;

/** Why this image may not be written to this chip, in one sentence. Empty: it may. */
export function refusalOf(found: FoundChip, { board, flash }: Pick<BuildManifest, "board" | "flash">): string {
  if (found.board !== board) {
    const known = chipNumber(found.board) === undefined ? "" : `, or build with --board ${found.board}`;
    return `The chip is ${article(found.name)}, and the image is for ${board}: plug in the other board${known}.`;
  }
  // Every board of targets/ has 4 MB, so a flash that esptool does not know may be written for that.
  if (megabytes(found.flash ?? "4MB") < megabytes(flash)) {
    const has = found.flash === undefined ? "flash of an unknown size" : `${found.flash} of flash`;
    return `The board has ${has}, and the image is for ${flash}: build and flash with --flash 4MB.`;
  }
  return "";
}

function megabytes(size: string): number {
  return Number.parseInt(size, 10) / (size.endsWith("KB") ? 1_024 : 1);
}

function article(name: string): string {
  return /^E/.test(name) ? `an ${name}` : `a ${name}`;
}

function checkSettingsOf({ settings }: BuildManifest, config: Record<string, unknown>): void {
  for (const [key, value] of Object.entries(config)) {
    if (settings[key] === String(value)) continue;
    throw new Error(`The image was built with ${key}=${settings[key]}, not ${key}=${value}: build it again with that.`);
  }
}

export function checkFiles(folder: string, { files }: BuildManifest): void {
  for (const { name, sha256 } of files) {
    const path = join(folder, name);
    if (existsSync(path) && createHash("sha256").update(readFileSync(path)).digest("hex") === sha256) continue;
    throw new Error(`${path} is not the file that the build made: build the image again.`);
  }
}
