/**
 * A person's messages: into a node as a Drop, and out of a store.
 *
 * `leaveMessage` is the only way in for a person's message, for the command line and for the demo. It uses the node's
 * `publish`, which marks the message as written here: it is protected, and offered before all others. It takes any
 * node, on this host or in the simulator.
 *
 * Refuses an empty message, a message that is too long for a Drop, and words with half a character, by a RangeError of
 * one sentence.
 */
import { randomBytes } from "node:crypto";
import { dropId } from "../../modules/drop/drop.ts";
import { passphraseMaterial } from "../../modules/drop/key.ts";
import { contentKey, NONCE_BYTES, open, PLAINTEXT_SIZE_BYTES_MAX, seal } from "../../modules/drop/seal.ts";
import type { PublishOutcome } from "../../modules/throwie/throwie.ts";
import { dropAt, type StoredDrops } from "../store/drop-store.ts";

/** A node, as far as a person writes to it. */
export interface Publisher {
  publish(drop: Uint8Array, origin: "own"): PublishOutcome;
}

/** A Drop of a store that a key opened. */
export interface OpenedMessage {
  /** 32 bytes. */
  dropId: Uint8Array;
  plaintext: Uint8Array;
}

const REFUSALS: Record<Exclude<PublishOutcome, "stored" | "known">, string> = {
  colder: "is full of warmer Drops",
  busy: "is full, and every Drop that could make room is being sent just now; try again",
  flash: "cannot be written: check the disk, or name another file",
};

/**
 * The key for the Drops that these words seal and open. Takes about a second, because the key is stretched on purpose.
 */
export function keyOfWords(words: string): Uint8Array {
  // Half of a surrogate pair has no UTF-8. TextEncoder makes U+FFFD of it, so many passphrases would be one key.
  if (/\p{Cs}/u.test(words)) throw new RangeError("The passphrase has half a character: give the words again.");
  return contentKey(passphraseMaterial(new TextEncoder().encode(words.normalize("NFKC"))));
}

/** Throws a RangeError when the message is not of 1 to PLAINTEXT_SIZE_BYTES_MAX bytes. */
export function refuseSize(plaintext: Uint8Array): void {
  if (plaintext.length === 0) {
    throw new RangeError("The message is empty: give the text as a word after write, or on standard input.");
  }
  if (plaintext.length > PLAINTEXT_SIZE_BYTES_MAX) {
    throw new RangeError(
      `The message is ${plaintext.length} bytes and a Drop holds ${PLAINTEXT_SIZE_BYTES_MAX}: shorten the message, or write several.`,
    );
  }
}

/** Seals a message into a Drop. */
export function sealMessage(plaintext: Uint8Array, key: Uint8Array): Uint8Array {
  refuseSize(plaintext);
  return seal(plaintext, key, randomBytes(NONCE_BYTES));
}

/**
 * Gives the node a Drop of its own person. Throws an Error of one sentence, which names the store as the person knows
 * it, when the node did not store the Drop.
 */
export function leaveMessage(node: Publisher, drop: Uint8Array, storeName: string): void {
  const outcome = node.publish(drop, "own");
  if (outcome !== "stored" && outcome !== "known") throw new Error(`The store ${storeName} ${REFUSALS[outcome]}.`);
}

/** The messages in the store that the key opens, the hottest first. `tell` hears after each Drop how many are done. */
export function openMessages(
  store: StoredDrops,
  key: Uint8Array,
  tell: (done: number, total: number) => void = () => {},
): OpenedMessage[] {
  const slots = Array.from({ length: store.capacity }, (_, slot) => slot).filter((slot) => store.occupied(slot));
  slots.sort((a, b) => store.heat(b) - store.heat(a));
  return slots.flatMap((slot, done) => {
    const drop = dropAt(store, slot);
    const plaintext = open(drop, key);
    tell(done + 1, slots.length);
    return plaintext === undefined ? [] : [{ dropId: dropId(drop), plaintext }];
  });
}
