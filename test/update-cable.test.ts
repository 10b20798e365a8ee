/**
 * `npm run update` for a board with one app partition. An esptool of the tests keeps the board's flash in a file, and a
 * pseudo-terminal (pty.c) is the board's line, on which the board says what its image would say.
 */
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import test from "ava";
import { firmwareImage } from "./firmware-image.ts";

const root = mkdtempSync(join(tmpdir(), "throwie-update-cable-"));
test.after.always(() => rmSync(root, { recursive: true }));
const ptyProgram = join(root, "pty");
test.before(() => {
  execFileSync("cc", ["-Wall", "-Wextra", "-Werror", "-O1", "-o", ptyProgram, "test/pty.c"]);
});

/** $FLASH is the flash. At the call of write_flash whose number is $FAIL_AT, half of each file is written. */
const ESPTOOL = `#!${process.execPath}
const { appendFileSync, readFileSync, writeFileSync } = require("node:fs");
const { FLASH, FAIL_AT, SAYS } = process.env;
const words = process.argv.slice(2);
const flash = readFileSync(FLASH);
const at = words.findIndex((word) => /flash|erase_region/.test(word));
appendFileSync(FLASH + ".calls", words[at] + "\\n");
const writes = readFileSync(FLASH + ".calls", "utf8").split("\\n").filter((word) => word === "write_flash").length;
const fails = words[at] === "write_flash" && writes === Number(FAIL_AT);
if (words[at] === "flash_id") process.stdout.write(SAYS);
else if (words[at] === "read_flash") writeFileSync(words[at + 3], flash.subarray(Number(words[at + 1]), Number(words[at + 1]) + Number(words[at + 2])));
else if (words[at] === "erase_region") flash.fill(0xff, Number(words[at + 1]), Number(words[at + 1]) + Number(words[at + 2]));
else for (let i = at + 1; i < words.length; i += 2) {
  const bytes = readFileSync(words[i + 1]);
  bytes.copy(flash, Number(words[i]), 0, fails ? bytes.length >> 1 : bytes.length);
}
writeFileSync(FLASH, flash);
process.exit(fails ? 2 : 0);
`;
const bin = join(root, "bin");
mkdirSync(bin);
writeFileSync(join(bin, "esptool"), ESPTOOL);
chmodSync(join(bin, "esptool"), 0o755);

const SAVED = "build/firmware/saved";
const APP_AT = 0x10000;
const DROPS_AT = 0x240000;
const DROPS = "a town's messages";
const OLD = Buffer.from(firmwareImage({ segments: [3_000], fill: 1 }));
const NEW = Buffer.from(firmwareImage({ segments: [2_000], fill: 2 }));
const WORKS = "900 ms: the first beacon is out: 0.2.0+b role=throwie works\r\n";
const STARTS = "1 ms: throwie, woken by other: mounted 3 Drops; firmware 0.2.0+b role=throwie\r\n";

/** A partition table with these names, as far as the command reads it. */
function tableOf(...names: string[]): Buffer {
  return Buffer.concat(
    names.map((name) => {
      const row = Buffer.alloc(32);
      row.writeUInt16LE(0x50aa);
      row.write(name, 12);
      return row;
    }),
  );
}

let boards = 0;

/** A board with an image, and the folder of another one. */
class Board {
  readonly address = `34:85:18:00:00:${(++boards).toString(16).padStart(2, "0")}`;
  readonly folder = mkdtempSync(join(root, "board-"));
  readonly flash = join(this.folder, "flash");
  readonly image = join(this.folder, "image");
  /** What is where no image belongs. */
  readonly #outside: string;

