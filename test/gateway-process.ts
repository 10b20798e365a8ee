/**
 * A gateway in its own process, so that test/gateway.test.ts can kill it. It has real QUIC, a real database, and an air
 * that is a file of hexadecimal lines. It reads lines `hear <hex>` from standard input and logs to standard output.
 *
 * Arguments: the data folder, the listen address, the file of the air, and then any number of `follow=<address>` and
 * `audience=<address>`.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { loadIdentity } from "../hosts/distsoc/identity.ts";
import { parseNodeAddress } from "../hosts/distsoc/node-id.ts";
import { openIrohTransport } from "../hosts/distsoc/transport/iroh-transport.ts";
import { MESSAGE_BOUNDS } from "../hosts/distsoc/wire/messages.ts";
import type { Air } from "../hosts/gateway/bridge.ts";
import { Gateway, openDatabase } from "../hosts/gateway/gateway.ts";
import { openLog } from "../hosts/gateway/log.ts";
import type { PublishOutcome } from "../modules/throwie/throwie.ts";

/** An air in a file. A line of the file counts as a Drop when its line feed is on the disk. */
class FileAir implements Air {
  readonly #path: string;
  #handler: (drop: Uint8Array) => void = () => {};

  constructor(path: string) {
    this.#path = path;
  }

  *heardDrops(): Iterable<Uint8Array> {
    if (!existsSync(this.#path)) return;
    const lines = readFileSync(this.#path, "latin1").split("\n");
    for (const line of lines.slice(0, -1)) yield Uint8Array.from(Buffer.from(line, "hex"));
  }

  offer(drop: Uint8Array): PublishOutcome {
    for (const held of this.heardDrops()) if (Buffer.compare(held, drop) === 0) return "known";
    const file = openSync(this.#path, "a", 0o600);
    writeSync(file, `${Buffer.from(drop).toString("hex")}\n`);
    fsyncSync(file);
    closeSync(file);
    this.#handler(drop);
    return "stored";
  }

  onHeard(handler: (drop: Uint8Array) => void): void {
    this.#handler = handler;
  }
}

const [dataPath, listen, airPath, ...peers] = process.argv.slice(2);
const named = (role: string) =>
  peers.filter((peer) => peer.startsWith(`${role}=`)).map((peer) => parseNodeAddress(peer.slice(role.length + 1)));
const { logger, close } = openLog(1);
const air = new FileAir(airPath!);
// The test has created the folder, because it reads the key before the gateway runs. Only one process may use the
// database.
const keyPath = join(dataPath!, "identity.key");
const identity = loadIdentity(keyPath);
const database = openDatabase(dataPath!, identity.nodeId, logger);
const transport = await openIrohTransport({ identity, listen: listen!, bounds: MESSAGE_BOUNDS });
const gateway = new Gateway(
  {
    ...{ dataPath: dataPath!, identity, transport, air, logger },
    ...{ follow: named("follow"), audience: named("audience"), timings: { baseMs: 20, capMs: 200 } },
    requestDeadlineMs: 3000,
  },
  database,
);
gateway.start();
createInterface({ input: process.stdin }).on("line", (line) => {
  const [word, argument] = line.split(" ");
  if (word === "hear") air.offer(Uint8Array.from(Buffer.from(argument!, "hex")));
});
process.once("SIGTERM", async () => {
  await gateway.stop();
  await close();
  process.exit(0);
});
