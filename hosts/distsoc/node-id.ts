/**
 * The name of a node, and the addresses at which a node is reached (docs/distsoc.md, "Names").
 *
 * A NodeId is an Ed25519 public key of 32 bytes. On the wire a NodeId is these bytes. In programs, logs and options a
 * NodeId is the lower-case hexadecimal text of these bytes, 64 characters. A program can compare such a text and use it
 * as a key of a Map, and a person can copy it.
 *
 * A NodeAddress is a NodeId with the sockets of the node. It is written `id@ip:port` or `id@ip:port,ip:port`.
 *
 * Invariant: every string of type NodeId comes from `nodeIdOf` or `parseNodeId`, so each key has one spelling.
 *
 * It refuses host names. The overlay has no name service, and a question to the name service of the system would tell a
 * third party which nodes talk to each other.
 */
import { isIP } from "node:net";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";

/** The lower-case hexadecimal text of an Ed25519 public key. */
export type NodeId = string;

export interface NodeAddress {
  readonly id: NodeId;
  /** Each socket is `ip:port`, with brackets around an IPv6 address. The sockets are tried in any order. */
  readonly sockets: readonly string[];
}

export const NODE_ID_BYTES = 32;
/** A machine has few addresses. A longer list could make other nodes send packets to many machines. */
const SOCKETS_MAX = 8;

export function nodeIdOf(publicKey: Uint8Array): NodeId {
  if (publicKey.length !== NODE_ID_BYTES) throw new Error("node-id: a NodeId must have 32 bytes");
  return bytesToHex(publicKey);
}

export function nodeIdBytes(id: NodeId): Uint8Array {
  return hexToBytes(id);
}

/** Reads a NodeId. Accepts upper case and returns lower case. Throws a RangeError that says what is expected. */
export function parseNodeId(text: string): NodeId {
  if (!/^[0-9a-f]{64}$/i.test(text)) {
    throw new RangeError(`${text || "An empty string"} is not a node id: it is 64 hexadecimal digits.`);
  }
  return text.toLowerCase();
}

/**
 * Splits `ip:port` or `[ip]:port`. Throws a RangeError that says what is expected. Port 0 asks the system for any free
 * port.
 */
export function parseSocket(text: string): { ip: string; port: number } {
  const parts = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+)):([0-9]{1,5})$/i.exec(text);
  const ip = parts?.[1] ?? parts?.[2] ?? "";
  const port = Number(parts?.[3]);
  if (parts === null || isIP(ip) !== (parts[1] === undefined ? 4 : 6) || port > 65_535) {
    throw new RangeError(
      `${text || "An empty string"} is not an address: give ip:port, like 127.0.0.1:4433 or [::1]:4433.`,
    );
  }
  return { ip, port };
}

/** Reads `id@ip:port`, with more sockets after commas. Throws a RangeError that says what is expected. */
export function parseNodeAddress(text: string): NodeAddress {
  const at = text.indexOf("@");
  if (at < 0) throw new RangeError(`${text || "An empty string"} names no node: give id@ip:port.`);
  const sockets = text.slice(at + 1).split(",");
  if (sockets.length > SOCKETS_MAX) throw new RangeError(`A node address has at most ${SOCKETS_MAX} sockets.`);
  for (const socket of sockets) {
    if (parseSocket(socket).port === 0) throw new RangeError(`${socket} names no port: give a port from 1 to 65535.`);
  }
  return { id: parseNodeId(text.slice(0, at)), sockets };
}
