/**
 * `npm start`: one message crosses two towns, with real parts, in less than a minute.
 *
 * Two simulated towns run in this process, in compressed real time. Two real gateway processes each use one town's air
 * over UDP, with real QUIC between them on loopback. A gateway that dies at any moment is started again, as an
 * operator's service manager would do, and the message still arrives, once. (Try it: kill a gateway by its process id,
 * which is in the timeline.)
 *
 * Exit code 0 means that the message was read at the far end, and could not be read with another passphrase. Otherwise
 * the program says what had happened until then and what had not.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
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
const GIVE_UP_MS = 58_000;

/**
 * Real time that both towns run after the message was read: almost two of their minutes, so that a second copy can
 * show.
 */
const AFTERMATH_MS = 2_500;

const words = process.argv.slice(2);
const text = words.filter((word) => word !== "--json").join(" ") || MESSAGE;
const folder = mkdtempSync(join(tmpdir(), "throwie-demo-"));
const timeline = new Timeline(words.includes("--json"));
const started: { close(): void }[] = [];

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => leave(130));
try {
  await play();
  leave(0);
} catch (error) {
  console.error(`The message did not arrive: ${(error as Error).message}`);
  leave(1);
}

/** End the demo and leave nothing behind: no process, no file. */
function leave(code: number): never {
  for (const part of started) part.close();
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}

async function play(): Promise<void> {
  const drop = sealMessage(new TextEncoder().encode(text), keyOfWords(PASSPHRASE));
  const id = dropId(drop);
  const shortId = { low: shortIdLow(id), high: shortIdHigh(id) };
  timeline.begin({ text, drop, id, isolated: process.env.THROWIE_LOOPBACK_ONLY === "1" });

  const west = await Town.open(WEST, 1, new Fixed(...GATEWAY_AT), timeline.observer("west", shortId));
  started.push(west);
  const east = await Town.open(EAST, 2, new Fixed(...GATEWAY_AT), timeline.observer("east", shortId));
  started.push(east);
  for (const town of [west, east]) timeline.watch(town);
  await startGateways(west, east);

  const begunMs = performance.now();
  let lastMs = begunMs;
  let written = false;
  let copy: Uint8Array | undefined;
  let untilMs = begunMs + GIVE_UP_MS;
  while (lastMs < untilMs) {
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    const nowMs = performance.now();
    for (const town of [west, east]) town.advance(nowMs - lastMs);
    lastMs = nowMs;
    if (!written && west.world.nowS >= WRITTEN_AT_S) {
      const author = west.world.node(AUTHOR)!;
      leaveMessage({ publish: (drop, origin) => published(author.publish(drop, origin)) }, drop, `of ${AUTHOR}`);
      written = true;
    }
    if (copy !== undefined) continue;
    copy = verifiedCopy(east.world.node(READER)!.throwie!.store, shortId);
    if (copy !== undefined) untilMs = nowMs + AFTERMATH_MS;
  }
  if (copy === undefined) throw new Error(`${timeline.lastStep}, and nothing more within ${GIVE_UP_MS / 1_000} s.`);
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
    started.push(new GatewayProcess(name, words, timeline));
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
