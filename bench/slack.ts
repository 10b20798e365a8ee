/**
 * A choice of victims that the product does not make: with a slack of n the n coldest Drops count as equally cold, and
 * of them the one dies that leaves the least alive in its sector, which may be free then (docs/store.md, "Eviction and
 * heat").
 */
import type { Store } from "../modules/store/store.ts";

/** The slot of the victim for a Drop with this heat key, -1 when no Drop is colder. */
export function victimWithSlack(store: Store, slack: number, heatKey: number): number {
  const colder = Array.from({ length: store.capacity }, (_, slot) => slot).filter(
    (slot) => store.occupied(slot) && store.pins(slot) === 0 && store.heat(slot) < heatKey,
  );
  colder.sort((a, b) => store.heat(a) - store.heat(b) || a - b);
  return colder
    .slice(0, slack)
    .reduce((best, slot) => (store.liveBytesBeside(slot) < store.liveBytesBeside(best) ? slot : best), colder[0] ?? -1);
}
