/**
 * The options and the help of all commands.
 *
 * The file of a command is loaded when the command runs. So `write` does not wait for the libraries of the gateway, and
 * works where these libraries cannot be loaded.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { dataFolder, packageFolder } from "../machine/folders.ts";
import { harmlessLine } from "../machine/harmless.ts";
import { note, printBytes } from "../machine/standard-streams.ts";
import { HELP_LAYOUT, outputColumns, wrapped } from "./screen.ts";
import { isSpoilt, withoutMark } from "./text.ts";

/** The action of a command whose file is not loaded yet. */
function loaded<Words extends unknown[]>(load: () => Promise<(...words: Words) => unknown>) {
  return async (...words: Words): Promise<void> => {
    await (await load())(...words);
  };
}

const SEED_MAX = 0xffff_ffff;
/** What a line of the help has beside the path of a store. */
const PATH_MARGIN_COLUMNS = 14;

const EXAMPLES = `
Examples:
  export THROWIE_PASSPHRASE="paper lanterns"
  throwie write "Meet at the fountain at nine."
  throwie read
  throwie sim town --seed 7
  throwie mule --radio /dev/ttyUSB0
  throwie gateway --data ./gateway --listen 127.0.0.1:4433 --radio /dev/ttyUSB1`;

const MESSAGE_HELP = `
Quote a message of several words. Write -- before a message that begins with a dash:
  throwie write -- "-5 degrees"
A message on standard input is sealed byte for byte.`;

const KEY_HELP = `
Who can read a Drop: everyone who gives the same passphrase or the same place. Other users of this machine can see \
--passphrase, but neither THROWIE_PASSPHRASE in the environment nor --passphrase-file. An option counts before the \
environment. On a terminal, throwie asks for the passphrase when none is given.

Places: 57.649,10.407 or "57,649;10,407" or "57.649N 10.407E" or a whole plus code or a geo: link. A number from 1 to \
12 after a comma or a semicolon is the precision, in characters of a geohash. The default is 7, a square of about 150 \
metres. docs/messages.md says more.`;

const DAMAGE_HELP = `
A damaged store is read as far as possible: what is missing is said on standard error and in the JSON (damage, \
damaged), and the exit code is 0. Then throwie recover FILE saves what is left.`;

const MULE_HELP = `
Write and read while the Mule runs, too: the Mule takes what you write with it.

A Mule whose output nobody reads any more, as in throwie mule | head -1, carries on unseen until a signal stops it.`;

const GATEWAY_HELP = `
The log goes to standard output, one line of JSON for each event. The first line gives the id of this gateway. Other \
gateways need the id for --follow. The QUIC library announces itself to the local network by UPnP when it starts; \
docs/distsoc.md says how to prevent that. A gateway \
whose log nobody reads any more carries on until a signal stops it.`;

const NEGENTROPY_HELP = `
Lines: item,TIMESTAMP,ID for each item, then seal. The client then sends initiate. Both sides send msg,HEX.
FRAMESIZELIMIT in the environment limits the size of a message in bytes: 0 (no limit) or at least 4096.
docs/negentropy.md lists the answers.`;

/** All commands, as the commander library parses them. */
export function commands(): Command {
  const program = new Command("throwie")
    .description("Leave and read messages that travel at walking speed: no network, no server, no account.")
    .configureOutput({
      writeOut: (text) => printBytes(Buffer.from(text)),
      writeErr: (text) => note(text.trimEnd()),
      outputError: (text, write) => write(harmlessError(text)),
      getOutHelpWidth: outputColumns,
      getErrHelpWidth: outputColumns,
    })
    .configureHelp(HELP_LAYOUT)
    .version(packageVersion(), "-V, --version", "print the version")
    .showHelpAfterError("(throwie --help lists the commands and options)")
    .addHelpText("after", () => wrapped(EXAMPLES));
  addMessages(program);
  addStores(program);
  addNodes(program);
  addTools(program);
  program.helpCommand(false);
  program
    .command("help")
    .description("print the help of a command")
    .argument("[command]")
    .action((name?: string) => help(program, name));
  program.hook("preAction", (_, command) => refuseNoStore(command));
  return program;
}

