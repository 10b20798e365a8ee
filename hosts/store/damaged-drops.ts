/**
 * What of a store cannot be shown, in words for a person.
 *
 * A Drop is right when its bytes have the hash that its record names. A disk or flash that fails changes bytes, so a
 * command that reads checks each Drop, as a node does before it sends one. It names every Drop whose bytes are wrong or
 * gone, and says how many more may be missing.
 */
import { countOf } from "../machine/count-of.ts";
import { dropAt, isRight, type OpenedDrops } from "./drop-store.ts";
import { shortIdText } from "./short-id.ts";

/** A sector of the log names so many Drops at most. */
const DROPS_IN_LOG_SECTOR_MAX = 127;
/** A sentence names so many Drops. JSON names all of them. */
const NAMES_MAX = 20;

/** The ShortIds, in hexadecimal, of the Drops whose bytes are wrong or gone. */
export function damagedDrops({ store }: OpenedDrops): string[] {
  return Array.from({ length: store.capacity }, (_, slot) => slot)
    .filter((slot) => store.occupied(slot) && !isRight(store, slot, dropAt(store, slot)))
    .map((slot) => shortIdText(store.idLow(slot), store.idHigh(slot)));
}

/** How many Drops may be missing besides those that have a name. */
export function missingAtMost({ store, damage }: OpenedDrops): number {
  const { logSectors, records } = damage;
  return Math.max(0, Math.min(store.capacity - store.count, records + logSectors * DROPS_IN_LOG_SECTOR_MAX));
}

/** What a person should know of the damage, a sentence each. None when there is no damage. */
export function damageSentences(path: string, opened: OpenedDrops, damaged: string[]): string[] {
  const sentences: string[] = [];
  const { unreadable } = opened;
  const { logSectors, missingSectors } = opened.damage;
  if (unreadable.length > 0) {
    const sectors = `${unreadable.length === 1 ? "sector" : "sectors"} ${named(unreadable)}`;
    sentences.push(`The disk cannot read ${sectors} of ${path} (4,096 bytes each, counted from 0).`);
  }
  if (missingSectors > 0)
    sentences.push(`The file ${path} was cut short: a store has ${countOf(missingSectors, "more sector")}.`);
  const missing = missingAtMost(opened);
  if (missing > 0) {
    const where = logSectors > 0 ? `, with ${countOf(logSectors, "sector")} of its log gone` : "";
    sentences.push(`The store ${path} is damaged${where}: at most ${countOf(missing, "Drop")} cannot be shown.`);
  }
  if (damaged.length > 0) {
    sentences.push(
      `${countOf(damaged.length, "Drop")} in ${path} cannot be shown, with damaged bytes: ${named(damaged)}.`,
    );
  }
  return sentences;
}

function named(all: readonly (string | number)[]): string {
  const more = all.length > NAMES_MAX ? ` and ${all.length - NAMES_MAX} more` : "";
  return `${all.slice(0, NAMES_MAX).join(", ")}${more}`;
}
