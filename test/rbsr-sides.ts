/**
 * What the tests of modules/rbsr share: ids and keys from hexadecimal text, sets without a salt, and the check of the
 * two results of a session.
 */
import type { Ids, Side } from "../bench/rbsr.ts";
import { Mix } from "../modules/rbsr/half-siphash.ts";

/** The items of a full board. */
export const BOARD_ITEMS = 750;

export function idsOf(hex: string[]): Ids {
  const ids = new Uint32Array(2 * hex.length);
  const bytes = Buffer.from(hex.join(""), "hex");
  for (let word = 0; word < ids.length; word += 1) ids[word] = bytes.readUInt32LE(4 * word);
  return ids;
}

export function keyOf(hex: string): Mix {
  const key = new Mix();
  [key.low, key.high] = [...idsOf([hex])] as [number, number];
  return key;
}

/** Fills the set of a side with ids as if they were mixes. This switches the salt off. */
export function fillUnsalted(side: Side, ids: Ids): void {
  side.set.begin(0, 0);
  for (let item = 0; item < ids.length / 2; item += 1) side.set.place(ids[2 * item]!, ids[2 * item + 1]!, item);
  side.set.seal();
}

export function idText(ids: Ids, item: number): string {
  return `${ids[2 * item]}:${ids[2 * item + 1]}`;
}

/**
 * The fault in the two results of a session, or undefined. The result of a side must be exactly those of its ids that
 * the other side lacks.
 */
export function differenceFault(a: Side, b: Side, idsA: Ids, idsB: Ids): string | undefined {
  for (const [name, side, own, other] of [
    ["a", a, idsA, idsB],
    ["b", b, idsB, idsA],
  ] as [string, Side, Ids, Ids][]) {
    if (side.reconciler.state !== "done") return `${name} is ${side.reconciler.state} (${side.reconciler.refusal})`;
    const held = new Set<string>();
    for (let item = 0; item < other.length / 2; item += 1) held.add(idText(other, item));
    let lacked = 0;
    for (let item = 0; item < own.length / 2; item += 1) {
      const lacks = !held.has(idText(own, item));
      if (lacks) lacked += 1;
      if (side.reconciler.has(item) !== lacks) return `${name} is wrong about ${idText(own, item)}`;
    }
    if (side.reconciler.haveCount !== lacked) return `${name} counts ${side.reconciler.haveCount}, not ${lacked}`;
  }
  return undefined;
}

export function below(words: () => number, limit: number): number {
  return words() % limit;
}
