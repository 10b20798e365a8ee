#!/usr/bin/env node
/**
 * The `throwie` command. Each subcommand is a file of its own beside this one; this one knows their options.
 *
 * What a person can put right is one sentence on standard error and exit code 1; `--json` puts one JSON document on standard
 * output and nothing else there.
 */
import { join } from "node:path";
import process from "node:process";
import { Command, InvalidArgumentError } from "commander";
import { dataFolder } from "../machine/folders.ts";
import { gateway } from "./gateway.ts";
import { journal } from "./journal.ts";
import { mule } from "./mule.ts";
import { negentropy } from "./negentropy.ts";
import { readMessages } from "./read.ts";
import { simulate } from "./sim.ts";
import { writeMessage } from "./write.ts";

/** Where the Drops of this person's Mule are kept, unless told otherwise. */
const STORE_PATH = join(dataFolder(), "drops.flash");

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
Who can read a Drop: whoever names the same passphrase (--passphrase, or THROWIE_PASSPHRASE in the environment, which
other users of this machine cannot see), or the same place (--place LATITUDE,LONGITUDE or LATITUDE,LONGITUDE,PRECISION;
precision 1 to 12 is how many characters of geohash, 7 is a square of about 150 metres).`;

const program = new Command("throwie")
  .description("Leave and read messages that travel at walking speed: no network, no server, no account.")
  .showHelpAfterError("(throwie --help shows what there is)")
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
  .argument("[text]", "the message, at most 2,008 bytes; without it, standard input is read")
  .option("--store <file>", "the file that holds the Drops; created if absent", STORE_PATH)
  .option("--passphrase <words>", "seal for those who know these words")
  .option("--place <coordinates>", "seal for those who know this place")
  .option("--json", "print one JSON document")
  .addHelpText("after", KEY_HELP)
  .action(writeMessage);

program
  .command("read")
  .description("open the Drops in a store that a passphrase or a place opens, hottest first")
  .option("--store <file>", "the file that holds the Drops", STORE_PATH)
  .option("--passphrase <words>", "the words that they were sealed with")
  .option("--place <coordinates>", "the place that they were sealed with")
  .option("--json", "print one JSON document")
  .addHelpText("after", KEY_HELP)
  .action(readMessages);

program
  .command("journal")
  .description("say which Drops in a store died of late, and why: the coldest of a full store, corrupt, a worn sector")
  .option("--store <file>", "the file that holds the Drops", STORE_PATH)
  .option("--json", "print one JSON document")
  .action(journal);

program
  .command("mule")
  .description("carry the Drops of a store through the town with a dongle, and take others along, until stopped")
  .option("--store <file>", "the file that holds the Drops; created if absent", STORE_PATH)
  .option("--radio <port>", "a serial port with a board that has the dongle role, like /dev/ttyUSB0")
  .option("--air <ip:port>", "a development air on this machine to use as the radio instead")
  .option("--json", "print one JSON document a line")
  .addHelpText(
    "after",
    `
While it runs the store is its own: write before you leave, read when you are back.`,
  )
  .action(mule);

program
  .command("gateway")
  .description("join the air of this town to other towns over QUIC, until stopped")
  .requiredOption("--data <folder>", "where its key, its database and its Drops are kept")
  .requiredOption("--listen <ip:port>", "UDP address for other gateways; 127.0.0.1:0 for any free port on this machine")
  .option("--radio <port>", "a serial port with a board that has the dongle role, like /dev/ttyUSB0")
  .option("--air <ip:port>", "a development air on this machine to use as the radio instead")
  .option("--follow <id@ip:port>", "a gateway whose messages come out on this town's air; may be repeated", several, [])
  .option("--audience <id@ip:port>", "a gateway that this town's messages are pushed to; may be repeated", several, [])
  .addHelpText(
    "after",
    `
The log goes to standard output, a line of JSON an event; the first says this gateway's id, which others need for --follow.
The QUIC library announces itself to the local network by UPnP when it starts (docs/distsoc.md says how to keep it in).`,
  )
  .action(gateway);

program
  .command("sim")
  .description("run a scenario in the simulator: the same modules as on the boards, one seed, one history")
  .argument("<scenario>", "a name from sim/scenarios, or a file")
  .option("--seed <number>", "what all chance is drawn from", seed, 1)
  .option("--json", "print one JSON document")
  .action(simulate);

program
  .command("negentropy")
  .description("reconcile sets of items by Negentropy Protocol V1, driven by lines on standard input")
  .addHelpText(
    "after",
    `
Lines: item,TIMESTAMP,ID then seal, then initiate (to be the client) and msg,HEX. FRAMESIZELIMIT in the environment limits
the bytes of a message: 0 (none) or at least 4096. docs/negentropy.md says what is answered.`,
  )
  .action(negentropy);

try {
  await program.parseAsync();
} catch (error) {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  console.error(`throwie: ${message}`);
  if (process.env.THROWIE_DEBUG !== undefined) console.error(stack);
  // What was begun before it failed may hold the event loop open; whoever restarts this waits for the exit.
  process.exit(1);
}
