/**
 * `npm run update` for a board with one app partition (docs/update.md): saves the image that the board has, writes the
 * new one with esptool, and writes the old one back when the new firmware does not reach its first beacon.
 *
 * The saved image stays on this computer until the next update of this board saves another. So an update that was
 * interrupted in the middle, whose board starts nothing, goes on when the same command is given again. Nothing but the
 * program, the boot loader and the partition table is written.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BoardLine } from "./board-line.ts";
import { APP_FILE, type BuildManifest } from "./build-manifest.ts";
import { esptool, type FoundChip } from "./esptool.ts";
import { checkChip, checkedManifest, checkFiles, FLASH_BAUD, writeImage } from "./flash-image.ts";
import { readImage } from "./image.ts";
import { waitForProof } from "./new-firmware.ts";
import type { UpdateOptions } from "./update-board.ts";

export interface CableUpdate extends UpdateOptions {
  /** Where images are saved. */
  savedIn: string;
}

export async function updateByCable(update: CableUpdate): Promise<void> {
  const { folder, port, patienceMs, say } = update;
  const manifest = checkedManifest(folder);
  checkFiles(folder, manifest);
  const saved = saveBefore(manifest, checkChip(manifest, port), update);
  const instead = saved === undefined ? "" : ` The image before is in ${saved}.`;
  try {
    writeImage(folder, manifest, port);
  } catch (error) {
    throw new Error(`${(error as Error).message} Plug the board in, and give the same command again.${instead}`);
  }
  say("Waiting for the first beacon of the new firmware.");
  const { firmware } = manifest;
  if ((await proofOf(port, manifest, patienceMs)) === "works") {
    say(`The board runs ${firmware}.`);
    return;
  }
  if (saved === undefined) {
    throw new Error(`${firmware} did not reach its first beacon, and the board had no whole image to go back to.`);
  }
  esptool(manifest.board, port, ["--baud", String(FLASH_BAUD), "write_flash", hex(appOf(manifest).offset), saved]);
  throw new Error(`${firmware} did not reach its first beacon, and the board has its image before again.`);
}

async function proofOf(port: string, manifest: BuildManifest, patienceMs: number): Promise<string> {
  const line = await BoardLine.open(port);
  try {
    await line.reset();
    return await waitForProof(line, { manifest, before: "", patienceMs });
  } finally {
    line.close();
  }
}

/** Returns the file of the image to go back to. Undefined: there is none. */
function saveBefore(
  manifest: BuildManifest,
  { address }: FoundChip,
  { folder, port, savedIn, say }: CableUpdate,
): string | undefined {
  mkdirSync(savedIn, { recursive: true });
  const file = join(savedIn, `${address?.replaceAll(":", "") ?? manifest.board}.bin`);
  const read = `${file}.read`;
  try {
    say("Saving the image that the board has.");
    const { offset } = appOf(manifest);
    const size = hex(manifest.app.partitionBytes);
    esptool(manifest.board, port, ["--baud", String(FLASH_BAUD), "read_flash", hex(offset), size, read]);
    const before = imageIn(read);
    // After an update that was interrupted, the board holds half an image, or the new one: what was saved counts.
    if (before !== undefined && !before.equals(imageIn(join(folder, APP_FILE))!)) writeFileSync(file, before);
  } finally {
    rmSync(read, { force: true });
  }
  return existsSync(file) ? file : undefined;
}

/** The whole image in a file that may have more after it. */
function imageIn(path: string): Buffer | undefined {
  const bytes = readFileSync(path);
  try {
    return bytes.subarray(0, readImage(bytes, path).sizeBytes);
  } catch {
    return undefined;
  }
}

function appOf({ files }: BuildManifest): { offset: number } {
  return files.find(({ name }) => name === APP_FILE)!;
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
