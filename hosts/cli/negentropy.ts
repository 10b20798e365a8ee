/**
 * `throwie negentropy`: Negentropy Protocol V1 over lines of standard input and output. The conformance test of the
 * reference implementation drives a program this way (docs/negentropy.md holds the same table).
 *
 * | in                                | out                                                                          |
 * |-----------------------------------|------------------------------------------------------------------------------|
 * | `item,<decimal timestamp>,<hex id>` | nothing                                                                    |
 * | `seal`                            | nothing                                                                      |
 * | `initiate`                        | `msg,<hex>`; makes this side the client; without it, this side is the server |
 * | `msg,<hex>`                       | client: any `have,<hex id>` and `need,<hex id>`, then `msg,<hex>` or `done`   |
 * |                                   | server: one `msg,<hex>`                                                      |
 *
 * FRAMESIZELIMIT in the environment limits the size of this side's messages, in bytes; empty means no limit. The
 * program answers each line before it reads the next line. It ends at the end of its input.
 *
 * Refuses any other line, a line in the wrong order, and a message that the session refuses. A refusal is a RangeError;
 * it becomes a sentence on standard error and exit code 1.
 */
import process from "node:process";
import { inputLines, print } from "../machine/standard-streams.ts";
import { ItemVector } from "../negentropy/item-vector.ts";
import { NegentropySession, type Refusal } from "../negentropy/session.ts";
import { withoutMark } from "./text.ts";

const REFUSALS: Record<Refusal, string> = {
  short: "it ends within a field",
  varint: "a number in it is longer than necessary, or above 2^64 - 1",
  timestamp: "a timestamp in it adds up to 2^64 - 1 or more",
  prefix: "a bound in it has more than 32 bytes of an id, or is infinite and has bytes of an id",
  order: "its bounds do not ascend",
  mode: "a range in it has an unknown mode",
  count: "a list in it claims more ids than follow",
  version: "its version is not 0x61",
};

export function negentropy(): void {
  const answer = lineProtocol(limitOf(withoutMark(process.env.FRAMESIZELIMIT ?? "") || "0"));
  for (const line of inputLines()) {
    const replies = answer(line);
    if (replies.length > 0) print(replies.join("\n"));
  }
}

function limitOf(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new RangeError(`FRAMESIZELIMIT must be a number of bytes, not "${text}".`);
  return Number(text);
}

/** Returns a function that answers each line of the input. */
function lineProtocol(frameSizeBytesMax: number): (line: string) => string[] {
  const items = new ItemVector();
  let session: NegentropySession | undefined;
  return (line) => {
    const [command, first = "", second = "", ...more] = line.trim().split(",");
    if (command === "item" && more.length === 0) {
      items.insert(timestampOf(first), bytesOf(second));
      return [];
    }
    if (line.trim() === "seal") {
      items.seal();
      session = new NegentropySession(items, frameSizeBytesMax);
      return [];
    }
    if (session === undefined && (command === "initiate" || command === "msg")) {
      throw new RangeError(`The line "${command}" comes after the line "seal": send "seal" first.`);
    }
    if (line.trim() === "initiate") return [`msg,${hexOf(session!.initiate())}`];
    if (command === "msg" && second === "") return repliesTo(bytesOf(first), session!);
    throw new RangeError(`There is no line "${line.slice(0, 40)}": use item, seal, initiate or msg.`);
  };
}

function repliesTo(message: Uint8Array, session: NegentropySession): string[] {
  const answer = session.receive(message);
  if (typeof answer === "string") throw new RangeError(`A message was refused: ${REFUSALS[answer]}.`);
  return [
    ...answer.have.map((id) => `have,${hexOf(id)}`),
    ...answer.need.map((id) => `need,${hexOf(id)}`),
    answer.message === undefined ? "done" : `msg,${hexOf(answer.message)}`,
  ];
}

function timestampOf(text: string): bigint {
  if (!/^\d{1,20}$/.test(text)) throw new RangeError(`A timestamp is a decimal number, not "${text.slice(0, 40)}".`);
  return BigInt(text);
}

function bytesOf(hex: string): Uint8Array {
  if (!/^([0-9a-f]{2})*$/i.test(hex))
    throw new RangeError(`Bytes are pairs of hexadecimal digits, not "${hex.slice(0, 40)}".`);
  return Buffer.from(hex, "hex");
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}
