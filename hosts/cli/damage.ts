/** What the commands that read a store say of its damage: sentences on standard error, and a part of their JSON. */

import { harmlessLine } from "../machine/harmless.ts";
import { note } from "../machine/standard-streams.ts";
import { damageSentences, missingAtMost } from "../store/damaged-drops.ts";
import type { Damage, OpenedDrops } from "../store/drop-store.ts";

/** The part of a command's JSON that tells of damage. The command succeeds all the same. */
export interface DamageReport {
  /** `missingAtMost`: how many Drops may be missing besides those in `damaged`. */
  damage: Damage & { missingAtMost: number };
  /** The ShortIds, in hexadecimal, of the Drops whose bytes are wrong or gone. */
  damaged: string[];
}

/** Tells the person, who finds in the last sentence what to do. Returns the same for the JSON. */
export function tellDamage(path: string, opened: OpenedDrops, damaged: string[], hint = ""): DamageReport {
  const sentences = damageSentences(path, opened, damaged);
  if (sentences.length > 0 && hint !== "") sentences.push(hint);
  for (const sentence of sentences) note(harmlessLine(`throwie: ${sentence}`));
  return { damage: { ...opened.damage, missingAtMost: missingAtMost(opened) }, damaged };
}

export function recoverHint(path: string): string {
  return `To save what is left in a new file: throwie recover ${path}`;
}
