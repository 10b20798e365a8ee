/**
 * Our reconciliation must be compared with a known algorithm. This file measures what Negentropy's algorithm pays for
 * the sets that `bench/rbsr.ts` reconciles: bytes and round trips, which are exact, and times, which mean something
 * only beside other times of the same run.
 *
 * The algorithm is that of hosts/negentropy, which agrees byte for byte with the reference (test/negentropy.test.ts).
 * All timestamps are 0. The id of an item is the SHA-256 of its ShortId, because Drops have 32-byte ids too. The time
 * for hashing these ids is not measured.
 */
import { performance } from "node:perf_hooks";
import { sha256 } from "@noble/hashes/sha2.js";
import { ItemVector } from "../hosts/negentropy/item-vector.ts";
import { ID_BYTES } from "../hosts/negentropy/record.ts";
import { NegentropySession } from "../hosts/negentropy/session.ts";

/** The cost of one reconciliation, both sides together. Times are in milliseconds of this machine and this run. */
export interface ReconciliationCost {
  bytes: number;
  roundTrips: number;
  buildMs: number;
  reconcileMs: number;
  /** Items that the reconciliation found on one side only. */
  different: number;
}

/**
 * Reconciles two sets `runs` times and returns the cost of each run. `shortIdsA` and `shortIdsB` hold 8 bytes for each
 * item. Each run builds the sealed items of both sides anew.
 */
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
      throw new Error(`negentropy: the server did not answer: ${reply}`);
    const answer = client.receive(reply.message);
    if (typeof answer === "string") throw new Error(`negentropy: the client refused a message: ${answer}`);
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
