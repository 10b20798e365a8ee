/**
 * `npm start`: one message crosses two towns, with real parts, in less than a minute on an idle machine.
 *
 * Two simulated towns run in this process, in compressed real time. Two real gateway processes each use one town's air
 * over UDP, with real QUIC between them on loopback. A gateway that dies at any moment is started again, as an
 * operator's service manager would do, and the message still arrives, once. (Try it: kill a gateway by its process id,
 * which is in the timeline.)
 *
 * The demo gives up by the clocks of its towns, which stand still when this machine has no time for them. On a busy
 * machine the demo is slow, says so, and still works.
 *
 * Exit code 0 means that the message was read at the far end, and could not be read with another passphrase. Otherwise
 * the program says what had happened until then and what had not. However the demo ends, its gateways end with it.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { dropId, shortIdHigh, shortIdLow } from "../../modules/drop/drop.ts";
import { open } from "../../modules/drop/seal.ts";
import type { Store } from "../../modules/store/store.ts";
import type { PublishOutcome } from "../../modules/throwie/throwie.ts";
import { Fixed } from "../../sim/mobility.ts";
import { loadIdentity } from "../distsoc/identity.ts";
import { IDENTITY_FILE } from "../gateway/gateway.ts";
import { freeUdpPort } from "../machine/free-port.ts";
import { keyOfWords, leaveMessage, sealMessage } from "../node/message.ts";
import { dropAt } from "../store/drop-store.ts";
import { GatewayProcess } from "./gateway-process.ts";
import { Timeline } from "./timeline.ts";
import { Town } from "./town.ts";
import { EAST, GATEWAY_AT, WEST } from "./towns.ts";

const MESSAGE = "Meet at the fountain at nine. Bring a lamp.";
const PASSPHRASE = "paper lanterns over the canal";
const WRONG_PASSPHRASE = "paper lanterns over the river";
const AUTHOR = "Alice";
const READER = "Erin";
const WRITTEN_AT_S = 5;
const TICK_MS = 5;
/** The message needs nine minutes of the towns' time. Whoever misses a meeting has another one six minutes later. */
const GIVE_UP_S = 2 * 3_600;
/** The demo says that it is slow when this much real time has passed without a new line, and again each time. */
const SILENCE_MS = 20_000;

/** The towns' time after the message was read, so that a second copy can show. */
const AFTERMATH_S = 100;

const words = process.argv.slice(2);
const text = words.filter((word) => word !== "--json").join(" ") || MESSAGE;
const folder = mkdtempSync(join(tmpdir(), "throwie-demo-"));
const timeline = new Timeline(words.includes("--json"));
const towns: Town[] = [];
const gateways: GatewayProcess[] = [];
const parent = process.ppid;

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => leave(128 + constants.signals[signal]));
}
// Nobody reads the demo any more, as in `npm start | head -4`.
for (const output of [process.stdout, process.stderr]) output.on("error", () => leave(128 + constants.signals.SIGPIPE));
process.on("uncaughtException", fail);
try {
  await play();
  leave(0);
} catch (error) {
  fail(error as Error);
}

function fail(error: Error): never {
  console.error(`The message did not arrive: ${error.message}`);
  leave(1);
}

/** Ends the demo and leaves nothing behind: no process, no file. */
function leave(code: number): never {
  for (const part of [...gateways, ...towns]) part.close();
  // A gateway that was killed a moment ago may still write.
  rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  process.exit(code);
}

async function play(): Promise<void> {
  const drop = sealMessage(new TextEncoder().encode(text), keyOfWords(PASSPHRASE));
  const id = dropId(drop);
  const shortId = { low: shortIdLow(id), high: shortIdHigh(id) };
  timeline.begin({ text, drop, id, isolated: process.env.THROWIE_LOOPBACK_ONLY === "1" });

  const west = await Town.open(WEST, 1, new Fixed(...GATEWAY_AT), timeline.observer("west", shortId));
  const east = await Town.open(EAST, 2, new Fixed(...GATEWAY_AT), timeline.observer("east", shortId));
  towns.push(west, east);
  for (const town of towns) timeline.watch(town);
  await startGateways(west, east);

  let lastMs = performance.now();
  let written = false;
  let copy: Uint8Array | undefined;
  let untilS = GIVE_UP_S;
  while (east.world.nowS < untilS) {
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    // Whatever started the demo is gone, and its last signal may have missed this process.
    if (process.ppid !== parent) leave(128 + constants.signals.SIGHUP);
    const fault = gateways.find((gateway) => gateway.fault !== undefined)?.fault;
    if (fault !== undefined) throw new Error(fault);
    const nowMs = performance.now();
    for (const town of towns) town.advance(nowMs - lastMs);
    lastMs = nowMs;
    timeline.sayIfSilent(SILENCE_MS);
    if (!written && west.world.nowS >= WRITTEN_AT_S) {
      const author = west.world.node(AUTHOR)!;
      leaveMessage({ publish: (drop, origin) => published(author.publish(drop, origin)) }, drop, `of ${AUTHOR}`);
      written = true;
    }
    if (copy !== undefined) continue;
    copy = verifiedCopy(east.world.node(READER)!.throwie!.store, shortId);
    if (copy !== undefined) untilS = east.world.nowS + AFTERMATH_S;
  }
  if (copy === undefined) {
    throw new Error(`${timeline.lastStep}, and nothing more in ${GIVE_UP_S / 3_600} hours of the towns' time.`);
  }
  conclude(copy);
}

function published(outcome: PublishOutcome | undefined): PublishOutcome {
  if (outcome === undefined) throw new Error(`${AUTHOR} has no power.`);
  return outcome;
}

function verifiedCopy(store: Store, { low, high }: { low: number; high: number }): Uint8Array | undefined {
  const slot = store.find(low, high);
  return slot >= 0 && store.verified(slot) ? dropAt(store, slot) : undefined;
}

async function startGateways(west: Town, east: Town): Promise<void> {
  const places = [];
  for (const [name, town] of [
    ["library", west],
    ["bookshop", east],
  ] as const) {
    const data = join(folder, name);
    mkdirSync(data, { mode: 0o700 });
    const { nodeId: id } = loadIdentity(join(data, IDENTITY_FILE));
    places.push({ name, town, data, id, listen: `127.0.0.1:${await freeUdpPort()}` });
  }
  for (const [i, { name, town, data, listen }] of places.entries()) {
    const other = places[1 - i]!;
    const peer = `${other.id}@${other.listen}`;
    const words = ["--data", data, "--listen", listen, "--air", town.air, "--follow", peer, "--audience", peer];
    gateways.push(new GatewayProcess(name, words, timeline));
  }
}

function conclude(copy: Uint8Array): void {
  const plaintext = open(copy, keyOfWords(PASSPHRASE));
  if (plaintext === undefined) throw new Error(`${READER} has the Drop, but the passphrase does not open it.`);
  const read = new TextDecoder("utf-8", { ignoreBOM: true }).decode(plaintext);
  if (read !== text) throw new Error(`${READER} reads "${read}".`);
  if (open(copy, keyOfWords(WRONG_PASSPHRASE)) !== undefined) throw new Error("another passphrase opens the Drop too.");
  timeline.end(READER, read, { passphrase: PASSPHRASE, wrongPassphrase: WRONG_PASSPHRASE });
}