/**
 * An error of the commander library, which shows the words of the person. The name of an option that is unknown may be
 * that of a passphrase with a slip, so what follows the name is not shown. The library's own second line stays one.
 */
function harmlessError(text: string): string {
  const [, error = "", guess = ""] = /^(.*?)(\n\(Did you mean [^\n]*\?\))?\n?$/s.exec(text)!;
  return harmlessLine(error.replace(/^(error: unknown option '(?:--[^=]*|-[^-])).*'/s, "$1'")) + guess;
}

function addMessages(program: Command): void {
  withKeyAndStore(program.command("write"), "the file that holds the Drops; created if absent")
    .description("seal a message as a Drop and put it in a store")
    .argument(
      "[text]",
      "the message, at most 2,008 bytes; without it, or with -, the message is read from standard input",
    )
    .option("--json", "print one JSON document")
    .showHelpAfterError(
      "(Quote a message of several words, and write -- before a message that begins with a dash, as in " +
        'throwie write -- "-5 degrees". throwie write --help lists the options.)',
    )
    .addHelpText("after", () => wrapped(MESSAGE_HELP + KEY_HELP.replace(/^/, "\n")))
    .action(loaded(async () => (await import("./write.ts")).writeMessage));

  withKeyAndStore(program.command("read"), "the file that holds the Drops")
    .description("print the messages of a store that a passphrase or a place opens, hottest first")
    .option("--drop <id>", "print only the message of this Drop; the first digits of its id are enough")
    .option("--json", "print one JSON document")
    .option("--raw", "write the bytes of the messages as they were sealed, with a zero byte between two messages")
    .addHelpText("after", () => wrapped(KEY_HELP + DAMAGE_HELP.replace(/^/, "\n")))
    .action(loaded(async () => (await import("./read.ts")).readMessages));

  withStore(program.command("delete"), "the file that holds the Drops")
    .description("take a Drop out of a store: a message of yours, or any other")
    .argument("<id>", "the first digits of its id, as throwie read prints it")
    .option("--json", "print one JSON document")
    .addHelpText("after", () => wrapped(DELETE_HELP))
    .action(loaded(async () => (await import("./delete.ts")).deleteDrop));
}

/** For a command that takes a Drop out of a store. */
const DELETE_HELP = `
Others who carry the Drop keep it, and may bring it back. A message of yours that was handed on to fewer than three \
others exists nowhere else for sure.`;

function withKeyAndStore(command: Command, store: string): Command {
  return withStore(command, store)
    .option("--passphrase <words>", "everyone who gives these words can read the message")
    .option("--passphrase-file <file>", "a file with these words; - is standard input")
    .option("--place <place>", "everyone who gives this place can read the message");
}

function withStore(command: Command, words: string): Command {
  const option = command.createOption("--store <file>", words);
  const folder = dataFolder();
  if (folder !== undefined) {
    const path = join(folder, "drops.flash");
    option.default(
      path,
      path.length > outputColumns() - PATH_MARGIN_COLUMNS
        ? "throwie/drops.flash in your data folder"
        : harmlessLine(`"${path}"`),
    );
  }
  return command.addOption(option);
}

function addStores(program: Command): void {
  withStore(program.command("journal"), "the file that holds the Drops")
    .description("print which Drops of a store died lately, and why: coldest of a full store, corrupt, worn sector")
    .option("--json", "print one JSON document")
    .addHelpText("after", () => wrapped(DAMAGE_HELP))
    .action(loaded(async () => (await import("./journal.ts")).journal));

  program
    .command("recover")
    .description("write all Drops that can be saved of a damaged store to a new file")
    .argument(
      "<file>",
      "the damaged store, which is not changed; also a copy that was cut short, or one of a whole flash chip",
    )
    .option("--to <file>", "the new file, which must not exist (default: the same name with .recovered added)")
    .option("--json", "print one JSON document")
    .action(loaded(async () => (await import("./recover.ts")).recoverStore));
}

function addNodes(program: Command): void {
  withRadio(withStore(program.command("mule"), "the file that holds the Drops; created if absent"))
    .description("carry the Drops of a store through the town with a dongle, and collect others, until stopped")
    .option("--json", "print one JSON document per line")
    .addHelpText("after", () => wrapped(MULE_HELP))
    .action(loaded(async () => (await import("./mule.ts")).mule));

  const several = (value: string, before: string[]): string[] => [...before, value];
  withRadio(
    program
      .command("gateway")
      .requiredOption("--data <folder>", "the folder for the gateway's key, database and Drops")
      .requiredOption(
        "--listen <ip:port>",
        "UDP address for other gateways; 127.0.0.1:0 takes any free port of this machine",
      ),
  )
    .description("connect the air of this town to other towns over QUIC, until stopped")
    .option("--follow <id@ip:port>", "a gateway whose messages enter this town's air; can be repeated", several, [])
    .option("--audience <id@ip:port>", "a gateway that receives this town's messages; can be repeated", several, [])
    .addHelpText("after", () => wrapped(GATEWAY_HELP))
    .action(loaded(async () => (await import("./gateway.ts")).gateway));
}

function withRadio(command: Command): Command {
  return command
    .option("--radio <port>", "a serial port with a board that has the dongle role, like /dev/ttyUSB0")
    .option("--air <ip:port>", "a simulated air on this machine, for development, instead of a dongle");
}

function addTools(program: Command): void {
  program
    .command("sim")
    .description("run a scenario in the simulator, with the same modules as on the boards")
    .argument("<scenario>", "a name from sim/scenarios, or the path of a .json file")
    .option("--seed <number>", "the seed of all randomness; the same seed gives the same history", seed, 1)
    .option("--json", "print one JSON document")
    .action(loaded(async () => (await import("./sim.ts")).simulate));

  program
    .command("negentropy")
    .description("reconcile sets of items by Negentropy Protocol V1, over lines on standard input")
    .addHelpText("after", () => wrapped(NEGENTROPY_HELP))
    .action(loaded(async () => (await import("./negentropy.ts")).negentropy));

  program
    .command("doctor")
    .description("ask a dongle for its firmware and for what is left of its memory and stacks")
    .option("--radio <port>", "the dongle's serial port; without it, the ports of this computer are listed")
    .option("--json", "print one JSON document")
    .action(loaded(async () => (await import("./doctor.ts")).doctor));
}

function seed(given: string): number {
  const text = withoutMark(given);
  if (!/^\d{1,10}$/.test(text) || Number(text) > SEED_MAX) {
    throw new InvalidArgumentError("A seed is a whole number from 0 to 4294967295.");
  }
  return Number(text);
}

function help(program: Command, name: string | undefined): void {
  const command = name === undefined ? program : program.commands.find((each) => each.name() === name);
  if (command === undefined) {
    const names = program.commands.map((each) => each.name()).join(", ");
    throw new RangeError(`There is no command ${name}: the commands are ${names}.`);
  }
  command.outputHelp();
}

/** Only a command that needs a store fails without a home, or with one whose bytes are lost, and --help does not. */
function refuseNoStore(command: Command): void {
  if (command.options.some(({ long }) => long === "--store") && command.opts().store === undefined) {
    throw new RangeError(
      "There is no folder for your data: name a file with --store, or set HOME or XDG_DATA_HOME to an absolute path.",
    );
  }
  if (command.getOptionValueSource("store") === "default" && isSpoilt(command.opts().store)) {
    throw new RangeError(
      `The path of your data, ${command.opts().store}, is not UTF-8: name a file with --store, or change XDG_DATA_HOME.`,
    );
  }
}

function packageVersion(): string {
  return JSON.parse(readFileSync(join(packageFolder(), "package.json"), "utf8")).version;
}
