/**
 * An adversary may make ids that collide. The adversary in these tests chose half of the ids that two nodes hold, and
 * wants to hide an honest Drop of one node. It puts each of its ids on one side, on both sides or on neither, so that
 * counts, XORs and sums of the two sides agree although the sets do not.
 *
 * The XOR does not depend on the side of an id, so the ids to use are the solution of a linear system over GF(2). The
 * sum does depend on the side. There are 2^n ways to share n used ids between the sides, and a meet-in-the-middle
 * search finds one whose sums agree too. Both steps are cheap.
 *
 * With the salt switched off (the canary) the attack works: on plain sums and on confirmed ones, on the reconciler and
 * on the fingerprint of a beacon. With the salt, which was not known when the ids were made, the attack hides nothing.
 *
 * Replay with SEED=n.
 */
import test from "ava";
import { exchange, type Ids, randomKey, randomPair, Side, seededWords } from "../bench/rbsr.ts";
import { FINGERPRINT_SIZE_BYTES, Fingerprint } from "../modules/rbsr/fingerprint.ts";
import { halfSipHash, MIX_ROUNDS, Mix } from "../modules/rbsr/half-siphash.ts";
import { confirm } from "../modules/rbsr/summary.ts";
import { BOARD_ITEMS, differenceFault, fillUnsalted } from "./rbsr-sides.ts";

const SEED = Number(process.env.SEED ?? 1);

/** How many used ids each half of the search shares between the sides. The other used ids alternate. */
const SEARCHED = 17;

/** What one id adds to the XOR and to the sum of its side. */
interface Addend {
  xor: number;
  sum: number;
}

/** The chosen ids that go to side A only, and those that go to side B only. The others may go to both. */
interface Placing {
  a: number[];
  b: number[];
}

/** A row of a linear system over GF(2): the XOR of some of the addends, and one bit for each addend used. */
interface Row {
  xor: number;
  uses: bigint;
}

/** Places the chosen ids so that count, XOR and sum of both sides agree although A also holds `honest`. */
function hide(words: () => number, chosen: Addend[], honest: Addend): Placing {
  const [start, kernel] = solve(chosen, honest.xor);
  for (;;) {
    let uses = start;
    for (const row of kernel) if (words() & 1) uses ^= row;
    const used = [...chosen.keys()].filter((index) => (uses >> BigInt(index)) & 1n);
    if (used.length % 2 === 0 || used.length < 2 * SEARCHED) continue;
    const placing = shareOut(chosen, used, honest.sum);
    if (placing !== undefined) return placing;
  }
}

/** By Gaussian elimination: a selection of ids whose XOR is `target`, and a basis of the selections whose XOR is 0. */
function solve(chosen: Addend[], target: number): [bigint, bigint[]] {
  const pivots = new Map<number, Row>();
  const kernel: bigint[] = [];
  const reduce = (row: Row): Row => {
    for (let bit = 31; bit >= 0; bit -= 1) {
      const pivot = pivots.get(bit);
      if (pivot && (row.xor >>> bit) & 1) row = { xor: row.xor ^ pivot.xor, uses: row.uses ^ pivot.uses };
    }
    return row;
  };
  for (const [index, { xor }] of chosen.entries()) {
    const row = reduce({ xor, uses: 1n << BigInt(index) });
    if (row.xor === 0) kernel.push(row.uses);
    else pivots.set(31 - Math.clz32(row.xor), row);
  }
  const start = reduce({ xor: target, uses: 0n });
  if (start.xor !== 0) throw new Error("these ids do not span the space: choose others");
  return [start.uses, kernel];
}

/** Shares out the used ids: B gets one more than A, which has the honest id, and a sum greater by `surplus`. */
function shareOut(chosen: Addend[], used: number[], surplus: number): Placing | undefined {
  const [first, second, rest] = [used.slice(0, SEARCHED), used.slice(SEARCHED, 2 * SEARCHED), used.slice(2 * SEARCHED)];
  const placing: Placing = { a: [], b: [] };
  for (const [position, index] of rest.entries()) (position & 1 ? placing.a : placing.b).push(index);
  const sumOf = (indexes: number[]) => indexes.reduce((sum, index) => (sum + chosen[index]!.sum) | 0, 0);
  const wanted = (surplus - sumOf(placing.b) + sumOf(placing.a)) | 0;
  const onB = (used.length + 1) / 2 - placing.b.length;
  const bySum = new Map(sharings(first.map((index) => chosen[index]!.sum)).map((sum, mask) => [sum, mask]));
  for (const [mask, sum] of sharings(second.map((index) => chosen[index]!.sum)).entries()) {
    const partner = bySum.get((wanted - sum) | 0);
    if (partner === undefined || ones(partner) + ones(mask) !== onB) continue;
    for (const [bit, index] of first.entries()) ((partner >> bit) & 1 ? placing.b : placing.a).push(index);
    for (const [bit, index] of second.entries()) ((mask >> bit) & 1 ? placing.b : placing.a).push(index);
    return placing;
  }
  return undefined;
}

/** For each mask of the ids that go to B: by how much the sum of B exceeds the sum of A, which gets the others. */
function sharings(sums: number[]): number[] {
  let all = [0];
  for (const sum of sums)
    all = [...all.map((before) => (before - sum) | 0), ...all.map((before) => (before + sum) | 0)];
  return all;
}

