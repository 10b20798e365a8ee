/**
 * The messages of distsoc/2 as one table (the seed's table of types; docs/distsoc.md, "Messages").
 *
 * | offset | size | field | meaning                                                                   |
 * |--------|------|-------|---------------------------------------------------------------------------|
 * | 0      | 1    | type  | `code` of `MESSAGES`                                                      |
 * | 1      | n    | body  | one deterministic CBOR map (cbor.ts), keys as in the codec of its message |
 *
 * A stream carries one message in one direction and its answer in the other. Where the seed names a type for an answer,
 * the answer has this type (0x30 is answered by 0x31). Otherwise the answer repeats the type byte of its message, and
 * its entry in this table has the name of the message with "Answer" after it.
 *
 * The table has all 21 types of the seed. This version reads and writes the entries that have a codec. The other types
 * are refused as `unsupported-type`, and a type byte without an entry is refused as `unknown-type`. For the types
 * without a codec, `answeredBy` is only a guess from the names in the seed.
 *
 * To add a message, write a codec in the file of its layer, spread the codec into the entry of the message, and add
 * vectors to test/vectors/distsoc*.json. The rest follows from the table. The compiler reports what is missing: the
 * codec of the answer, a name or a `type` that differs from the entry, or the handler of the node (`Handlers` in
 * exchange.ts).
 *
 * Invariant: the encoders give back, byte for byte, all that `decodeRequest` and `decodeAnswer` accept. Malformed input
 * gives a reason out of a closed set and never an exception.
 */
import { type CborRefusal, decodeCbor, encodeCbor, ProtocolMap } from "./cbor.ts";
import { type Codec, ONE_POST_SIZE_BYTES_MAX } from "./codec.ts";
import type { ErrorName } from "./error-codes.ts";
import { fileRequest, fileResponse, postNotification, postNotificationAnswer } from "./files.ts";
import { pushPost, pushPostAnswer } from "./social.ts";

/** `answeredBy` is undefined for a message that only answers and never opens a stream. */
export const MESSAGES = {
  RoutingDiff: { code: 0x01, name: "RoutingDiff", layer: "discovery", answeredBy: "RoutingDiffAnswer" },
  InitialMapSync: { code: 0x02, name: "InitialMapSync", layer: "discovery", answeredBy: "InitialMapSync" },
  WormRequest: { code: 0x10, name: "WormRequest", layer: "discovery", answeredBy: "WormResponse" },
  WormQuery: { code: 0x11, name: "WormQuery", layer: "discovery", answeredBy: "WormResponse" },
  WormResponse: { code: 0x12, name: "WormResponse", layer: "discovery", answeredBy: undefined },
  AddressRequest: { code: 0x20, name: "AddressRequest", layer: "discovery", answeredBy: "AddressResponse" },
  AddressResponse: { code: 0x21, name: "AddressResponse", layer: "discovery", answeredBy: undefined },
  FileRequest: { code: 0x30, name: "FileRequest", layer: "files", answeredBy: "FileResponse", ...fileRequest },
  FileResponse: { code: 0x31, name: "FileResponse", layer: "files", answeredBy: undefined, ...fileResponse },
  AuthorUpdateRequest: { code: 0x32, name: "AuthorUpdateRequest", layer: "files", answeredBy: "AuthorUpdateResponse" },
  AuthorUpdateResponse: { code: 0x33, name: "AuthorUpdateResponse", layer: "files", answeredBy: undefined },
  AuthorUpdatePush: { code: 0x34, name: "AuthorUpdatePush", layer: "files", answeredBy: "AuthorUpdatePushAnswer" },
  PostNotification: {
    code: 0x35,
    name: "PostNotification",
    layer: "files",
    answeredBy: "PostNotificationAnswer",
    ...postNotification,
  },
  PostNotificationAnswer: {
    code: 0x35,
    name: "PostNotificationAnswer",
    layer: "files",
    answeredBy: undefined,
    ...postNotificationAnswer,
  },
  PullSyncRequest: { code: 0x40, name: "PullSyncRequest", layer: "social", answeredBy: "PullSyncResponse" },
  PullSyncResponse: { code: 0x41, name: "PullSyncResponse", layer: "social", answeredBy: undefined },
  PushPost: { code: 0x42, name: "PushPost", layer: "social", answeredBy: "PushPostAnswer", ...pushPost },
  PushPostAnswer: { code: 0x42, name: "PushPostAnswer", layer: "social", answeredBy: undefined, ...pushPostAnswer },
  AudienceRequest: { code: 0x43, name: "AudienceRequest", layer: "social", answeredBy: "AudienceResponse" },
  AudienceResponse: { code: 0x44, name: "AudienceResponse", layer: "social", answeredBy: undefined },
  ProfileUpdate: { code: 0x50, name: "ProfileUpdate", layer: "general", answeredBy: "ProfileUpdateAnswer" },
  DeleteRecord: { code: 0x51, name: "DeleteRecord", layer: "general", answeredBy: "DeleteRecordAnswer" },
  VisibilityUpdate: { code: 0x52, name: "VisibilityUpdate", layer: "general", answeredBy: "VisibilityUpdateAnswer" },
} as const satisfies Record<string, Head>;

