/**
 * The commands of a builder: `npm run firmware`, `npm run flash`, `npm run update`, `npm run monitor`, `npm run
 * firmware:lin`, and `npm run manifests` after an import changed (docs/firmware.md).
 *
 * A failure that a person can correct gives one sentence on standard error and exit code 1.
 */
import { join } from "node:path";
import process from "node:process";
import { Command, InvalidArgumentError, Option } from "commander";
import { packageFolder } from "../machine/folders.ts";
import {
  boards,
  buildForBoard,
  FLASH_SIZES,
  type FlashSize,
  flashBoard,
  imageFolder,
  monitorBoard,
  OUTPUT,
  ready,
} from "./build.ts";
import { checkedManifest } from "./flash-image.ts";
import { writeManifests } from "./manifests.ts";
import { rehearse } from "./rehearsal.ts";
import { release } from "./release.ts";
import { type SettingsOptions, settingsCommand } from "./settings-command.ts";
import { espIdf, missingCompiler } from "./toolchain.ts";
import { updateBoard } from "./update-board.ts";
import { updateByCable } from "./update-by-cable.ts";

const KNOWN = `one of ${boards().join(", ")}`;
const BOARD = "esp32c3";

interface BoardOptions {
  board: string;
  flash: FlashSize;
  port?: string;
}

interface UpdateOptions {
  port: string;
  image?: string;
  patience: number;
}

function secondsOf(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a number of seconds from 1 to 9999.");
}

function flashOption(): Option {
  return new Option("--flash <size>", "of the board; 8MB also stands for more").choices(FLASH_SIZES).default("4MB");
}
const SETTINGS_HELP = `
Settings are key=value: role=throwie|mule|dongle channel=1..11 rate=1M|2M|11M|6M|24M|54M|LR250K|LR500K
halfLifeDays=7 wake=always|30|60|120|300|600 cpu=80|160|240 (docs/firmware.md, "Settings").`;

/** Builds for each board whose compiler is there, and says what is missing for the others. */
async function releaseAll(): Promise<void> {
  const path = ready(espIdf()).PATH!;
  const missing = new Map(boards().map((board) => [board, missingCompiler(board, path)]));
  const able = boards().filter((board) => missing.get(board) === "");
  if (able.length === 0) throw new Error([...missing.values()].join("\n"));
  const folder = join(packageFolder(), "build", "release");
  await release(folder, able, (board, role) => {
    buildForBoard(board, [`role=${role}`]);
    return imageFolder(board);
  });
  for (const [board, sentence] of missing) {
    if (sentence !== "") console.error(`The release has no images for ${board}: ${sentence}`);
  }
  console.log(`The release for ${able.join(", ")} is in ${folder}; any web server can serve it.`);
}

const program = new Command("firmware")
  .description("Build the firmware, and write it to a board.")
  .showHelpAfterError();

program
  .command("build")
  .description("build for a board with the Moddable SDK and ESP-IDF")
  .option("--board <name>", KNOWN, BOARD)
  .addOption(flashOption())
  .option("--release", "build all boards and roles, with a page that writes them to a board (docs/firmware.md)")
  .argument("[settings...]", "key=value")
  .addHelpText("after", SETTINGS_HELP)
  .action(async (settings: string[], { board, flash, release }: BoardOptions & { release?: boolean }) => {
    if (release !== true) buildForBoard(board, settings, flash);
    else if (settings.length > 0) throw new Error("A release takes no settings: its page writes them to each board.");
    else await releaseAll();
  });

program
  .command("flash")
  .description("write the firmware to a board, or only its settings; the board keeps its Drops")
  .option("--board <name>", KNOWN, BOARD)
  .option("--port <path>", "the board's serial port; without it, the port that is found")
  .addOption(flashOption())
  .option("--settings", "write only the settings, without a build; without key=value, show them")
  .option("--file <path>", "with --settings: a file that is a settings partition, instead of a board")
  .argument(
    "[settings...]",
    "key=value, the same as for build; with --settings: channel, halfLifeDays, name, rate, wake",
  )
  .action(
    (given: string[], { flash, settings, ...options }: BoardOptions & SettingsOptions & { settings?: boolean }) => {
      if (settings === true) settingsCommand(options, given);
      else if (options.file !== undefined) throw new Error("--file is for settings alone; add --settings.");
      else flashBoard(options.board, options.port, given, flash);
    },
  );

program
  .command("update")
  .description("give a board a new image, and go back when it does not work; the board keeps its Drops")
  .requiredOption("--port <path>", "the board's serial port")
  .option("--board <name>", KNOWN, BOARD)
  .addOption(flashOption())
  .option("--image <folder>", "a folder with an image and its firmware.json; without it, the image that was built")
  .option("--patience <seconds>", "how long the new firmware has until its first beacon", secondsOf, 90)
  .action(({ board, port, flash, image, patience }: BoardOptions & UpdateOptions) => {
    const update = { folder: image ?? imageFolder(board, flash), port, patienceMs: 1_000 * patience, say: console.log };
    const twoApps = checkedManifest(update.folder).flash === "8MB";
    return twoApps ? updateBoard(update) : updateByCable({ ...update, savedIn: join(OUTPUT, "saved") });
  });

program
  .command("monitor")
  .description("show a board's log")
  .option("--board <name>", KNOWN, BOARD)
  .option("--port <path>", "the board's serial port; without it, the port that is found")
  .addOption(flashOption())
  .action(({ board, port, flash }: BoardOptions) => monitorBoard(board, port, flash));

program
  .command("lin")
  .description("build for this machine, and rehearse a contact, a power cut and the next life")
  .option("--memory", "build with instruments, and show how much memory XS holds")
  .action(({ memory }: { memory?: boolean }) => rehearse(memory === true));

program
  .command("manifests")
  .description("write the lists of modules in the manifests, from what main.ts imports")
  .action(() => {
    for (const path of writeManifests()) console.log(path);
  });

try {
  await program.parseAsync();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
