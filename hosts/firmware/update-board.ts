/**
 * `npm run update`: gives a board with two app partitions a new image over its line, and waits until the new firmware
 * has proved itself (docs/update.md). The board keeps its Drops and its settings.
 *
 * Nothing is sent before the image was found whole and for this board. Whatever fails, the board goes on with the
 * firmware that it has, or goes back to it.
 */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SerialPort } from "serialport";
import { LINE_BAUD } from "../../modules/dongle/message.ts";
import { UPDATE_VERSION } from "../../modules/update/message.ts";
import { type UpdateFailure, UpdateHost } from "../../modules/update/update-host.ts";
import { portSentence } from "../radio/port-sentence.ts";
import { APP_FILE, type BuildManifest, MANIFEST_FILE } from "./build-manifest.ts";
import { readImage } from "./image.ts";
import { NewFirmware } from "./new-firmware.ts";

const TURN_MS = 5;
/** Pulling EN low for this long resets every board. */
const RESET_MS = 100;
/** A board on trial has a minute, and some seconds to start twice. */
const PROOF_MS = 90_000;
const REOPEN_MS = 200;
/** Bytes that the kernel has not taken yet. */
const PENDING_BYTES_MAX = 4_096;

export interface UpdateOptions {
  /** The folder of the image and its manifest. */
  folder: string;
  port: string;
  say(line: string): void;
}

export async function updateBoard({ folder, port: path, say }: UpdateOptions): Promise<void> {
  const manifest = manifestIn(folder);
  const file = join(folder, APP_FILE);
  const bytes = readFileSync(file);
  const { chip, sizeBytes, digest } = readImage(bytes, file);
  const image = Uint8Array.from(bytes.subarray(0, sizeBytes));
  const line = await Line.open(path);
  try {
    const session = randomBytes(4).readUInt32LE() || 1;
    const host = new UpdateHost({ line, clock: { now }, session, image, facts: { chip, sizeBytes, digest } });
    say(`Calling the board on ${path}. If it does not answer, press RESET.`);
    await line.reset();
    await sendImage(line, host, manifest, say);
    if (host.failure !== undefined) throw new Error(sentenceOf(host.failure, host, manifest, path));
    say("The board has the image, found it whole, and starts it. Waiting for its first beacon.");
    await waitForProof(line, manifest.firmware, host.board!.firmware, say);
  } finally {
    line.close();
  }
}

function manifestIn(folder: string): BuildManifest {
  const path = join(folder, MANIFEST_FILE);
  if (!existsSync(path) || !existsSync(join(folder, APP_FILE))) {
    throw new Error(`${folder} has no image: build one with npm run firmware -- --flash 8MB, and name its --board.`);
  }
  const manifest = JSON.parse(readFileSync(path, "utf8")) as BuildManifest;
  if (manifest.faults.length > 0) throw new Error(`This image is not given to a board. ${manifest.faults.join(" ")}`);
  return manifest;
}

async function sendImage(
  line: Line,
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

/** Rejects with a sentence when the board went back, or does not say that the new firmware stays. */
async function waitForProof(line: Line, firmware: string, before: string, say: UpdateOptions["say"]): Promise<void> {
  const watch = new NewFirmware({ line, clock: { now }, firmware, before });
  line.onBytes = (bytes) => watch.receive(bytes);
  for (const endMs = now() + PROOF_MS; now() < endMs; await sleep(TURN_MS)) {
    await line.keepOpen();
    watch.turn();
    if (watch.state === "stays") {
      say(`The board runs ${firmware}, and keeps it.`);
      return;
    }
    if (watch.state === "back") {
      throw new Error(
        `${firmware} did not reach its first beacon, and the board went back to ${before.split(" ")[0]}.`,
      );
    }
  }
  throw new Error(
    `The board took ${firmware}, and has not said since that it works: see npm run monitor. Unless it sends a beacon, the board goes back by itself.`,
  );
}

function sentenceOf(failure: UpdateFailure, host: UpdateHost, { board }: BuildManifest, path: string): string {
  const stays = "The board goes on with the firmware that it has.";
  switch (failure) {
    case "silent":
      return `No board with two app partitions answers on ${path}: press RESET and try again, or use npm run flash for a board with 4 MB of flash.`;
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

/** The port, as both ends of an update and of a dongle write to it. */
class Line {
  onBytes: (bytes: Buffer) => void = () => {};
  readonly #path: string;
  #port: SerialPort | undefined;

  private constructor(path: string) {
    this.#path = path;
  }

  static async open(path: string): Promise<Line> {
    const line = new Line(path);
    await line.#open();
    return line;
  }

  write(bytes: Uint8Array, offset: number, lengthBytes: number): number {
    const port = this.#port;
    if (port === undefined) return 0;
    const taken = Math.max(0, Math.min(lengthBytes, PENDING_BYTES_MAX - port.writableLength));
    if (taken > 0) port.write(Buffer.from(bytes.subarray(offset, offset + taken)));
    return taken;
  }

  /** By the lines that reset a board: RTS pulls EN low, DTR leaves BOOT alone. A line without them stays as it is. */
  async reset(): Promise<void> {
    for (const rts of [true, false]) {
      await new Promise<void>((resolve) => {
        if (this.#port === undefined) resolve();
        else this.#port.set({ dtr: false, rts }, () => resolve());
      });
      await sleep(rts ? RESET_MS : 0);
    }
  }

  /** Opens the port again when the board took it away. */
  async keepOpen(): Promise<void> {
    if (this.#port !== undefined) return;
    await this.#open().catch(() => sleep(REOPEN_MS));
  }

  close(): void {
    this.#port?.close(() => {});
    this.#port = undefined;
  }

  #open(): Promise<void> {
    return new Promise((resolve, reject) => {
      const port = new SerialPort({ path: this.#path, baudRate: LINE_BAUD, autoOpen: false, hupcl: false });
      const gone = (): void => {
        if (this.#port === port) this.#port = undefined;
      };
      port.on("error", gone);
      port.on("close", gone);
      port.on("data", (bytes: Buffer) => this.onBytes(bytes));
      port.open((error) => {
        if (error) return reject(new Error(portSentence(this.#path, "board", error)));
        this.#port = port;
        resolve();
      });
    });
  }
}

function now(): number {
  return Math.floor(performance.now());
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
