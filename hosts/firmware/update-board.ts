/**
 * `npm run update -- --flash 8MB`: gives a board with two app partitions a new image over its line, and waits until the
 * new firmware has proved itself (docs/update.md). The board keeps its Drops and its settings.
 *
 * Nothing is sent before the image was found whole and for this board. Whatever fails, the board goes on with the
 * firmware that it has, or goes back to it.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UPDATE_VERSION } from "../../modules/update/message.ts";
import { type UpdateFailure, UpdateHost } from "../../modules/update/update-host.ts";
import { BoardLine, now } from "./board-line.ts";
import { APP_FILE, type BuildManifest } from "./build-manifest.ts";
import { checkedManifest } from "./flash-image.ts";
import { readImage } from "./image.ts";
import { NEWER_STORE, waitForProof } from "./new-firmware.ts";

const TURN_MS = 5;

export interface UpdateOptions {
  /** The folder of the image and its manifest. */
  folder: string;
  port: string;
  /** Until the first beacon. A board on trial goes back after a minute, and has to start again then. */
  patienceMs: number;
  say(line: string): void;
}

export async function updateBoard({ folder, port: path, patienceMs, say }: UpdateOptions): Promise<void> {
  const manifest = checkedManifest(folder);
  const file = join(folder, APP_FILE);
  const bytes = readFileSync(file);
  const { chip, sizeBytes, digest } = readImage(bytes, file);
  const image = Uint8Array.from(bytes.subarray(0, sizeBytes));
  const line = await BoardLine.open(path);
  try {
    const session = randomBytes(4).readUInt32LE() || 1;
    const host = new UpdateHost({ line, clock: { now }, session, image, facts: { chip, sizeBytes, digest } });
    say(`Calling the board on ${path}. If it does not answer, press RESET.`);
    await line.reset();
    await sendImage(line, host, manifest, say);
    if (host.failure !== undefined) throw new Error(sentenceOf(host.failure, host, manifest, path));
    say("The board has the image, found it whole, and starts it. Waiting for its first beacon.");
    const { firmware } = manifest;
    const before = host.board!.firmware.split(" ")[0]!;
    const proof = await waitForProof(line, { manifest, before, patienceMs });
    if (proof === "back")
      throw new Error(
        `${firmware} did not reach its first beacon, and the board went back to ${before}. ${NEWER_STORE}`,
      );
    if (proof === "unknown") {
      throw new Error(
        `The board took ${firmware}, and has not said since that it works: see npm run monitor. Unless it sends a beacon, or as a dongle hears its host, the board goes back by itself.`,
      );
    }
    say(`The board runs ${firmware}, and keeps it.`);
  } finally {
    line.close();
  }
}

async function sendImage(
  line: BoardLine,
  host: UpdateHost,
  manifest: BuildManifest,
  say: UpdateOptions["say"],
): Promise<void> {
  let told = -1;
  let met = false;
  line.onBytes = (bytes) => host.receive(bytes, bytes.length);
  while (host.state !== "done" && host.state !== "failed") {
    host.turn();
    if (host.board !== undefined && !met) {
      met = true;
      say(`The board has ${host.board.firmware || "a firmware that does not name itself"}.`);
      say(`Sending ${manifest.firmware}, ${host.written} of ${manifest.app.sizeBytes} bytes.`);
    }
    const tenth = Math.floor((10 * host.written) / manifest.app.sizeBytes);
    if (host.written > 0 && tenth > told) say(`${10 * tenth} %`);
    told = Math.max(told, tenth);
    await sleep(TURN_MS);
  }
}

function sentenceOf(failure: UpdateFailure, host: UpdateHost, { board }: BuildManifest, path: string): string {
  const stays = "The board goes on with the firmware that it has.";
  switch (failure) {
    case "silent":
      return `No board with two app partitions answers on ${path}: press RESET and try again, or leave out --flash 8MB for a board with 4 MB.`;
    case "cut":
      return `The board fell silent after ${host.written} bytes: check the cable and try again. ${stays}`;
    case "version":
      return `The board's firmware takes updates of another version than ${UPDATE_VERSION}: use npm run flash once. ${stays}`;
    case "chip":
      return `The image is for ${board}, and the board has another chip: give the --board that it is. ${stays}`;
    case "size":
      return `The image does not fit into the ${host.board!.room} bytes of the board's partition: use npm run flash. ${stays}`;
    case "flash":
      return `The board's flash failed after ${host.written} bytes: try again, and replace the board if that comes again. ${stays}`;
    case "digest":
      return `The image did not arrive whole: try again. ${stays}`;
    case "loader":
      return `The board's boot loader does not take this image: build it again with this version's settings. ${stays}`;
    case "trial":
      return `The board's last update has not sent its first beacon yet: wait a minute, then try again. ${stays}`;
  }
}
