/**
 * What a command can ask of a running node, as one table, and how a request and its answer are written as bytes
 * (docs/control.md).
 *
 * | offset | size | field   | meaning                                                                             |
 * |--------|------|---------|-------------------------------------------------------------------------------------|
 * | 0      | 1    | version | 1                                                                                   |
 * | 1      | 1    | code    | `code` of `EXCHANGES`, in the request and in its answer; 0 is the answer "unknown"  |
 * | 2      | 2    | length  | the size of the body in bytes, at most 4,096; the most significant byte comes first |
 * | 4      | n    | body    | one deterministic CBOR map, keys as in the codec                                    |
 *
 * A connection carries one request and its answer, and then both ends close it. The two programs may be of different
 * versions. So a node answers "unknown" to a request that it does not know, with no body.
 *
 * To add a request, write a codec for the request and one for its answer, and give the entry a code of its own. The
 * compiler then asks for the handler.
 *
 * Malformed bytes give a reason out of a closed set and never an exception.
 */
import { DROP_SIZE_BYTES_MAX, DROP_SIZE_BYTES_MIN, SHORT_ID_BYTES } from "../../modules/drop/drop.ts";
import type { PublishOutcome } from "../../modules/throwie/throwie.ts";
import { decodeCbor, encodeCbor, ProtocolMap } from "../distsoc/wire/cbor.ts";

export const CONTROL_VERSION = 1;
export const HEADER_BYTES = 4;
/** The largest body is that of `publish`, a Drop and 7 bytes. The rest is room for requests to come. */
export const BODY_SIZE_BYTES_MAX = 4096;
const CODE_UNKNOWN = 0;

interface Codec<M> {
  /** Returns the entries of the map, in any order. */
  encode(message: M): [key: number, value: unknown][];
  /** Returns the message, whose arrays are copies, or undefined when a field is absent or out of range. */
  decode(map: ProtocolMap): M | undefined;
}

interface Exchange<Q, A> {
  /** 1 to 255. */
  readonly code: number;
  readonly request: Codec<Q>;
  readonly answer: Codec<A>;
}

/** The order is part of the format. */
const OUTCOMES: readonly PublishOutcome[] = ["stored", "known", "colder", "busy", "flash"];

/** The ShortIds of all Drops that a node protects fit. */
const GAVE_WAY_BYTES_MAX = 4000;

export interface Published {
  outcome: PublishOutcome;
  /** How many Drops the store holds. */
  held: number;
  /** The ShortIds of the person's Drops that are protected no longer, one after another. */
  gaveWay: Uint8Array;
}

/** A Drop that a person wrote, sealed: the key stays in the person's process. To repeat the request does no harm. */
const publish: Exchange<{ drop: Uint8Array }, Published> = {
  code: 1,
  request: {
    encode: ({ drop }) => [[1, drop]],
    decode: (map) => {
      const drop = map.bytes(1, DROP_SIZE_BYTES_MIN, DROP_SIZE_BYTES_MAX);
      return drop && { drop };
    },
  },
  answer: {
    encode: ({ outcome, held, gaveWay }) => [
      [1, OUTCOMES.indexOf(outcome)],
      [2, held],
      ...(gaveWay.length === 0 ? [] : [[3, gaveWay.subarray(0, GAVE_WAY_BYTES_MAX)] as [number, unknown]]),
    ],
    decode: (map) => {
      const outcome = OUTCOMES[map.unsigned(1) ?? OUTCOMES.length];
      const held = map.unsigned(2);
      const gaveWay = map.has(3) ? map.bytes(3, SHORT_ID_BYTES, GAVE_WAY_BYTES_MAX) : new Uint8Array(0);
      if (outcome === undefined || held === undefined || gaveWay === undefined) return undefined;
      return gaveWay.length % SHORT_ID_BYTES === 0 ? { outcome, held, gaveWay } : undefined;
    },
  },
};

/** Take a Drop out of the store, by its ShortId. To repeat the request does no harm. */
const remove: Exchange<{ shortId: Uint8Array }, { removed: boolean; held: number }> = {
  code: 3,
  request: {
    encode: ({ shortId }) => [[1, shortId]],
    decode: (map) => {
      const shortId = map.bytes(1, SHORT_ID_BYTES);
      return shortId && { shortId };
    },
  },
  answer: {
    encode: ({ removed, held }) => [
      [1, removed ? 1 : 0],
      [2, held],
    ],
    decode: (map) => {
      const removed = map.unsigned(1);
      const held = map.unsigned(2);
      if (removed === undefined || removed > 1 || held === undefined) return undefined;
      return { removed: removed === 1, held };
    },
  },
};

