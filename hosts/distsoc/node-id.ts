/**
 * What a node is called and where it is found (design section 2; docs/distsoc.md, "Names").
 *
 * A NodeId is an Ed25519 public key, 32 bytes. On the wire it is those bytes; in programs, logs and options it is their
 * lower-case hexadecimal, 64 characters, so that it can be compared, be a key of a Map and be copied by a person.
 *
 * A NodeAddress is a NodeId with the sockets it was seen at, and is written `id@ip:port` or `id@ip:port,ip:port`.
 *
 * Invariant: a string typed NodeId came through `nodeIdOf` or `parseNodeId`, so there is one spelling for each key.
 *
 * Refuses: host names. The overlay has no name service, and asking the system's would tell a third party who talks to whom.
 */
import { isIP } from "node:net";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";

/** Lower-case hexadecimal of an Ed25519 public key. */
export type NodeId = string;

export interface NodeAddress {
  readonly id: NodeId;
  /** `ip:port`, an IPv6 address in brackets; tried in any order. */
  readonly sockets: readonly string[];
}

export const NODE_ID_BYTES = 32;
/** A machine has few addresses; a longer list would be a way to make others send packets far and wide. */
export const SOCKETS_MAX = 8;

export function nodeIdOf(publicKey: Uint8Array): NodeId {
  if (publicKey.length !== NODE_ID_BYTES) throw new Error("node-id: a NodeId is 32 bytes");
  return bytesToHex(publicKey);
}

export function nodeIdBytes(id: NodeId): Uint8Array {
  return hexToBytes(id);
}

/** Throws a RangeError that says what is expected. Upper case is taken and made lower. */
export function parseNodeId(text: string): NodeId {
  if (!/^[0-9a-f]{64}$/i.test(text)) {
    throw new RangeError(`${text || "An empty string"} is not a node id: it is 64 hexadecimal digits.`);
  }
  return text.toLowerCase();
}

/** Splits `ip:port` or `[ip]:port`; a RangeError says what is expected. Port 0 asks the system for any free one. */
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

/** Reads `id@ip:port`, more sockets separated by commas. Throws a RangeError that says what is expected. */
export function parseNodeAddress(text: string): NodeAddress {
  const at = text.indexOf("@");
  if (at < 0) throw new RangeError(`${text || "An empty string"} names no node: give id@ip:port.`);
  const sockets = text.slice(at + 1).split(",");
  if (sockets.length > SOCKETS_MAX) throw new RangeError(`A node address has at most ${SOCKETS_MAX} sockets.`);
  for (const socket of sockets) {
    if (parseSocket(socket).port === 0)
      throw new RangeError(`${socket} names no port: nobody can be reached at port 0.`);
  }
  return { id: parseNodeId(text.slice(0, at)), sockets };
}
