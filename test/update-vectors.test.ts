/** The messages of an update, byte for byte (docs/update.md): what is written, what is read, and what is refused. */
import test from "ava";
import { encodeLine, LineReader, lineBytesMax, MESSAGE_AT } from "../modules/dongle/framing.ts";
import {
  BOARD_BYTES_MAX,
  beginFacts,
  boardFacts,
  DATA_AT,
  dataOffset,
  isUpdateMessage,
  reportFacts,
  sessionOf,
  writeBegin,
  writeBoard,
  writeCall,
  writeData,
  writeEnd,
  writeReport,
} from "../modules/update/message.ts";
import vectors from "./vectors/update.json" with { type: "json" };

// biome-ignore lint/suspicious/noExplicitAny: a vector is whatever its file says; a wrong name fails its check
type Vector = any;

const WRITE: Record<string, (vector: Vector, out: Uint8Array) => number> = {
  call: ({ session }, out) => writeCall(out, MESSAGE_AT, session),
  board: ({ session, ...facts }, out) => writeBoard(out, MESSAGE_AT, session, facts),
  begin: ({ session, digest, ...facts }, out) =>
    writeBegin(out, MESSAGE_AT, session, { ...facts, digest: Buffer.from(digest, "hex") }),
  data({ session, offset, data }, out) {
    const bytes = Buffer.from(data, "hex");
    out.set(bytes, MESSAGE_AT + writeData(out, MESSAGE_AT, session, offset));
    return DATA_AT + bytes.length;
  },
  end: ({ session }, out) => writeEnd(out, MESSAGE_AT, session),
  report: ({ session, ...facts }, out) => writeReport(out, MESSAGE_AT, session, facts),
};

const READ: Record<string, (message: Uint8Array) => unknown> = {
  call: () => ({}),
  board: (message) => boardFacts(message, message.length),
  begin: (message) => ({ ...beginFacts(message), digest: Buffer.from(beginFacts(message).digest).toString("hex") }),
  data: (message) => ({ offset: dataOffset(message), data: Buffer.from(message.subarray(DATA_AT)).toString("hex") }),
  end: () => ({}),
  report: (message) => reportFacts(message),
};

function messageOf(line: string): Uint8Array {
  const reader = new LineReader();
  const bytes = Buffer.from(line, "hex");
  return reader.message.slice(0, reader.next(bytes, 0, bytes.length));
}

test("each message is written and read as its vector says", (t) => {
  for (const vector of vectors.valid as Vector[]) {
    const { description, op, session, message, line, ...facts } = vector;
    const out = new Uint8Array(lineBytesMax(2_000));
    const lengthBytes = WRITE[op]!(vector, out);
    t.is(Buffer.from(out.slice(MESSAGE_AT, MESSAGE_AT + lengthBytes)).toString("hex"), message, description);
    t.is(Buffer.from(out.slice(0, encodeLine(out, 0, lengthBytes))).toString("hex"), line, description);
    const read = messageOf(line);
    t.true(isUpdateMessage(read, read.length), description);
    t.is(sessionOf(read), session, description);
    t.deepEqual(READ[op]!(read), facts, description);
  }
});

test("a message of another form is refused", (t) => {
  for (const { description, line } of vectors.invalid) {
    const read = messageOf(line);
    t.true(read.length > 0, description);
    t.false(isUpdateMessage(read, read.length), description);
  }
});

test("a call and an answer of another version are understood as far as their session", (t) => {
  for (const kind of [16, 17]) {
    const message = Uint8Array.of(kind, 9, 0x78, 0x56, 0x34, 0x12, 1, 2, 3);
    t.true(isUpdateMessage(message, message.length));
    t.is(sessionOf(message), 0x12345678);
  }
});

test("the name of a firmware that is too long is cut, and what is no text is shown as a question mark", (t) => {
  const out = new Uint8Array(lineBytesMax(BOARD_BYTES_MAX));
  const facts = { chip: 5, room: 1, trial: false, firmware: `\x1b\n${"y".repeat(400)}` };
  const lengthBytes = writeBoard(out, 0, 1, facts);
  t.is(lengthBytes, BOARD_BYTES_MAX);
  t.is(boardFacts(out, lengthBytes).firmware, `??${"y".repeat(248)}`);
});