/** The programs that carry a store until they are stopped. The order is part of the format. */
const CARRIERS = ["mule", "gateway"] as const;
export type Carrier = (typeof CARRIERS)[number];

/** Which program has the store open. A second Mule or gateway need not wait for it. */
const who: Exchange<Record<string, never>, { carrier: Carrier }> = {
  code: 2,
  request: { encode: () => [], decode: () => ({}) },
  answer: {
    encode: ({ carrier }) => [[1, CARRIERS.indexOf(carrier)]],
    decode: (map) => {
      const carrier = CARRIERS[map.unsigned(1) ?? CARRIERS.length];
      return carrier && { carrier };
    },
  },
};

export const EXCHANGES = { publish, who, remove };

export type ExchangeName = keyof typeof EXCHANGES;
export type ControlRequest<N extends ExchangeName> =
  (typeof EXCHANGES)[N] extends Exchange<infer Q, infer _> ? Q : never;
export type ControlAnswer<N extends ExchangeName> =
  (typeof EXCHANGES)[N] extends Exchange<infer _, infer A> ? A : never;

/** What a running node does for each request. A handler that throws ends the connection without an answer. */
export type ControlHandlers = { readonly [N in ExchangeName]: (request: ControlRequest<N>) => ControlAnswer<N> };

export interface ControlFrame {
  version: number;
  code: number;
  body: Uint8Array;
}

/**
 * Reads the one frame of a connection from the bytes that have arrived so far. "malformed": the bytes can become no
 * frame, or go on after it.
 */
export function frameOf(bytes: Uint8Array): ControlFrame | "partial" | "malformed" {
  if (bytes.length < HEADER_BYTES) return "partial";
  const sizeBytes = HEADER_BYTES + bytes[2]! * 256 + bytes[3]!;
  if (sizeBytes > HEADER_BYTES + BODY_SIZE_BYTES_MAX || bytes.length > sizeBytes) return "malformed";
  if (bytes.length < sizeBytes) return "partial";
  return { version: bytes[0]!, code: bytes[1]!, body: Uint8Array.from(bytes.subarray(HEADER_BYTES)) };
}

export function encodeControlRequest<N extends ExchangeName>(name: N, request: ControlRequest<N>): Uint8Array {
  const { code, request: codec } = EXCHANGES[name] as unknown as Exchange<ControlRequest<N>, ControlAnswer<N>>;
  return encodeFrame(code, encodeCbor(new Map(codec.encode(request))));
}

/** Returns the answer, or "unknown" when the node does not know the request, or "malformed". */
export function decodeControlAnswer<N extends ExchangeName>(
  name: N,
  frame: ControlFrame,
): ControlAnswer<N> | "unknown" | "malformed" {
  const { code, answer: codec } = EXCHANGES[name] as unknown as Exchange<ControlRequest<N>, ControlAnswer<N>>;
  if (frame.version !== CONTROL_VERSION || frame.code === CODE_UNKNOWN) return "unknown";
  return frame.code === code ? decode(codec, frame.body) : "malformed";
}

/** Gives the request to its handler. Returns the answer as bytes, or "malformed" for a request that has none. */
export function answerRequest(frame: ControlFrame, handlers: ControlHandlers): Uint8Array | "malformed" {
  const names = Object.keys(EXCHANGES) as ExchangeName[];
  const name = names.find((candidate) => EXCHANGES[candidate].code === frame.code);
  if (frame.version !== CONTROL_VERSION || name === undefined) return encodeFrame(CODE_UNKNOWN, new Uint8Array(0));
  return answerByName(name, frame, handlers);
}

function answerByName<N extends ExchangeName>(
  name: N,
  frame: ControlFrame,
  handlers: ControlHandlers,
): Uint8Array | "malformed" {
  const exchange = EXCHANGES[name] as unknown as Exchange<ControlRequest<N>, ControlAnswer<N>>;
  const request = decode(exchange.request, frame.body);
  if (request === "malformed") return "malformed";
  return encodeFrame(frame.code, encodeCbor(new Map(exchange.answer.encode(handlers[name](request)))));
}

function encodeFrame(code: number, body: Uint8Array): Uint8Array {
  if (body.length > BODY_SIZE_BYTES_MAX) throw new RangeError(`control: a body of ${body.length} bytes is too large`);
  return Uint8Array.of(CONTROL_VERSION, code, body.length >> 8, body.length & 0xff, ...body);
}

/** Accepts a message only if every key of its map was read. */
function decode<M>(codec: Codec<M>, body: Uint8Array): M | "malformed" {
  const decoded = decodeCbor(body);
  const map = typeof decoded === "string" ? undefined : ProtocolMap.of(decoded.value);
  const message = map && codec.decode(map);
  return message !== undefined && map!.exhausted ? message : "malformed";
}