  constructor(app: Uint8Array) {
    const flash = Buffer.alloc(4 << 20, 0xff);
    flash.set(app, APP_AT);
    flash.write(DROPS, DROPS_AT);
    writeFileSync(this.flash, flash);
    writeFileSync(`${this.flash}.calls`, "");
    this.#outside = this.#hashOutside();
    mkdirSync(this.image);
    const files: Record<string, [number, string | Buffer]> = {
      "bootloader.bin": [0, "loader"],
      "partition-table.bin": [0x8000, "table"],
      "xs_esp32.bin": [APP_AT, NEW],
    };
    const listed = Object.entries(files).map(([name, [offset, bytes]]) => {
      writeFileSync(join(this.image, name), bytes);
      return {
        name,
        offset,
        sha256: createHash("sha256").update(bytes).digest("hex"),
      };
    });
    const app4 = { partition: "factory", partitionBytes: 0x220000, sizeBytes: NEW.length };
    const manifest = {
      firmware: "0.2.0+b",
      board: "esp32c3",
      flash: "4MB",
      settings: { port: "uart", role: "throwie", baud: "921600" },
      faults: [],
      files: listed,
      app: app4,
    };
    writeFileSync(join(this.image, "firmware.json"), JSON.stringify(manifest));
  }

  get app(): Buffer {
    return readFileSync(this.flash).subarray(APP_AT, DROPS_AT);
  }

  /** What a firmware, or someone else, does to the flash between two commands. */
  change(at: number, bytes: string | Uint8Array): void {
    const flash = readFileSync(this.flash);
    flash.set(Buffer.from(bytes as string), at);
    writeFileSync(this.flash, flash);
  }

  get saved(): string[] {
    return readdirSync(SAVED).filter((name) => name.startsWith(this.address.replaceAll(":", "")));
  }

  get calls(): string[] {
    return readFileSync(`${this.flash}.calls`, "utf8").trim().split("\n");
  }

  get kept(): boolean {
    return this.#hashOutside() === this.#outside;
  }

  #hashOutside(): string {
    return createHash("sha256").update(readFileSync(this.flash).subarray(0x220000)).digest("hex");
  }

  async update(
    says: string,
    { failAt = 0, chip = "ESP32-C3", patience = 60, addressed = true } = {},
  ): Promise<{ status: number | null; out: string; err: string; speed: number }> {
    const port = join(this.folder, `port-${Math.random()}`);
    const terminal = spawn(ptyProgram, [port], { stdio: "pipe" });
    while (!existsSync(port) || readlinkSync(port) === "") await new Promise((resolve) => setTimeout(resolve, 5));
    const talking = setInterval(() => terminal.stdin.write(says), 50);
    const words = ["update", "--port", port, "--image", this.image, "--patience", String(patience)];
    const child = spawn(process.execPath, ["build/hosts/firmware/firmware.js", ...words], {
      env: {
        ...process.env,
        PATH: `${bin}${delimiter}${process.env.PATH}`,
        FLASH: this.flash,
        FAIL_AT: String(failAt),
        SAYS: `Connected to ${chip} on x:\n${addressed ? `MAC:                ${this.address}\n` : ""}Detected flash size: 4MB\n`,
      },
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (bytes: Buffer) => {
      out += bytes;
    });
    child.stderr.on("data", (bytes: Buffer) => {
      err += bytes;
    });
    const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
    clearInterval(talking);
    const speed = Number(execFileSync("stty", ["-F", port, "speed"], { encoding: "utf8" }));
    terminal.kill();
    return { status, out, err, speed };
  }
}

const startsWith = (app: Buffer, image: Buffer): boolean => app.subarray(0, image.length).equals(image);

test.serial("a new firmware that sends its first beacon stays", async (t) => {
  const board = new Board(OLD);
  const { status, out, err, speed } = await board.update(STARTS + WORKS);
  t.deepEqual([status, err], [0, ""]);
  t.is(speed, 115_200, "the log of a board with a UART has the console's speed, not a dongle's");
  t.true(out.includes("Found an ESP32-C3 with 4MB of flash") && out.includes("The board runs 0.2.0+b.\n"), out);
  t.true(startsWith(board.app, NEW) && board.kept);
  t.deepEqual(board.calls, ["flash_id", "read_flash", "read_flash", "read_flash", "write_flash"]);
});

test.serial("a new firmware that sends no beacon gives way to the one before", async (t) => {
  const board = new Board(OLD);
  const { status, err } = await board.update(STARTS, { patience: 1 });
  t.is(status, 1);
  t.is(err, "0.2.0+b did not reach its first beacon, and the board has its image before again.\n");
  t.true(startsWith(board.app, OLD) && board.kept);
});

