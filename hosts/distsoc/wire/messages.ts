/**
 * The messages of distsoc/2 (seed table of types; design section 9; docs/distsoc.md, "Messages").
 *
 * | offset | size | field | meaning                                                                   |
 * |--------|------|-------|---------------------------------------------------------------------------|
 * | 0      | 1    | type  | `MESSAGE_TYPES`                                                           |
 * | 1      | n    | body  | one deterministic CBOR map (cbor.ts), keys as in the table of its message |
 *
 * A stream carries one message one way and its answer the other. An answer has a type of its own where the table names
 * one (0x30 is answered by 0x31); otherwise it repeats the type of what it answers.
 *
 * Invariant: what `decodeRequest` and `decodeAnswer` take, the encoders give back byte for byte.
 *
 * All types of the table are known by name. Those that this version does not speak are refused as `unsupported-type`, a
 * byte that is in no table as `unknown-type`. Malformed input is a reason out of a closed set, never an exception.
 */

import { NODE_ID_BYTES, type NodeId, nodeIdBytes, nodeIdOf } from "../node-id.ts";
import { POST_BYTES_MAX, POST_ID_BYTES } from "../post.ts";
import { type ErrorName, MESSAGE_BYTES_MAX } from "../transport/transport.ts";
import { type CborRefusal, decodeCbor, encodeCbor, ProtocolMap } from "./cbor.ts";

export const MESSAGE_TYPES = {
  RoutingDiff: 0x01,
  InitialMapSync: 0x02,
  WormRequest: 0x10,
  WormQuery: 0x11,
  WormResponse: 0x12,
  AddressRequest: 0x20,
  AddressResponse: 0x21,
  FileRequest: 0x30,
  FileResponse: 0x31,
  AuthorUpdateRequest: 0x32,
  AuthorUpdateResponse: 0x33,
  AuthorUpdatePush: 0x34,
  PostNotification: 0x35,
  PullSyncRequest: 0x40,
  PullSyncResponse: 0x41,
  PushPost: 0x42,
  AudienceRequest: 0x43,
  AudienceResponse: 0x44,
  ProfileUpdate: 0x50,
  DeleteRecord: 0x51,
  VisibilityUpdate: 0x52,
} as const;

const KNOWN_TYPES: ReadonlySet<number> = new Set(Object.values(MESSAGE_TYPES));

/** Asks for a post by its id. */
export interface FileRequest {
  readonly type: "FileRequest";
  readonly postId: Uint8Array;
}

/** Tells that a post is there to be asked for; carries no content, so it costs little where it is not wanted. */
export interface PostNotification {
  readonly type: "PostNotification";
  readonly author: NodeId;
  readonly sequence: number;
  readonly postId: Uint8Array;
}

/** An author's post for one of its audience. The record is judged by post.ts. */
export interface PushPost {
  readonly type: "PushPost";
  readonly record: Uint8Array;
}

/** Messages that open a stream. */
export type Request = FileRequest | PostNotification | PushPost;

/** The record asked for, or none when it is not held. */
export interface FileResponse {
  readonly type: "FileResponse";
  readonly record?: Uint8Array;
}

/** The same for everyone, always: whether the author is followed is nobody's business. */
export interface PostNotificationAnswer {
  readonly type: "PostNotificationAnswer";
}

/** stored: durable as of now. known: it was before. Either way the sender's duty is done. */
export interface PushPostAnswer {
  readonly type: "PushPostAnswer";
  readonly outcome: "stored" | "known";
}

export type Answer = FileResponse | PostNotificationAnswer | PushPostAnswer;

/** What answers what. */
export interface AnswerOf {
  FileRequest: FileResponse;
  PostNotification: PostNotificationAnswer;
  PushPost: PushPostAnswer;
}

/**
 * empty: no type byte. unexpected-type: a type of the table, where it cannot stand (an answer that opens a stream).
 * bad-field: a CBOR map that is not this message's. The others say what they are.
 */
export type WireRefusal =
  | CborRefusal
  | "empty"
  | "too-large"
  | "unknown-type"
  | "unsupported-type"
  | "unexpected-type"
  | "bad-field";

/** The code that a refused request is answered with. */
export function errorOf(refusal: WireRefusal): ErrorName {
  if (refusal === "unknown-type" || refusal === "unsupported-type" || refusal === "too-large") return refusal;
  return "malformed";
}

const OUTCOMES = ["stored", "known"] as const;

