#!/usr/bin/env node
/**
 * The `throwie` command. This file knows the options of all subcommands. Each subcommand is a file beside this one.
 *
 * A failure that a person can correct gives one sentence on standard error and exit code 1. `--json` prints JSON on
 * standard output, and nothing else there.
 */
import { join } from "node:path";
import process from "node:process";
import { Command, InvalidArgumentError } from "commander";
import { dataFolder } from "../machine/folders.ts";
import { note, OutputClosed, printBytes } from "../machine/standard-streams.ts";
import { StopRequest } from "../machine/stop.ts";
import { systemSentence } from "../machine/system-error.ts";
import { gateway } from "./gateway.ts";
import { journal } from "./journal.ts";
import { mule } from "./mule.ts";
import { negentropy } from "./negentropy.ts";
import { readMessages } from "./read.ts";
import { recoverStore } from "./recover.ts";
import { simulate } from "./sim.ts";
import { harmless, refuseSpoiltArguments } from "./text.ts";
import { writeMessage } from "./write.ts";

const DATA_FOLDER = dataFolder();
/** The file for the Drops of this person's Mule, when --store names no other. Undefined for a user without a home. */
const STORE_PATH = DATA_FOLDER === undefined ? undefined : join(DATA_FOLDER, "drops.flash");

function seed(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw new InvalidArgumentError("A seed is a whole number from 0 to 4294967295.");
  }
  return value;
}

function several(value: string, before: string[]): string[] {
  return [...before, value];
}

const KEY_HELP = `
Who can read a Drop: everyone who gives the same passphrase or the same place.
Other users of this machine can see --passphrase, but not THROWIE_PASSPHRASE in
the environment, nor --passphrase-file. On a terminal, throwie asks for the
passphrase when none of them is given.

Places: 57.649,10.407 or "57,649;10,407" or "57.649N 10.407E" or a whole plus
code or a geo: link. A number from 1 to 12 after a comma or a semicolon is the
precision, in characters of a geohash. The default is 7, a square of 150 metres.
docs/messages.md says more.`;

const DAMAGE_HELP = `
A damaged store is read as far as possible: what is missing is said on standard error and in the JSON (damage, damaged),
and the exit code is 0. Then throwie recover FILE saves what is left.`;

const program = new Command("throwie")
  .description("Leave and read messages that travel at walking speed: no network, no server, no account.")
  .configureOutput({ writeOut: (text) => printBytes(Buffer.from(text)), writeErr: (text) => note(text.trimEnd()) })
  .showHelpAfterError("(throwie --help lists the commands and options)")
  .addHelpText(
    "after",
    `
Examples:
  export THROWIE_PASSPHRASE="paper lanterns"
  throwie write "Meet at the fountain at nine."
  throwie read
  throwie sim town --seed 7
  throwie mule --radio /dev/ttyUSB0
  throwie gateway --data ./gateway --listen 127.0.0.1:4433 --air 127.0.0.1:7400`,
  );

program
  .command("write")
  .description("seal a message as a Drop and put it in a store")
  .argument("[text]", "the message, at most 2,008 bytes; without it, the message is read from standard input")
  .option("--store <file>", "the file that holds the Drops; created if absent", STORE_PATH)
  .option("--passphrase <words>", "people who know these words can read the message")
  .option("--passphrase-file <file>", "a file with these words; - is standard input")
  .option("--place <place>", "people who know this place can read the message")
  .option("--json", "print one JSON document")
  .addHelpText("after", KEY_HELP)
  .action(writeMessage);

program
  .command("read")
  .description("print the messages of a store that a passphrase or a place opens, hottest first")
  .option("--store <file>", "the file that holds the Drops", STORE_PATH)
  .option("--passphrase <words>", "the words that the messages were sealed with")
  .option("--passphrase-file <file>", "a file with these words; - is standard input")
  .option("--place <place>", "the place that the messages were sealed with")
  .option("--drop <id>", "print only the message of this Drop; the first digits of its id are enough")
  .option("--json", "print one JSON document")
  .option("--raw", "write the bytes of the messages as they were sealed, with a zero byte between two messages")
  .addHelpText("after", KEY_HELP + DAMAGE_HELP)
  .action(readMessages);

