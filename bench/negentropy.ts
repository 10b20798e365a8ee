/**
 * What Negentropy's algorithm pays for the sets that `bench/rbsr.ts` reconciles: bytes and round trips, which are exact, and
 * times, which mean something only beside others of the same run.
 *
 * The algorithm is that of hosts/negentropy, byte for byte the reference's (test/negentropy.test.ts). All timestamps are 0,
 * and an item's id is the SHA-256 of its ShortId: Drops have 32-byte ids too, and hashing them is not on the clock.
 */
import { performance } from "node:perf_hooks";
import { sha256 } from "@noble/hashes/sha2.js";
import { ItemVector } from "../hosts/negentropy/item-vector.ts";
import { ID_BYTES } from "../hosts/negentropy/record.ts";
import { NegentropySession } from "../hosts/negentropy/session.ts";

/** Both sides together; milliseconds of this machine, now. */
export interface ReconciliationCost {
  bytes: number;
  roundTrips: number;
  buildMs: number;
  reconcileMs: number;
  /** Items found to be on one side only. */
  different: number;
}

/** `shortIdsA` and `shortIdsB`: 8 bytes an item; both sides' sealed items are built anew each time. */
export function negentropyCosts(shortIdsA: Uint8Array, shortIdsB: Uint8Array, runs: number): ReconciliationCost[] {
  const [idsA, idsB] = [longIds(shortIdsA), longIds(shortIdsB)];
  return Array.from({ length: runs }, () => negentropyCost(idsA, idsB));
}

function negentropyCost(idsA: Uint8Array, idsB: Uint8Array): ReconciliationCost {
  const started = performance.now();
  const client = new NegentropySession(sealed(idsA));
  const server = new NegentropySession(sealed(idsB));
  const built = performance.now();
  const cost = { bytes: 0, roundTrips: 0, different: 0 };
  let next: Uint8Array | undefined = client.initiate();
  while (next !== undefined) {
    const reply = server.receive(next);
    if (typeof reply === "string" || reply.message === undefined)
      throw new Error(`negentropy: the server stopped, ${reply}`);
    const answer = client.receive(reply.message);
    if (typeof answer === "string") throw new Error(`negentropy: the client refused, ${answer}`);
    cost.bytes += next.length + reply.message.length;
    cost.roundTrips += 1;
    cost.different += answer.have.length + answer.need.length;
    next = answer.message;
  }
  return { ...cost, buildMs: built - started, reconcileMs: performance.now() - built };
}

function sealed(ids: Uint8Array): ItemVector {
  const items = new ItemVector();
  for (let offset = 0; offset < ids.length; offset += ID_BYTES)
    items.insert(0n, ids.subarray(offset, offset + ID_BYTES));
  items.seal();
  return items;
}

function longIds(shortIds: Uint8Array): Uint8Array {
  const ids = new Uint8Array((shortIds.length / 8) * ID_BYTES);
  for (let offset = 0; offset < shortIds.length; offset += 8) {
    ids.set(sha256(shortIds.subarray(offset, offset + 8)), (offset / 8) * ID_BYTES);
  }
  return ids;
}