export function encodeRequest(request: Request): Uint8Array {
  switch (request.type) {
    case "FileRequest":
      return message(MESSAGE_TYPES.FileRequest, [[1, request.postId]]);
    case "PostNotification":
      return message(MESSAGE_TYPES.PostNotification, [
        [1, nodeIdBytes(request.author)],
        [2, request.sequence],
        [3, request.postId],
      ]);
    case "PushPost":
      return message(MESSAGE_TYPES.PushPost, [[1, request.record]]);
  }
}

export function encodeAnswer(answer: Answer): Uint8Array {
  switch (answer.type) {
    case "FileResponse":
      return message(MESSAGE_TYPES.FileResponse, answer.record === undefined ? [] : [[1, answer.record]]);
    case "PostNotificationAnswer":
      return message(MESSAGE_TYPES.PostNotification, []);
    case "PushPostAnswer":
      return message(MESSAGE_TYPES.PushPost, [[1, OUTCOMES.indexOf(answer.outcome)]]);
  }
}

export function decodeRequest(bytes: Uint8Array): Request | WireRefusal {
  const map = body(bytes);
  if (typeof map === "string") return map;
  let request: Request | undefined;
  switch (bytes[0]) {
    case MESSAGE_TYPES.FileRequest:
      request = fileRequest(map);
      break;
    case MESSAGE_TYPES.PostNotification:
      request = postNotification(map);
      break;
    case MESSAGE_TYPES.PushPost:
      request = pushPost(map);
      break;
    default:
      return "unexpected-type";
  }
  return request !== undefined && map.exhausted ? request : "bad-field";
}

/** Decodes what came back for a request of this type. */
export function decodeAnswer<T extends Request["type"]>(to: T, bytes: Uint8Array): AnswerOf[T] | WireRefusal {
  const map = body(bytes);
  if (typeof map === "string") return map;
  if (bytes[0] !== (to === "FileRequest" ? MESSAGE_TYPES.FileResponse : MESSAGE_TYPES[to])) return "unexpected-type";
  const answer = to === "FileRequest" ? fileResponse(map) : to === "PushPost" ? pushPostAnswer(map) : NOTIFIED;
  return answer !== undefined && map.exhausted ? (answer as AnswerOf[T]) : "bad-field";
}

const NOTIFIED: PostNotificationAnswer = { type: "PostNotificationAnswer" };

/** Types whose bodies this version reads; FileResponse only as an answer. */
const SPOKEN_TYPES: ReadonlySet<number> = new Set([
  MESSAGE_TYPES.FileRequest,
  MESSAGE_TYPES.FileResponse,
  MESSAGE_TYPES.PostNotification,
  MESSAGE_TYPES.PushPost,
]);

function body(bytes: Uint8Array): ProtocolMap | WireRefusal {
  const type = bytes[0];
  if (type === undefined) return "empty";
  if (bytes.length > MESSAGE_BYTES_MAX) return "too-large";
  if (!KNOWN_TYPES.has(type)) return "unknown-type";
  if (!SPOKEN_TYPES.has(type)) return "unsupported-type";
  const decoded = decodeCbor(bytes.subarray(1));
  if (typeof decoded === "string") return decoded;
  return ProtocolMap.of(decoded.value) ?? "bad-field";
}

function fileRequest(map: ProtocolMap): FileRequest | undefined {
  const postId = map.bytes(1, POST_ID_BYTES);
  return postId && { type: "FileRequest", postId };
}

function fileResponse(map: ProtocolMap): FileResponse | undefined {
  if (!map.has(1)) return { type: "FileResponse" };
  const record = map.bytes(1, 1, POST_BYTES_MAX);
  return record && { type: "FileResponse", record };
}

function postNotification(map: ProtocolMap): PostNotification | undefined {
  const author = map.bytes(1, NODE_ID_BYTES);
  const sequence = map.unsigned(2);
  const postId = map.bytes(3, POST_ID_BYTES);
  if (author === undefined || sequence === undefined || sequence < 1 || postId === undefined) return undefined;
  return { type: "PostNotification", author: nodeIdOf(author), sequence, postId };
}

function pushPost(map: ProtocolMap): PushPost | undefined {
  const record = map.bytes(1, 1, POST_BYTES_MAX);
  return record && { type: "PushPost", record };
}

function pushPostAnswer(map: ProtocolMap): PushPostAnswer | undefined {
  const outcome = OUTCOMES[map.unsigned(1) ?? OUTCOMES.length];
  return outcome && { type: "PushPostAnswer", outcome };
}

function message(type: number, entries: [number, unknown][]): Uint8Array {
  const encoded = encodeCbor(new Map(entries));
  const bytes = new Uint8Array(1 + encoded.length);
  bytes[0] = type;
  bytes.set(encoded, 1);
  return bytes;
}
