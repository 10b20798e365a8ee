/**
 * A Post: a signed, content-addressed record of the overlay (docs/distsoc.md, "Posts").
 *
 * A record is a deterministic CBOR map:
 *
 * | key | value                    | field     | meaning                                                          |
 * |-----|--------------------------|-----------|------------------------------------------------------------------|
 * | 1   | unsigned, 2              | version   | of this layout                                                   |
 * | 2   | 32 bytes                 | author    | NodeId, the Ed25519 key that signed                              |
 * | 3   | unsigned, 1 .. 2^53 - 1  | sequence  | the author's own count, without gaps, so that a follower can ask for "posts since N" |
 * | 4   | unsigned, 1              | kind      | 1: the content is a Drop                                         |
 * | 5   | 1 .. 2,048 bytes         | content   | the Drop's bytes                                                 |
 * | 6   | 64 bytes                 | signature | Ed25519 over POST_DOMAIN, then the CBOR map of keys 1 to 5       |
 *
 * The **PostId** is BLAKE3-256 of the whole encoded record.
 *
 * Invariant: one Post has one record, byte for byte. A changed bit gives another PostId and a wrong signature. No other
 * use of the key shares the domain prefix, so the signature of a post is valid for nothing else.
 *
 * A post holds no time, because no clock is trusted. The sequence number orders the posts of an author. This file never
 * looks into the Drop.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { DROP_SIZE_BYTES_MAX, DROP_SIZE_BYTES_MIN, refuseDropSize } from "../../modules/drop/drop.ts";
import { NODE_ID_BYTES, type NodeId, nodeIdBytes, nodeIdOf } from "./node-id.ts";
import { type CborRefusal, decodeCbor, encodeCbor, ProtocolMap } from "./wire/cbor.ts";

const POST_VERSION = 2;
const KIND_DROP = 1;
export const POST_ID_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** The largest record has 2,169 bytes: the head of the map, six keys of one byte, and each value at its longest. */
export const POST_BYTES_MAX =
  1 + 6 + 1 + (2 + NODE_ID_BYTES) + 9 + 1 + (3 + DROP_SIZE_BYTES_MAX) + (2 + SIGNATURE_BYTES);
/** The text "distsoc/2 post" and a zero byte. */
export const POST_DOMAIN: Uint8Array = Uint8Array.from("distsoc/2 post\0", (character) => character.charCodeAt(0));

const VERSION = 1;
const AUTHOR = 2;
const SEQUENCE = 3;
const KIND = 4;
const CONTENT = 5;
const SIGNATURE = 6;

export interface Post {
  readonly id: Uint8Array;
  readonly author: NodeId;
  readonly sequence: number;
  readonly drop: Uint8Array;
  /** The encoded record: what is stored, sent and hashed. */
  readonly record: Uint8Array;
}

/** The reason why bytes are not a Post that this version accepts. */
export type PostRefusal =
  | CborRefusal
  | "too-large"
  | "unknown-version"
  | "unknown-kind"
  | "bad-field"
  | "bad-signature";

interface Author {
  readonly publicKey: Uint8Array;
  sign(message: Uint8Array): Uint8Array;
}

/** Creates and signs a Post of this author. The caller ensures that no sequence number is used twice. */
export function signPost(author: Author, sequence: number, drop: Uint8Array): Post {
  if (!Number.isSafeInteger(sequence) || sequence < 1)
    throw new Error("post: a sequence number must be a whole number from 1 to 2^53 - 1");
  if (refuseDropSize(drop.length) !== undefined) throw new Error("post: a Drop must have 1 to 2,048 bytes");
  const content = Uint8Array.from(drop);
  const fields = signedFields(author.publicKey, sequence, content);
  const signature = author.sign(signedMessage(fields));
  const record = encodeCbor(fields.set(SIGNATURE, signature));
  return { id: blake3(record), author: nodeIdOf(author.publicKey), sequence, drop: content, record };
}

/**
 * Reads a record and checks everything except the signature. It serves records that were verified before they were
 * stored. It also lets a node refuse an author that it does not follow without the cost of verifying a signature.
 */
export function readPost(record: Uint8Array): Post | PostRefusal {
  if (record.length > POST_BYTES_MAX) return "too-large";
  const decoded = decodeCbor(record);
  if (typeof decoded === "string") return decoded;
  const map = ProtocolMap.of(decoded.value);
  if (map === undefined) return "bad-field";
  const version = map.unsigned(VERSION);
  if (version === undefined) return "bad-field";
  if (version !== POST_VERSION) return "unknown-version";
  const author = map.bytes(AUTHOR, NODE_ID_BYTES);
  const sequence = map.unsigned(SEQUENCE);
  const kind = map.unsigned(KIND);
  if (author === undefined || sequence === undefined || sequence < 1 || kind === undefined) return "bad-field";
  if (kind !== KIND_DROP) return "unknown-kind";
  const drop = map.bytes(CONTENT, DROP_SIZE_BYTES_MIN, DROP_SIZE_BYTES_MAX);
  const signature = map.bytes(SIGNATURE, SIGNATURE_BYTES);
  if (drop === undefined || signature === undefined || !map.exhausted) return "bad-field";
  return { id: blake3(record), author: nodeIdOf(author), sequence, drop, record: Uint8Array.from(record) };
}

/** Verifies the signature of a Post from `readPost`, exactly as RFC 8032 says, so that all readers agree. */
export function isSigned(post: Post): boolean {
  const signature = post.record.subarray(post.record.length - SIGNATURE_BYTES);
  const author = nodeIdBytes(post.author);
  const message = signedMessage(signedFields(author, post.sequence, post.drop));
  try {
    return ed25519.verify(signature, message, author, { zip215: false });
  } catch {
    return false;
  }
}

/** Reads a record and verifies the signature. */
export function openPost(record: Uint8Array): Post | PostRefusal {
  const post = readPost(record);
  return typeof post === "string" || isSigned(post) ? post : "bad-signature";
}

function signedFields(author: Uint8Array, sequence: number, content: Uint8Array): Map<number, unknown> {
  return new Map<number, unknown>([
    [VERSION, POST_VERSION],
    [AUTHOR, author],
    [SEQUENCE, sequence],
    [KIND, KIND_DROP],
    [CONTENT, content],
  ]);
}

function signedMessage(fields: Map<number, unknown>): Uint8Array {
  const body = encodeCbor(fields);
  const message = new Uint8Array(POST_DOMAIN.length + body.length);
  message.set(POST_DOMAIN);
  message.set(body, POST_DOMAIN.length);
  return message;
}
