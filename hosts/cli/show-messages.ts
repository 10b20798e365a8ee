/**
 * How `throwie read` shows messages.
 *
 * | option   | on standard output                                                                              |
 * |----------|-------------------------------------------------------------------------------------------------|
 * | none     | 16 digits of the DropId, then the text, harmless for a terminal; further lines are indented     |
 * | `--json` | one document; `text` is exact, and a message that is not UTF-8 has its bytes in `base64` too    |
 * | `--raw`  | the bytes of each message as they were sealed, with one zero byte between two messages          |
 */

import { harmlessJson, harmlessLine, harmlessMessage } from "../machine/harmless.ts";
import { note, print, printBytes } from "../machine/standard-streams.ts";
import type { OpenedMessage } from "../node/message.ts";
import type { DamageReport } from "./damage.ts";
import { hintsFor, type Secret } from "./key-options.ts";

export interface ShowOptions {
  /** The first digits of a DropId: only this Drop's message is shown. */
  drop?: string;
  json?: boolean;
  raw?: boolean;
}

/** The part of the DropId that is shown to people: its ShortId. */
const ID_DIGITS = 16;

/** Where the messages come from, and what opened them. */
export interface Opened extends Partial<DamageReport> {
  store: string;
  held: number;
  secret: Secret;
  messages: OpenedMessage[];
}

/** Prints the messages. When none opens, a sentence says so, and others say why that may be. */
export function printMessages(opened: Opened, { drop = "", json, raw }: ShowOptions): void {
  const { secret, messages, ...source } = opened;
  const hints = messages.length === 0 && source.held > 0 ? hintsFor(secret) : [];
  const shown = messages
    .map(({ dropId, plaintext }) => ({ dropId: Buffer.from(dropId).toString("hex"), plaintext }))
    .filter(({ dropId }) => dropId.startsWith(drop.toLowerCase()));
  if (json) {
    print(harmlessJson({ ...source, place: secret.place, hints, messages: shown.map(jsonOf) }));
  } else if (raw) {
    shown.forEach(({ plaintext }, number) => {
      if (number > 0) printBytes(Uint8Array.of(0));
      printBytes(plaintext);
    });
  } else {
    for (const { dropId, plaintext } of shown) print(`${dropId.slice(0, ID_DIGITS)}  ${indented(plaintext)}`);
  }
  if (shown.length > 0 || json) return;
  const sentence = messages.length === 0 ? noneOpens(source.held) : noneOf(messages.length, harmlessLine(drop));
  if (raw) note(sentence);
  else print(sentence);
  for (const hint of hints) note(hint);
}

function noneOpens(drops: number): string {
  if (drops === 0) return "There is no Drop here.";
  const none = drops === 1 ? "The 1 Drop here does not open" : `None of the ${drops} Drops here opens`;
  return `${none} with that passphrase or place.`;
}

function noneOf(messages: number, drop: string): string {
  return messages === 1
    ? `The 1 message is not of a Drop ${drop}.`
    : `None of the ${messages} messages is of a Drop ${drop}.`;
}

/**
 * The further lines are indented, so that a line break cannot look like the start of another message. A last line end
 * is not shown: `echo` and a terminal put it there.
 */
function indented(plaintext: Uint8Array): string {
  return harmlessMessage(plaintext)
    .replace(/\n$/, "")
    .replaceAll("\n", `\n${" ".repeat(ID_DIGITS + 2)}`);
}

function jsonOf({ dropId, plaintext }: { dropId: string; plaintext: Uint8Array }): object {
  const bytes = Buffer.from(plaintext);
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  return Buffer.from(text).equals(bytes) ? { dropId, text } : { dropId, text, base64: bytes.toString("base64") };
}
