/** `throwie write`: seal a message and keep it for whoever walks past. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import process from "node:process";
import { dropId, shortIdHigh, shortIdLow } from "../../modules/drop/drop.ts";
import { NONCE_BYTES, PLAINTEXT_SIZE_BYTES_MAX, seal } from "../../modules/drop/seal.ts";
import { freshKey } from "../../modules/temperature/temperature.ts";
import { openStore } from "../node/store-file.ts";
import { type KeyOptions, keyOf } from "./key-options.ts";

export function writeDrop(text: string | undefined, options: KeyOptions & { store: string; json?: boolean }): void {
  const plaintext = text === undefined ? readFileSync(process.stdin.fd) : new TextEncoder().encode(text);
  if (plaintext.length === 0)
    throw new RangeError("The message is empty: give it as a word after write, or on standard input.");
  if (plaintext.length > PLAINTEXT_SIZE_BYTES_MAX) {
    throw new RangeError(
      `The message is ${plaintext.length} bytes and a Drop holds ${PLAINTEXT_SIZE_BYTES_MAX}: shorten it, or write it as several.`,
    );
  }
  const drop = seal(plaintext, keyOf(options), randomBytes(NONCE_BYTES));
  const id = dropId(drop);
  const { store, close } = openStore(options.store);
  try {
    const outcome = store.insert(
      shortIdLow(id),
      shortIdHigh(id),
      drop,
      0,
      drop.length,
      freshKey(store.epoch),
      store.epoch,
    );
    if (outcome !== "stored") throw new Error(`The store ${options.store} did not take it (${outcome}).`);
    store.markVerified(store.lastSlot);
    const report = { dropId: Buffer.from(id).toString("hex"), sizeBytes: drop.length, held: store.count };
    if (options.json) console.log(JSON.stringify({ ...report, store: options.store }));
    else
      console.log(
        `Drop ${report.dropId}, ${report.sizeBytes} bytes, is in ${options.store} with ${report.held - 1} others.`,
      );
  } finally {
    close();
  }
}
