/**
 * `throwie write`: seal a message and give it to this person's Mule, which offers it to every node that it meets.
 *
 * A message on standard input is sealed byte for byte, whatever it is. A message as an argument is text.
 */
import { isUtf8 } from "node:buffer";
import { isatty } from "node:tty";
import { dropId } from "../../modules/drop/drop.ts";
import { countOf } from "../machine/count-of.ts";
import { harmlessJson, harmlessLine } from "../machine/harmless.ts";
import { note, OutputClosed, print, readInput } from "../machine/standard-streams.ts";
import { leaveMessage, refuseSize, sealMessage } from "../node/message.ts";
import { refuseStore } from "../store/drop-store.ts";
import { shortIdsIn } from "../store/short-id.ts";
import { askStore } from "./ask-store.ts";
import { type KeyOptions, keyOf, secretOf } from "./key-options.ts";
import { utf8Of } from "./text.ts";

/** Much more than a Drop holds, so that the sentence about a message that is too long can say its size. */
const INPUT_BYTES_MAX = 1_000_000;

export async function writeMessage(
  text: string | undefined,
  options: KeyOptions & { store: string; json?: boolean },
): Promise<void> {
  const isInput = text === undefined || text === "-";
  if (isInput && options.passphraseFile === "-") {
    throw new RangeError("Standard input cannot be both the message and the passphrase: give the message as a word.");
  }
  // The store and the secret come first, so that a message is not typed in vain.
  refuseStore(options.store);
  const secret = await secretOf(options, "write");
  const plaintext = isInput ? messageOfInput() : utf8Of(text, "the message");
  // A key takes a second and much memory.
  refuseSize(plaintext);
  const drop = sealMessage(plaintext, keyOf(secret));
  const { outcome, held, gaveWay } = await askStore(options.store, {
    name: "publish",
    request: { drop },
    ifSilent:
      "it is not known whether the message is in the store: look for it with throwie read, or stop that program and " +
      "write again",
  });
  leaveMessage({ publish: () => outcome }, drop, options.store);
  const old = shortIdsIn(gaveWay);
  const id = Buffer.from(dropId(drop)).toString("hex");
  try {
    if (options.json)
      print(
        harmlessJson({
          dropId: id,
          sizeBytes: drop.length,
          held,
          store: options.store,
          place: secret.place,
          ...(old.length > 0 ? { gaveWay: old } : {}),
        }),
      );
    else
      print(
        harmlessLine(
          `Drop ${id}, ${drop.length} bytes, is in ${options.store} with ${countOf(held - 1, "other Drop")}.`,
        ),
      );
    if (old.length > 0) {
      note(
        harmlessLine(
          `Half of the store is messages of yours that were handed on to fewer than three others. So ` +
            `${old.join(", ")} will make room like any carried Drop when the store is full: keep that message elsewhere, ` +
            "or delete others.",
        ),
      );
    }
  } catch (error) {
    // Otherwise the person would write the message again.
    if (!(error instanceof OutputClosed))
      note(harmlessLine(`The message is in ${options.store}. Only this report is lost.`));
    throw error;
  }
}

function messageOfInput(): Uint8Array {
  if (isatty(0)) note("Type the message. Ctrl-D on a line of its own ends it.");
  const bytes = readInput(INPUT_BYTES_MAX);
  if (bytes.length === 0) {
    // Node opens /dev/null for a closed descriptor, so the two look the same.
    throw new RangeError("Standard input is empty or closed: give the message as a word after write, or on it.");
  }
  // `echo` without a word gives a line end, and a line end says nothing.
  if (/^[\r\n]*$/.test(Buffer.from(bytes).toString("latin1"))) return new Uint8Array(0);
  if (!isUtf8(bytes))
    note("The message is not UTF-8. It is sealed byte for byte, and throwie read --raw gives it back.");
  return bytes;
}