test.serial("an update that is interrupted goes on with the same command, and can still go back", async (t) => {
  const board = new Board(OLD);
  const interrupted = await board.update("", { failAt: 1 });
  t.is(interrupted.status, 1);
  t.regex(
    interrupted.err,
    /^esptool failed .* give the same command again\. The image before is in .*3485180000\d\d\.bin\.\n$/,
  );
  t.false(startsWith(board.app, NEW) || startsWith(board.app, OLD), "half an image");
  const again = await board.update(STARTS, { patience: 1 });
  t.regex(again.err, /has its image before again\.\n$/);
  t.true(startsWith(board.app, OLD) && board.kept);
  t.deepEqual(board.saved, [], "nothing is left that a later update could take for the image before");
});

test.serial("the image before gets its Drops again, also when that was interrupted", async (t) => {
  const board = new Board(OLD);
  const interrupted = await board.update(STARTS, { patience: 1, failAt: 2 });
  t.regex(interrupted.err, /give the same command again\. The image before is in .*\.bin\.\n$/);
  t.false(startsWith(board.app, NEW) || startsWith(board.app, OLD), "no firmware starts with half of the Drops");
  // A new firmware brings the store to its format.
  board.change(DROPS_AT, DROPS.toUpperCase());
  const again = await board.update(STARTS, { patience: 1 });
  t.regex(again.err, /has its image before again\.\n$/);
  t.true(startsWith(board.app, OLD) && board.kept);
});

test.serial("an image that was once saved is not written to a board that has run another one since", async (t) => {
  const board = new Board(OLD);
  t.is((await board.update(WORKS)).status, 0);
  t.deepEqual(board.saved, []);
  const { status, err } = await board.update(STARTS, { patience: 1 });
  const sentence = "the board had this image before, so it keeps it: see npm run monitor.";
  t.deepEqual([status, err], [1, `0.2.0+b did not reach its first beacon, and ${sentence}\n`]);
  t.true(startsWith(board.app, NEW) && board.kept);
});

test.serial("an image for one app partition is refused for a board with two, before anything is written", async (t) => {
  const board = new Board(OLD);
  board.change(0x8000, tableOf("nvs", "ota_0", "otadata", "drops", "ota_1"));
  const { status, err } = await board.update(WORKS);
  t.is(status, 1);
  t.regex(err, /^The board has two app partitions, .* with --flash 8MB\. Nothing was written\.\n$/);
  t.deepEqual(board.calls, ["flash_id", "read_flash"]);
  const single = new Board(OLD);
  single.change(0x8000, tableOf("nvs", "factory", "crash", "settings", "drops"));
  t.is((await single.update(WORKS)).status, 0);
});

test.serial(
  "a board without an address gets nothing, because another board's image could be taken for its own",
  async (t) => {
    const board = new Board(OLD);
    const { status, err } = await board.update(WORKS, { addressed: false });
    t.is(status, 1);
    t.regex(err, /^esptool did not say the chip's address, .* Nothing was written\.\n$/);
    t.true(startsWith(board.app, OLD) && board.kept);
  },
);

test.serial("a board without a whole image gets one, and another chip gets none", async (t) => {
  const empty = new Board(Buffer.alloc(0));
  const given = await empty.update(WORKS);
  t.deepEqual([given.status, given.err], [0, ""]);
  t.true(startsWith(empty.app, NEW) && empty.kept);
  const board = new Board(OLD);
  const { err } = await board.update(WORKS, { chip: "ESP32-S3" });
  t.regex(err, /^The chip is an ESP32-S3, and the image is for esp32c3: .* Nothing was written\.\n$/);
  t.deepEqual(board.calls, ["flash_id"]);
});

test.after.always(() => {
  // What the command saved of the tests' boards.
  if (existsSync(SAVED))
    for (const name of readdirSync(SAVED)) if (name.startsWith("3485180000")) rmSync(join(SAVED, name));
});
