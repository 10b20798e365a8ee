/**
 * `npm run update` for a board with one app partition (docs/update.md): saves the image and the Drops that the board
 * has, writes the new image with esptool, and writes the saved ones back when the new firmware does not reach its first
 * beacon. The Drops belong to the image: a new firmware may have brought the store to a format that the one before does
 * not read.
 *
 * What was saved stays on this computer until one firmware has proved itself or the board has what was saved again. So
 * an update that was interrupted in the middle, whose board starts nothing, goes on when the same command is given
 * again. Refuses a board with two app partitions, whose table would be lost.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BoardLine } from "./board-line.ts";
import { tableOf } from "./build.ts";
import { APP_FILE, type BuildManifest } from "./build-manifest.ts";
import { esptool, type FlashPart, readFlash } from "./esptool.ts";
import { checkChip, checkedManifest, checkFiles, FLASH_BAUD, writeImage } from "./flash-image.ts";
import { readImage } from "./image.ts";
import { NEWER_STORE, waitForProof } from "./new-firmware.ts";
import { hex, namesInFlash, partitionNamed, partitionsOf, TABLE_AT, TABLE_BYTES } from "./partitions.ts";
import type { UpdateOptions } from "./update-board.ts";

export interface CableUpdate extends UpdateOptions {
  /** Where images and Drops are saved. */
  savedIn: string;
}

const SECTOR_BYTES = 4_096;
const SPEED = ["--baud", String(FLASH_BAUD)];

export async function updateByCable({ folder, port, patienceMs, say, savedIn }: CableUpdate): Promise<void> {
  const manifest = checkedManifest(folder);
  checkFiles(folder, manifest);
  const { address } = checkChip(manifest, port);
  checkTable(manifest, port);
  const saved = new Saved(savedIn, address);
  say("Saving the image and the Drops that the board has.");
  const before = imageIn(readFlash(manifest.board, port, appOf(manifest), SPEED));
  const already = before?.equals(imageIn(readFileSync(join(folder, APP_FILE)))!) === true;
  // After an update that was interrupted, the board holds half an image, or the new one: what was saved counts.
  if (already) saved.dropsHaveChanged();
  else if (before !== undefined) saved.keep(before, readFlash(manifest.board, port, dropsOf(manifest), SPEED));
  const where = (): string => (saved.holds ? ` The image before is in ${saved.image}.` : "");
  const written = (write: () => void): void => {
    try {
      write();
    } catch (error) {
      throw new Error(`${(error as Error).message} Plug the board in, and give the same command again.${where()}`);
    }
  };
  written(() => writeImage(folder, manifest, port));
  say("Waiting for the first beacon of the new firmware.");
  const { firmware } = manifest;
  if ((await proofOf(port, manifest, patienceMs)) === "works") {
    saved.remove();
    say(`The board runs ${firmware}.`);
    return;
  }
  const missed = `${firmware} did not reach its first beacon, and the board`;
  if (already) throw new Error(`${missed} had this image before, so it keeps it: see npm run monitor.${where()}`);
  if (!saved.holds) throw new Error(`${missed} had no whole image to go back to.`);
  const hint = saved.holdsDrops ? "" : ` ${NEWER_STORE}`;
  written(() => saved.writeBack(manifest, port));
  saved.remove();
  throw new Error(`${missed} has its image before again.${hint}`);
}

function checkTable({ board }: BuildManifest, port: string): void {
  const table = readFlash(board, port, { offset: TABLE_AT, sizeBytes: TABLE_BYTES }, SPEED);
  if (!namesInFlash(table).includes("otadata")) return;
  throw new Error(
    "The board has two app partitions, and the image is for one: build and update with --flash 8MB. Nothing was written.",
  );
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

/** The files of what one board had before its update. */
class Saved {
  readonly image: string;
  readonly #drops: string;

  constructor(folder: string, address: string | undefined) {
    if (address === undefined) {
      throw new Error(
        "esptool did not say the chip's address, by which the board's image is saved: install a newer esptool, or use npm run flash. Nothing was written.",
      );
    }
    mkdirSync(folder, { recursive: true });
    const name = address.replaceAll(":", "");
    this.image = join(folder, `${name}.bin`);
    this.#drops = join(folder, `${name}.drops`);
  }

  get holds(): boolean {
    return existsSync(this.image);
  }

  get holdsDrops(): boolean {
    return existsSync(this.#drops);
  }

  keep(image: Uint8Array, drops: Uint8Array): void {
    this.remove();
    writeFileSync(this.#drops, drops);
    writeFileSync(this.image, image);
  }

  /** The board ran since its Drops were saved. The saved ones would overwrite what it got since then. */
  dropsHaveChanged(): void {
    rmSync(this.#drops, { force: true });
  }

  /** From its first step to its last the board has no whole image. So when it is interrupted, what was saved counts. */
  writeBack(manifest: BuildManifest, port: string): void {
    const app = hex(appOf(manifest).offset);
    const act = (...words: string[]): void => esptool(manifest.board, port, [...SPEED, ...words]);
    if (this.holdsDrops) {
      act("erase_region", app, hex(SECTOR_BYTES));
      act("write_flash", hex(dropsOf(manifest).offset), this.#drops);
    }
    act("write_flash", app, this.image);
  }

  remove(): void {
    rmSync(this.image, { force: true });
    this.dropsHaveChanged();
  }
}

/** The whole image in bytes that may have more after it. */
function imageIn(bytes: Buffer): Buffer | undefined {
  try {
    return bytes.subarray(0, readImage(bytes, "the board's image").sizeBytes);
  } catch {
    return undefined;
  }
}

function appOf({ files, app }: BuildManifest): FlashPart {
  return { offset: files.find(({ name }) => name === APP_FILE)!.offset, sizeBytes: app.partitionBytes };
}

function dropsOf({ board }: BuildManifest): FlashPart {
  return partitionNamed(partitionsOf(tableOf(board, "4MB")), "drops");
}
