/**
 * `throwie delete`: take a Drop out of a store, a message of one's own or another's.
 *
 * Nobody can call back the copies that others carry, and one of these may come back to the store.
 */
import { dropId } from "../../modules/drop/drop.ts";
import { countOf } from "../machine/count-of.ts";
import { harmlessJson, harmlessLine } from "../machine/harmless.ts";
import { print } from "../machine/standard-streams.ts";
import { dropAt, openStoredDrops, type StoredDrops } from "../store/drop-store.ts";
import { shortIdBytes, shortIdText } from "../store/short-id.ts";
import { askStore } from "./ask-store.ts";

/** With fewer digits a slip finds another Drop too easily. */
const DIGITS_MIN = 4;

export async function deleteDrop(digits: string, options: { store: string; json?: boolean }): Promise<void> {
  const wanted = digits.toLowerCase();
  if (!/^[0-9a-f]{4,64}$/.test(wanted)) {
    throw new RangeError(
      `The id ${harmlessLine(digits)} is not ${DIGITS_MIN} to 64 hexadecimal digits: give the first digits that throwie read prints.`,
    );
  }
  const { store } = await openStoredDrops(options.store);
  const slot = slotOf(store, wanted, options.store);
  const shortId = shortIdBytes(store.idLow(slot), store.idHigh(slot));
  const { removed, held } = await askStore(options.store, {
    name: "remove",
    request: { shortId },
    ifSilent: "it is not known whether the Drop is gone: stop that program, and delete the Drop again",
  });
  if (!removed) throw new Error(`The Drop ${wanted} left the store ${options.store} before it could be deleted.`);
  const id = Buffer.from(shortId).toString("hex");
  if (options.json) print(harmlessJson({ deleted: id, store: options.store, held }));
  else print(harmlessLine(`Drop ${id} is deleted. ${options.store} holds ${countOf(held, "Drop")}.`));
}

/** The slot of the one Drop whose id begins with these digits. */
function slotOf(store: StoredDrops, digits: string, path: string): number {
  const found = Array.from({ length: store.capacity }, (_, slot) => slot).filter((slot) => {
    if (!store.occupied(slot)) return false;
    const name = shortIdText(store.idLow(slot), store.idHigh(slot));
    if (digits.length <= name.length) return name.startsWith(digits);
    return (
      digits.startsWith(name) &&
      Buffer.from(dropId(dropAt(store, slot)))
        .toString("hex")
        .startsWith(digits)
    );
  });
  if (found.length === 0) throw new Error(`The store ${path} has no Drop ${digits}: throwie read prints the ids.`);
  if (found.length > 1) throw new Error(`${found.length} Drops of ${path} begin with ${digits}: give more digits.`);
  return found[0]!;
}
