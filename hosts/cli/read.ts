/** `throwie read`: print the messages of a store that a passphrase or a place opens, hottest first. */
import { existsSync } from "node:fs";
import { openMessages } from "../node/message.ts";
import { openStoredDrops } from "../store/drop-store.ts";
import { type KeyOptions, keyOf } from "./key-options.ts";

export function readMessages(options: KeyOptions & { store: string; json?: boolean }): void {
  if (!existsSync(options.store))
    throw new RangeError(`There is no store ${options.store}: name another file with --store.`);
  const key = keyOf(options);
  const { store, close } = openStoredDrops(options.store);
  try {
    const messages = openMessages(store, key).map(({ dropId, plaintext }) => ({
      dropId: Buffer.from(dropId).toString("hex"),
      text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(plaintext),
    }));
    if (options.json) console.log(harmlessJson({ store: options.store, held: store.count, messages }));
    else print(messages, store.count);
  } finally {
    close();
  }
}

function print(messages: { dropId: string; text: string }[], held: number): void {
  // The further lines of a message are indented, so that a line break cannot look like the start of another message.
  for (const { dropId, text } of messages) {
    console.log(`${dropId.slice(0, 16)}  ${printable(text).replaceAll("\n", `\n${" ".repeat(18)}`)}`);
  }
  if (messages.length === 0) console.log(`None of the ${held} Drops here opens with that passphrase or place.`);
}

/** JSON without the control characters that JSON allows. Some terminals obey them. */
function harmlessJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\u009f]/g,
    (character) => `\\u00${character.charCodeAt(0).toString(16)}`,
  );
}

/**
 * The text without control characters. A stranger may have written it, and they could rewrite the reader's terminal.
 */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, (character) =>
    character === "\n" || character === "\t" ? character : "\ufffd",
  );
}
