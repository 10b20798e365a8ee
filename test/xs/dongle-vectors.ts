/** Checks modules/dongle against test/vectors/dongle.json, in code that runs on any engine. */
import { encodeLine, LineReader, lineBytesMax, MESSAGE_AT } from "../../modules/dongle/framing.ts";
import {
  FRAME_ADDRESS_AT,
  FRAME_AT,
  GREETING_SESSION_AT,
  RSSI_AT,
  SEQUENCE_AT,
  SESSION_AT,
  tellText,
  u16At,
  u32At,
  VERSION_AT,
  wellFormed,
  writeAsk,
  writeEnvelope,
  writeHello,
  writeStatus,
  writeTell,
  writeWelcome,
} from "../../modules/dongle/message.ts";
import { fromHex, toHex } from "./hex.ts";

// biome-ignore lint/suspicious/noExplicitAny: a vector is whatever its file says; a wrong name fails its check
type Vector = any;

interface Checks {
  same(vector: Vector, actual: unknown, expected: unknown): void;
}

/** Writes the vector's message at MESSAGE_AT. */
const WRITE: Record<string, (vector: Vector, out: Uint8Array) => number> = {
  hello: ({ session, window }, out) => writeHello(out, MESSAGE_AT, session, window),
  welcome: ({ session, window, address, maxPayload, receiveQueueFrames }, out) =>
    writeWelcome(out, MESSAGE_AT, {
      session,
      window,
      address: fromHex(address),
      frameSizeBytesMax: maxPayload,
      receiveQueueFrames,
    }),
  frame({ session, sequence, address, rssiDbm, frame }, out) {
    const bytes = fromHex(frame);
    writeEnvelope(out, MESSAGE_AT, { session, sequence, address: fromHex(address), rssiDbm });
    out.set(bytes, MESSAGE_AT + FRAME_AT);
    return FRAME_AT + bytes.length;
  },
  status: (vector, out) => writeStatus(out, MESSAGE_AT, vector),
  ask: (vector, out) => writeAsk(out, MESSAGE_AT, vector),
  tell: (vector, out) => writeTell(out, MESSAGE_AT, vector, vector.text),
};

/** Reads a line in pieces. Returns its messages in hexadecimal, and how many stretches of it held no message. */
function read(line: Uint8Array, piece: number): { messages: string; damaged: number; reader: LineReader } {
  const reader = new LineReader();
  const messages: string[] = [];
  for (let from = 0; from < line.length; ) {
    const to = Math.min(from + piece, line.length);
    const lengthBytes = reader.next(line, from, to);
    if (lengthBytes > 0) messages.push(toHex(reader.message.slice(0, lengthBytes)));
    from = reader.at;
  }
  return { messages: messages.join(), damaged: reader.damaged, reader };
}

export function checkDongle(vectors: { valid: Vector[]; invalid: Vector[] }, checks: Checks): void {
  for (const vector of vectors.valid) {
    const message = fromHex(vector.message);
    const out = new Uint8Array(lineBytesMax(message.length));
    if (vector.op !== "greeting") {
      const lengthBytes = WRITE[vector.op]!(vector, out);
      checks.same(vector, toHex(out.slice(MESSAGE_AT, MESSAGE_AT + lengthBytes)), vector.message);
      checks.same(vector, toHex(out.slice(0, encodeLine(out, 0, lengthBytes))), vector.line);
    }
    for (const piece of [1, 7, 4096]) checks.same(vector, read(fromHex(vector.line), piece).messages, vector.message);
    checks.same(vector, wellFormed(message, message.length), true);
    checkFields(vector, message, checks);
  }
  for (const vector of vectors.invalid) {
    const { messages, damaged, reader } = read(fromHex(vector.line), 4096);
    if (vector.reason === "damaged") {
      checks.same(vector, messages, "");
      checks.same(vector, damaged, 1);
      // The reader recovers: it reads the next message.
      const next = fromHex(vectors.valid[0].line);
      checks.same(vector, reader.next(next, 0, next.length) > 0, true);
    } else checks.same(vector, wellFormed(reader.message, messages.length / 2), false);
  }
}

function checkFields(vector: Vector, message: Uint8Array, checks: Checks): void {
  if (vector.op === "greeting") {
    checks.same(vector, message[VERSION_AT], vector.version);
    checks.same(vector, u32At(message, GREETING_SESSION_AT), vector.session);
  } else if (vector.op === "tell") {
    checks.same(vector, tellText(message, message.length), vector.text);
  } else if (vector.op === "frame") {
    checks.same(vector, u32At(message, SESSION_AT), vector.session);
    checks.same(vector, u16At(message, SEQUENCE_AT), vector.sequence);
    checks.same(vector, toHex(message.slice(FRAME_ADDRESS_AT, RSSI_AT)), vector.address);
    checks.same(vector, (message[RSSI_AT]! << 24) >> 24, vector.rssiDbm);
    checks.same(vector, toHex(message.slice(FRAME_AT)), vector.frame);
  }
}
