/**
 * The identity of this node: an Ed25519 key in a file (docs/distsoc.md, "Names").
 *
 * The problem: the public key is the NodeId, and other operators write the NodeId into their configuration. A node that
 * loses its key file loses its name. A node whose key is known to others can be impersonated.
 *
 * The rule: the file holds the 32-byte secret seed of RFC 8032 and nothing else. Its mode is 0600. The first start
 * creates the file.
 *
 * Invariant: the file appears under its name complete and on the disk, or not at all, and replaces no file
 * (hosts/machine/new-file.ts). So two processes that start at the same time use one key.
 *
 * It refuses a file that other users can read or write, a file that is not a plain file, and a file that is not 32
 * bytes long. Each refusal is an IdentityError of one sentence that says what to do. Nothing is repaired silently:
 * other users may know a key that they could read.
 */
import { randomBytes } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { ed25519 } from "@noble/curves/ed25519.js";
import { createWhole } from "../machine/new-file.ts";
import { systemSentence } from "../machine/system-error.ts";
import { type NodeId, nodeIdOf } from "./node-id.ts";

const SECRET_KEY_BYTES = 32;

/** The key file exists and must not be used, or it cannot be created. The message is one sentence for the operator. */
export class IdentityError extends Error {
  override readonly name = "IdentityError";
}

export class Identity {
  readonly nodeId: NodeId;
  readonly publicKey: Uint8Array;
  /** The transport uses this key for TLS, so that a handshake proves the NodeId. */
  readonly secretKey: Uint8Array;

  constructor(secretKey: Uint8Array) {
    if (secretKey.length !== SECRET_KEY_BYTES) throw new Error("identity: a secret key must have 32 bytes");
    this.secretKey = Uint8Array.from(secretKey);
    this.publicKey = ed25519.getPublicKey(this.secretKey);
    this.nodeId = nodeIdOf(this.publicKey);
  }

  /** Returns the 64-byte Ed25519 signature (RFC 8032), which is deterministic. The caller separates domains. */
  sign(message: Uint8Array): Uint8Array {
    return ed25519.sign(message, this.secretKey);
  }
}

/** Reads the identity from the file. Creates the file if it is absent. Throws an IdentityError. */
export function loadIdentity(path: string): Identity {
  return new Identity(read(path) ?? create(path));
}

function read(path: string): Uint8Array | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP") throw new IdentityError(`The key file ${path} is a link; name the file itself.`);
    throw new IdentityError(failure(error, path, "opened"));
  }
  try {
    const { mode, size } = fstatSync(file);
    if ((mode & constants.S_IFMT) !== constants.S_IFREG)
      throw new IdentityError(`The key file ${path} is not a file; name a file.`);
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, "0");
      throw new IdentityError(
        `The key file ${path} is open to other users (mode ${shown}); run chmod 600 on it, or use a new key.`,
      );
    }
    const key = new Uint8Array(SECRET_KEY_BYTES + 1);
    const length = readSync(file, key, 0, key.length, 0);
    if (size !== SECRET_KEY_BYTES || length !== SECRET_KEY_BYTES) {
      throw new IdentityError(
        `The key file ${path} holds ${size} bytes instead of 32; put the right file back, or remove it.`,
      );
    }
    return key.slice(0, SECRET_KEY_BYTES);
  } finally {
    closeSync(file);
  }
}

function failure(error: unknown, path: string, what: "created" | "opened"): string {
  const { code } = error as NodeJS.ErrnoException;
  const sentence = systemSentence(error, `the key file ${path}`);
  const words = sentence ?? `The key file ${path} cannot be ${what}.`;
  return `${words.charAt(0).toUpperCase()}${words.slice(1, -1)} (${code}).`;
}

function create(path: string): Uint8Array {
  const key = Uint8Array.from(randomBytes(SECRET_KEY_BYTES));
  try {
    createWhole(path, key, () => {
      throw new IdentityError(`Other users could read a key at ${path}: name a folder on another file system.`);
    });
  } catch (error) {
    if (error instanceof IdentityError) throw error;
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "EEXIST") throw new IdentityError(failure(error, path, "created"));
    const other = read(path);
    if (other !== undefined) return other;
    throw new IdentityError(
      `The key file ${path} was created and removed by another program; check whether another gateway is starting.`,
    );
  }
  return key;
}