/** The fields of an entry besides its codec. */
interface Head {
  readonly code: number;
  readonly name: string;
  readonly layer: "discovery" | "files" | "social" | "general";
  readonly answeredBy: string | undefined;
}

type Table = typeof MESSAGES;

/** The messages that the codecs of the table read, by name. */
type Spoken = {
  [N in keyof Table as Table[N] extends { decode: unknown } ? N : never]: Table[N] extends Codec<infer M> ? M : never;
};

/** The names of the messages that have a codec. */
type SpokenName = keyof Spoken;

/** The names of the messages that have a codec and open a stream. */
export type RequestName = { [N in SpokenName]: Table[N]["answeredBy"] extends string ? N : never }[SpokenName];

type AnswerNameOf = { readonly [N in RequestName]: Table[N]["answeredBy"] };

/** The message of this name, or any of several. */
export type Message<N extends SpokenName = SpokenName> = { [P in N]: Spoken[P] & { readonly type: P } }[N];

/** A message that opens a stream. */
export type Request<N extends RequestName = RequestName> = Message<N>;

/** The answer to the request of this name. */
export type AnswerOf<N extends RequestName> = Message<AnswerNameOf[N]>;

export type Answer = AnswerOf<RequestName>;

interface Entry<N extends SpokenName> extends Codec<Message<N>> {
  readonly code: number;
  readonly name: N;
}

/**
 * The same table, typed by name, so that the compiler links a name to its message and its answer. A codec that is
 * missing, or that belongs to another message, is a compile error in one of these two lines.
 */
const SPOKEN: { readonly [N in SpokenName]: Entry<N> } = MESSAGES;
const ANSWERED: { readonly [N in RequestName]: { readonly answeredBy: AnswerNameOf[N] } } = MESSAGES;

const CODES = new Set<number>();
const SPOKEN_CODES = new Set<number>();
const REQUEST_NAMES = new Map<number, RequestName>();
for (const entry of Object.values(MESSAGES)) {
  CODES.add(entry.code);
  if (!("decode" in entry)) continue;
  SPOKEN_CODES.add(entry.code);
  if (entry.answeredBy !== undefined) REQUEST_NAMES.set(entry.code, entry.name);
}

/** The messages that have a codec and open a stream, in the order of the table. */
export const REQUESTS: readonly RequestName[] = [...REQUEST_NAMES.values()];

/** The most bytes of a message whose type has no codec. This is the bound of all messages that exist so far. */
const UNREAD_SIZE_BYTES_MAX = ONE_POST_SIZE_BYTES_MAX;

