/**
 * `npm run update` over a real pseudo-terminal (pty.c). The board's end is the firmware's own, over a chip of the
 * tests' (update-chip.ts), in this process. After the restart the board says what a board says.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import test from "ava";
import { NextImageOnBoard } from "../modules/board/next-image.ts";
import { UpdateBoard } from "../modules/update/update-board.ts";
import { firmwareImage } from "./firmware-image.ts";
import { Chip } from "./update-chip.ts";

const folder = mkdtempSync(join(tmpdir(), "throwie-update-command-"));
test.after.always(() => rmSync(folder, { recursive: true }));
const ptyProgram = join(folder, "pty");
test.before(() => {
  execFileSync("cc", ["-Wall", "-Wextra", "-Werror", "-O1", "-o", ptyProgram, "test/pty.c"]);
});

const OLD = firmwareImage({ segments: [900], fill: 1 });
const OLD_TEXT = "0.1.0+00000000000a role=throwie channel=1";
const NEW = "0.2.0+00000000000b";
let boards = 0;

interface Given {
  chip?: number;
  faults?: string[];
  damaged?: boolean;
  /** What the board's log says when it has restarted with the new image. */
  says?: string[];
  /** Nobody is at the other end. */
  silent?: boolean;
}

interface Ran {
  status: number | null;
  out: string;
  err: string;
  chip: Chip;
  image: Uint8Array;
  outside: string;
}

/** A folder as a build leaves it, with an image for that chip. */
function imageFolder({ chip = 5, faults = [], damaged = false }: Given): { path: string; image: Uint8Array } {
  const path = join(folder, `image-${++boards}`);
  const image = firmwareImage({ chip, segments: [14_000], fill: 2 });
  mkdirSync(path);
  writeFileSync(join(path, "xs_esp32.bin"), damaged ? image.map((byte, i) => (i === 99 ? 0 : byte)) : image);
  const manifest = {
    firmware: NEW,
    board: "esp32c3",
    flash: "8MB",
    settings: { port: "usb" },
    faults,
    app: { sizeBytes: image.length },
  };
  writeFileSync(join(path, "firmware.json"), JSON.stringify(manifest));
  return { path, image };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** A board behind a terminal, which takes an update when it is called and then restarts. */
function playBoard(terminal: ChildProcess, chip: Chip, says: string[]): () => void {
  Object.assign(globalThis, { native: (name: string) => chip.natives[name] });
  const clock = { now: () => Math.floor(performance.now()) };
  const line = {
    write(bytes: Uint8Array, offset: number, lengthBytes: number): number {
      terminal.stdin!.write(bytes.slice(offset, offset + lengthBytes));
      return lengthBytes;
    },
  };
  const start = (): UpdateBoard =>
    new UpdateBoard({ line, clock, next: new NextImageOnBoard(chip.nextFlash), firmware: OLD_TEXT });
  let update = start();
  terminal.stdout!.on("data", (bytes: Buffer) => update.receive(bytes, bytes.length));
  const timer = setInterval(() => {
    update.turn();
    // Someone presses RESET.
    if (update.state === "over") update = start();
    if (update.state !== "chosen") return;
    clearInterval(timer);
    chip.boot();
    terminal.stdin!.write(says.map((text) => `${text}\r\n`).join(""));
  }, 2);
  return () => clearInterval(timer);
}

async function update(given: Given = {}): Promise<Ran> {
  const { path, image } = imageFolder(given);
  const port = join(folder, `port-${boards}`);
  const terminal = spawn(ptyProgram, [port], { stdio: "pipe" });
  await until(() => existsSync(port) && readlinkSync(port) !== "");
  const chip = new Chip();
  chip.write(OLD);
  chip.boot();
  const { outside } = chip;
  const stop = given.silent === true ? () => {} : playBoard(terminal, chip, given.says ?? []);
  const words = ["update", "--port", port, "--image", path];
  const child = spawn(process.execPath, ["build/hosts/firmware/firmware.js", ...words]);
  let out = "";
  let err = "";
  child.stdout.on("data", (bytes: Buffer) => {
    out += bytes;
  });
  child.stderr.on("data", (bytes: Buffer) => {
    err += bytes;
  });
  const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
  stop();
  terminal.kill();
  return { status, out, err, chip, image, outside };
}

test.serial("update gives a board the image, shows how far it is, and waits until the firmware stays", async (t) => {
  const says = [
    `1 ms: throwie, woken by crash: mounted 3 Drops; firmware ${NEW} role=throwie channel=1`,
    `900 ms: the first beacon is out: ${NEW} role=throwie channel=1 works`,
  ];
  const { status, out, err, chip, image, outside } = await update({ says });
  t.deepEqual([status, err], [0, ""]);
  t.true(out.includes(`The board has ${OLD_TEXT}.\n`), out);
  t.true(out.includes("\n100 %\n") && out.includes(`Sending ${NEW}`), out);
  t.true(out.endsWith(`The board runs ${NEW}, and keeps it.\n`), out);
  t.deepEqual(chip.imageIn(1), Buffer.from(image));
  t.is(chip.outside, outside);
});

test.serial("update says in one sentence that the board went back", async (t) => {
  const says = [
    `1 ms: throwie, woken by crash: mounted 3 Drops; firmware ${NEW} role=throwie channel=1`,
    `1 ms: throwie, woken by crash: mounted 3 Drops; firmware ${OLD_TEXT}`,
  ];
  const { status, err } = await update({ says });
  t.is(status, 1);
  t.is(
    err,
    `${NEW} did not reach its first beacon, and the board went back to 0.1.0+00000000000a. If its log says "store: newer", only a newer firmware reads its Drops, and they are whole: see docs/update.md.\n`,
  );
});

test.serial(
  "update refuses with one sentence what a board must not get, and the board keeps its firmware",
  async (t) => {
    const cases: [Given, RegExp][] = [
      [{ chip: 9 }, /^The image is for esp32c3, and the board has another chip: .* firmware that it has\.\n$/],
      [
        { damaged: true, silent: true },
        /^.*xs_esp32\.bin is no whole image \(its SHA-256 is wrong\): build it again\.\n$/,
      ],
      [
        { faults: ["The image is too large."], silent: true },
        /^This image is not written to a board\. The image is too large\.\n$/,
      ],
    ];
    for (const [given, sentence] of cases) {
      const { status, err, chip, outside } = await update(given);
      t.is(status, 1);
      t.regex(err, sentence);
      t.deepEqual(chip.imageIn(0), Buffer.from(OLD));
      t.is(chip.outside, outside);
    }
  },
);

test.serial("update refuses a port that is not there, and a folder without an image, before it calls", async (t) => {
  const run = async (words: string[]): Promise<string> => {
    const child = spawn(process.execPath, ["build/hosts/firmware/firmware.js", "update", ...words]);
    let err = "";
    child.stderr.on("data", (bytes: Buffer) => {
      err += bytes;
    });
    t.is(await new Promise((resolve) => child.on("close", resolve)), 1);
    return err;
  };
  const { path } = imageFolder({});
  const nowhere = join(folder, "nowhere");
  t.is(await run(["--port", nowhere, "--image", path]), `There is no port ${nowhere}: is the board plugged in?\n`);
  t.regex(await run(["--port", nowhere, "--image", folder]), /has no image: build one with npm run firmware, .*\.\n$/);
});