program
  .command("journal")
  .description("print which Drops of a store died lately, and why: coldest of a full store, corrupt, worn sector")
  .option("--store <file>", "the file that holds the Drops", STORE_PATH)
  .option("--json", "print one JSON document")
  .addHelpText("after", DAMAGE_HELP)
  .action(journal);

program
  .command("recover")
  .description("write all Drops that can be saved of a damaged store to a new file")
  .argument("<file>", "the damaged store, which is not changed; also a copy that was cut short")
  .option("--to <file>", "the new file, which must not exist (default: the same name with .recovered added)")
  .option("--json", "print one JSON document")
  .action(recoverStore);

program
  .command("mule")
  .description("carry the Drops of a store through the town with a dongle, and collect others, until stopped")
  .option("--store <file>", "the file that holds the Drops; created if absent", STORE_PATH)
  .option("--radio <port>", "a serial port with a board that has the dongle role, like /dev/ttyUSB0")
  .option("--air <ip:port>", "a simulated air on this machine, for development, instead of a dongle")
  .option("--json", "print one JSON document per line")
  .addHelpText(
    "after",
    `
Write and read while the Mule runs, too: the Mule takes what you write with it.`,
  )
  .action(mule);

program
  .command("gateway")
  .description("connect the air of this town to other towns over QUIC, until stopped")
  .requiredOption("--data <folder>", "the folder for the gateway's key, database and Drops")
  .requiredOption(
    "--listen <ip:port>",
    "UDP address for other gateways; 127.0.0.1:0 takes any free port of this machine",
  )
  .option("--radio <port>", "a serial port with a board that has the dongle role, like /dev/ttyUSB0")
  .option("--air <ip:port>", "a simulated air on this machine, for development, instead of a dongle")
  .option("--follow <id@ip:port>", "a gateway whose messages enter this town's air; can be repeated", several, [])
  .option("--audience <id@ip:port>", "a gateway that receives this town's messages; can be repeated", several, [])
  .addHelpText(
    "after",
    `
The log goes to standard output, one line of JSON for each event. The first line gives the id of this gateway. Other
gateways need the id for --follow. The QUIC library announces itself to the local network by UPnP when it starts;
docs/distsoc.md says how to prevent that.`,
  )
  .action(gateway);

program
  .command("sim")
  .description("run a scenario in the simulator, with the same modules as on the boards")
  .argument("<scenario>", "a name from sim/scenarios, or the path of a .json file")
  .option("--seed <number>", "the seed of all randomness; the same seed gives the same history", seed, 1)
  .option("--json", "print one JSON document")
  .action(simulate);

program
  .command("negentropy")
  .description("reconcile sets of items by Negentropy Protocol V1, over lines on standard input")
  .addHelpText(
    "after",
    `
Lines: item,TIMESTAMP,ID for each item, then seal. The client then sends initiate. Both sides send msg,HEX.
FRAMESIZELIMIT in the environment limits the size of a message in bytes: 0 (no limit) or at least 4096.
docs/negentropy.md lists the answers.`,
  )
  .action(negentropy);

// Only a command that needs a store fails without a home, and --help does not.
program.hook("preAction", (_, command) => {
  if (command.options.some(({ long }) => long === "--store") && command.opts().store === undefined) {
    throw new RangeError(
      "There is no folder for your data: name a file with --store, or set HOME or XDG_DATA_HOME to an absolute path.",
    );
  }
});

/**
 * Ends the command after a failure. What the command had opened may keep the event loop alive, and a supervisor waits
 * for the exit.
 */
function fail(thrown: unknown): never {
  if (thrown instanceof OutputClosed) process.exit(OutputClosed.EXIT_CODE);
  if (thrown instanceof StopRequest) process.exit(thrown.exitCode);
  const error: NodeJS.ErrnoException = thrown instanceof Error ? thrown : new Error(String(thrown));
  note(harmless(`throwie: ${systemSentence(error, error.path ?? "a file or device") ?? error.message}`));
  if (process.env.THROWIE_DEBUG !== undefined) note(error.stack ?? "");
  process.exit(1);
}

process.on("uncaughtException", fail);
try {
  refuseSpoiltArguments();
  await program.parseAsync();
} catch (error) {
  fail(error);
}