/**
 * The most bytes of any message that opens a stream, and of any answer. A transport must read messages of these sizes.
 */
export const MESSAGE_BOUNDS = {
  requestSizeBytesMax: Math.max(UNREAD_SIZE_BYTES_MAX, ...REQUESTS.map((name) => SPOKEN[name].sizeBytesMax)),
  answerSizeBytesMax: Math.max(...REQUESTS.map((name) => SPOKEN[ANSWERED[name].answeredBy].sizeBytesMax)),
};

/**
 * - empty: there is no type byte.
 * - unexpected-type: the type is in the table but is wrong here, for example an answer that opens a stream.
 * - bad-field: the CBOR map is not a map of this message.
 *
 * The names of the other reasons explain themselves.
 */
export type WireRefusal =
  | CborRefusal
  | "empty"
  | "too-large"
  | "unknown-type"
  | "unsupported-type"
  | "unexpected-type"
  | "bad-field";

const ERROR_OF: Readonly<Record<WireRefusal, ErrorName>> = {
  empty: "malformed",
  "too-large": "too-large",
  "unknown-type": "unknown-type",
  "unsupported-type": "unsupported-type",
  "unexpected-type": "malformed",
  malformed: "malformed",
  trailing: "malformed",
  "not-canonical": "malformed",
  "bad-field": "malformed",
};

/** Returns the code with which a refused request is answered. */
export function errorOf(refusal: WireRefusal): ErrorName {
  return ERROR_OF[refusal];
}

export function encodeRequest(request: Request): Uint8Array {
  return encode(request);
}

export function encodeAnswer(answer: Answer): Uint8Array {
  return encode(answer);
}

export function decodeRequest(bytes: Uint8Array): Request | WireRefusal {
  const name = REQUEST_NAMES.get(bytes[0] ?? 0);
  const body = bodyOf(bytes, name === undefined ? UNREAD_SIZE_BYTES_MAX : SPOKEN[name].sizeBytesMax);
  if (typeof body === "string") return body;
  if (name === undefined) return "unexpected-type";
  return whole(SPOKEN[name].decode(body), body);
}

/** Decodes the answer to a request of this name. */
export function decodeAnswer<N extends RequestName>(to: N, bytes: Uint8Array): AnswerOf<N> | WireRefusal {
  const { code, sizeBytesMax, decode } = SPOKEN[ANSWERED[to].answeredBy];
  const body = bodyOf(bytes, sizeBytesMax);
  if (typeof body === "string") return body;
  return bytes[0] === code ? whole(decode(body), body) : "unexpected-type";
}

/** Throws a RangeError for a message that is larger than its bound. Such a message is a bug of this program. */
function encode<N extends SpokenName>(message: Message<N>): Uint8Array {
  const entry = SPOKEN[message.type];
  const body = encodeCbor(new Map(entry.encode(message)));
  const bytes = new Uint8Array(1 + body.length);
  if (bytes.length > entry.sizeBytesMax)
    throw new RangeError(`messages: a ${entry.name} of ${bytes.length} bytes is larger than its bound`);
  bytes[0] = entry.code;
  bytes.set(body, 1);
  return bytes;
}

function bodyOf(bytes: Uint8Array, sizeBytesMax: number): ProtocolMap | WireRefusal {
  const code = bytes[0];
  if (code === undefined) return "empty";
  if (bytes.length > sizeBytesMax) return "too-large";
  if (!CODES.has(code)) return "unknown-type";
  if (!SPOKEN_CODES.has(code)) return "unsupported-type";
  const decoded = decodeCbor(bytes.subarray(1));
  if (typeof decoded === "string") return decoded;
  return ProtocolMap.of(decoded.value) ?? "bad-field";
}

/** Accepts a message only if every key of its map was read. */
function whole<M>(message: M | undefined, body: ProtocolMap): M | "bad-field" {
  return message !== undefined && body.exhausted ? message : "bad-field";
}
