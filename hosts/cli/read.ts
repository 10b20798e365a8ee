/** `throwie read`: print the messages of a store that a passphrase or a place opens, hottest first. */
import { note } from "../machine/standard-streams.ts";
import { openMessages } from "../node/message.ts";
import { damagedDrops, damageSentences } from "../store/damaged-drops.ts";
import { openStoredDrops } from "../store/drop-store.ts";
import { type KeyOptions, keyOf } from "./key-options.ts";
import { printMessages, type ShowOptions } from "./show-messages.ts";
import { harmless } from "./text.ts";

export async function readMessages(options: KeyOptions & ShowOptions & { store: string }): Promise<void> {
  if (options.json && options.raw) throw new RangeError("Give --json or --raw, not both.");
  const key = keyOf(options);
  const opened = await openStoredDrops(options.store);
  const { store, damage } = opened;
  const damaged = damagedDrops(store);
  for (const sentence of damageSentences(options.store, opened, damaged)) note(harmless(`throwie: ${sentence}`));
  printMessages(openMessages(store, key), { store: options.store, held: store.count, damage, damaged }, options);
}