function ones(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}

/**
 * The ids of both sides as pairs of words: `common`, the chosen ids as placed, and the honest id of A. A chosen id that
 * the attack does not need goes to both sides.
 */
function sidesOf(common: Ids, chosen: [number, number][], placing: Placing, honest: [number, number]): [Ids, Ids] {
  const placed = new Set([...placing.a, ...placing.b]);
  const unused = chosen.filter((_, index) => !placed.has(index)).flat();
  const a = placing.a.flatMap((index) => chosen[index]!);
  const b = placing.b.flatMap((index) => chosen[index]!);
  return [Uint32Array.from([...common, ...unused, ...a, ...honest]), Uint32Array.from([...common, ...unused, ...b])];
}

for (const count of [64, 600]) {
  test(`${count} chosen ids hide a Drop from a reconciler without a salt (canary), and hide nothing with a salt`, (t) => {
    const words = seededWords(SEED);
    // Without a salt the two words of an id are its position and its tag. The adversary chooses the position of the
    // honest id.
    const honest: [number, number] = [words(), words()];
    const chosen = Array.from({ length: count }, (): [number, number] => [honest[0], words()]);
    const addend = ([, tag]: [number, number]): Addend => ({ xor: tag | 0, sum: confirm(tag | 0) });
    const placing = hide(words, chosen.map(addend), addend(honest));
    const [common] = randomPair(words, Math.min(count, BOARD_ITEMS - count - 1), 0, 0);
    const [idsA, idsB] = sidesOf(common, chosen, placing, honest);
    const a = new Side({ capacity: BOARD_ITEMS });
    const b = new Side({ capacity: BOARD_ITEMS });
    // These estimates lead to a first split. Without one a small set is listed soon, and a list hides nothing.
    for (const estimate of [1, 10, 20]) {
      fillUnsalted(a, idsA);
      fillUnsalted(b, idsB);
      b.reconciler.respondTo(b.set);
      exchange(a, b, a.reconciler.initiate(a.set, estimate, a.out));
      t.is(a.reconciler.haveCount + b.reconciler.haveCount, 0, "without a salt the attack works");
      for (let trial = 0; trial < 50; trial += 1) {
        const key = randomKey(words);
        a.fill(idsA, key);
        b.fill(idsB, key);
        b.reconciler.respondTo(b.set);
        exchange(a, b, a.reconciler.initiate(a.set, estimate, a.out));
        t.is(differenceFault(a, b, idsA, idsB), undefined, `SEED=${SEED}`);
      }
    }
  });

  test(`${count} chosen ids hide a Drop from a beacon's fingerprint if its nonce was known (canary), and otherwise not`, (t) => {
    const words = seededWords(SEED);
    const known: [number, number] = [words(), words()];
    const mix = Object.assign(new Mix(), { keyLow: known[0], keyHigh: known[1] });
    const addend = ([low, high]: [number, number]): Addend => {
      halfSipHash(mix, low, high, MIX_ROUNDS);
      return { xor: mix.low, sum: mix.high };
    };
    const honest: [number, number] = [words(), words()];
    const chosen = Array.from({ length: count }, (): [number, number] => [words(), words()]);
    const placing = hide(words, chosen.map(addend), addend(honest));
    const [common] = randomPair(words, Math.min(count, BOARD_ITEMS - count - 1), 0, 0);
    const [idsA, idsB] = sidesOf(common, chosen, placing, honest);
    t.true(agree(idsA, idsB, known), "under the known nonce the attack works");
    for (let trial = 0; trial < 200; trial += 1) {
      t.false(agree(idsA, idsB, [words(), words()]), `SEED=${SEED}, trial ${trial}`);
    }
  });
}

test("plain XORs and plain sums of 64 and of 600 chosen ids collide", (t) => {
  const words = seededWords(SEED);
  for (const count of [64, 600]) {
    const honest = words() | 0;
    const chosen = Array.from({ length: count }, () => words() | 0);
    const plain = (tag: number): Addend => ({ xor: tag, sum: tag });
    const { a, b } = hide(words, chosen.map(plain), plain(honest));
    const tags = (indexes: number[]) => indexes.map((index) => chosen[index]!);
    const [tagsA, tagsB] = [[honest, ...tags(a)], tags(b)];
    t.is(tagsA.length, tagsB.length);
    t.is(
      tagsA.reduce((xor, tag) => xor ^ tag, 0),
      tagsB.reduce((xor, tag) => xor ^ tag, 0),
    );
    t.is(
      tagsA.reduce((sum, tag) => (sum + tag) | 0, 0),
      tagsB.reduce((sum, tag) => (sum + tag) | 0, 0),
    );
  }
});

/** Whether the fingerprints of the two sides under this nonce say that the sets are equal. */
function agree(idsA: Ids, idsB: Ids, nonce: [number, number]): boolean {
  const beacon = new Uint8Array(FINGERPRINT_SIZE_BYTES);
  fingerprintOf(idsB, nonce).write(beacon, 0);
  return fingerprintOf(idsA, nonce).equals(beacon, 0);
}

function fingerprintOf(ids: Ids, nonce: [number, number]): Fingerprint {
  const fingerprint = new Fingerprint();
  fingerprint.begin(...nonce);
  for (let word = 0; word < ids.length; word += 2) fingerprint.add(ids[word]!, ids[word + 1]!);
  return fingerprint;
}
