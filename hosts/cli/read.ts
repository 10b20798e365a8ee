/** `throwie read`: print the messages of a store that a passphrase or a place opens, hottest first. */
import { openMessages } from "../node/message.ts";
import { damagedDrops } from "../store/damaged-drops.ts";
import { openStoredDrops } from "../store/drop-store.ts";
import { recoverHint, tellDamage } from "./damage.ts";
import { type KeyOptions, keyOf, secretOf } from "./key-options.ts";
import { Progress } from "./screen.ts";
import { printMessages, type ShowOptions } from "./show-messages.ts";

export async function readMessages(options: KeyOptions & ShowOptions & { store: string }): Promise<void> {
  if (options.json && options.raw) throw new RangeError("Give --json or --raw, not both.");
  const secret = await secretOf(options, "read");
  const opened = await openStoredDrops(options.store);
  const { store } = opened;
  const report = tellDamage(options.store, opened, damagedDrops(opened), recoverHint(options.store));
  const key = keyOf(secret);
  const progress = new Progress("Drops tried");
  const messages = openMessages(store, key, (done, total) => progress.update(done, total));
  progress.end();
  printMessages({ store: options.store, held: store.count, secret, messages, ...report }, options);
}
