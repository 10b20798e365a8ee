/** `throwie read`: print the messages of a store that a passphrase or a place opens, hottest first. */
import { existsSync } from "node:fs";
import { openMessages } from "../node/message.ts";
import { openStoredDrops } from "../store/drop-store.ts";
import { type KeyOptions, keyOf } from "./key-options.ts";
import { printMessages, type ShowOptions } from "./show-messages.ts";

export function readMessages(options: KeyOptions & ShowOptions & { store: string }): void {
  if (options.json && options.raw) throw new RangeError("Give --json or --raw, not both.");
  if (!existsSync(options.store))
    throw new RangeError(`There is no store ${options.store}: name another file with --store.`);
  const key = keyOf(options);
  const { store, close } = openStoredDrops(options.store);
  try {
    printMessages(openMessages(store, key), { store: options.store, held: store.count }, options);
  } finally {
    close();
  }
}
