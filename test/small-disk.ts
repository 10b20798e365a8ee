/**
 * A gateway on a small disk of its own, for test/gateway-disk.test.ts. It runs in a mount namespace, where the first
 * argument is the folder of a file system of 512 KB. It prints one JSON object with what it saw.
 */
import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { signPost } from "../hosts/distsoc/post.ts";
import { MemoryNetwork } from "../hosts/distsoc/transport/memory-transport.ts";
import { TransportError } from "../hosts/distsoc/transport/transport.ts";
import { decodeAnswer, encodeRequest, MESSAGE_BOUNDS } from "../hosts/distsoc/wire/messages.ts";
import { Town, until } from "./gateway-town.ts";
import { identityOf } from "./transport-contract.ts";

const disk = process.argv[2]!;
const filler = join(disk, "filler");
const drop = (number: number): Uint8Array => new Uint8Array(2000).fill(number);

function fill(): void {
  const file = openSync(filler, "w");
  try {
    for (;;) if (writeSync(file, new Uint8Array(4096)) < 4096) break;
  } catch {
    // The disk is full now.
  }
  closeSync(file);
}

const network = new MemoryNetwork();
const followed = identityOf(5);
const town = new Town(network, 1, disk);
const follow = [{ address: { id: followed.nodeId, sockets: ["memory"] } }];
const start = (): void => town.start(follow, []);
start();
const peer = network.open(followed.nodeId, { bounds: MESSAGE_BOUNDS });
const ask = async (request: Parameters<typeof encodeRequest>[0]): Promise<string> => {
  const connection = await peer.connect(town.address, { deadlineMs: 5000 });
  try {
    const answer = decodeAnswer(request.type, await connection.request(encodeRequest(request), { deadlineMs: 5000 }));
    return typeof answer === "string" ? answer : JSON.stringify(answer);
  } catch (error) {
    return error instanceof TransportError ? error.failure : (error as Error).message;
  }
};
const push = (number: number): Promise<string> =>
  ask({ type: "PushPost", record: signPost(followed, number, drop(number)).record });

const seen: Record<string, unknown> = {};
seen.before = await push(1);
await until(() => town.air.drops.size === 1);
fill();
for (let number = 100; number < 140; number += 1) town.hear(drop(number));
await until(() => town.logged("database-fails").length > 0);
seen.pushed = await push(2);
seen.pushedAgain = await push(2);
seen.read = (await ask({ type: "FileRequest", postId: signPost(followed, 1, drop(1)).id })).length > 1000;
seen.said = town.logged("database-fails").map(({ reason }) => reason);
seen.faults = town.logged("fault");
const posted = town.counts().posts;
await town.stop();
seen.stopped = town.logged("stopped").length;

fill();
start();
seen.restarted = town.counts().posts === posted;
await until(() => town.logged("database-fails").length > 1);
rmSync(filler);
// The gateway tries again by itself, with nothing that wakes it.
seen.resumed = await until(() => town.counts().posts === 41);
seen.works = town.logged("database-works").length > 0;
seen.pushedThen = await push(2);
await town.stop();
process.stdout.write(JSON.stringify(seen));
process.exit(0);
