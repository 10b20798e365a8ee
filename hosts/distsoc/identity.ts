/**
 * Who this node is: an Ed25519 key in a file (design section 2; docs/distsoc.md, "Names").
 *
 * The file holds the 32-byte secret seed of RFC 8032 and nothing else, mode 0600, created at the first start. Its public
 * key is the NodeId, which other operators write into their configuration: losing the file is losing the name.
 *
 * Invariant: the file appears under its name whole and on the disk, or not at all. It is written beside, flushed, and
 * then linked to its name; linking never replaces, so two processes that start at once end up with one key.
 *
 * Refuses: a file that others can read or write, that is not a plain file, or that is not 32 bytes long. Each is an
 * IdentityError of one sentence that says what to do; nothing is repaired silently, since a key that others could read
 * may be known to them.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { ed25519 } from "@noble/curves/ed25519.js";
import { type NodeId, nodeIdOf } from "./node-id.ts";

export const SECRET_KEY_BYTES = 32;

/** The key is there and must not be used, or cannot be made. The message is one sentence for the operator. */
export class IdentityError extends Error {
  override readonly name = "IdentityError";
}

export class Identity {
  readonly nodeId: NodeId;
  readonly publicKey: Uint8Array;
  /** For the transport's TLS, which proves this same key. */
  readonly secretKey: Uint8Array;

  constructor(secretKey: Uint8Array) {
    if (secretKey.length !== SECRET_KEY_BYTES) throw new Error("identity: a secret key is 32 bytes");
    this.secretKey = Uint8Array.from(secretKey);
    this.publicKey = ed25519.getPublicKey(this.secretKey);
    this.nodeId = nodeIdOf(this.publicKey);
  }

  /** 64 bytes of Ed25519 (RFC 8032), deterministic. The caller separates domains. */
  sign(message: Uint8Array): Uint8Array {
    return ed25519.sign(message, this.secretKey);
  }
}

/** The identity in the file, which is created if absent. Throws an IdentityError. */
export function loadIdentity(path: string): Identity {
  return new Identity(read(path) ?? create(path));
}

function read(path: string): Uint8Array | undefined {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP") throw new IdentityError(`The key file ${path} is a link; name the file itself.`);
    throw new IdentityError(`The key file ${path} cannot be opened (${code}).`);
  }
  try {
    const { mode, size } = fstatSync(file);
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw new IdentityError(`The key file ${path} is not a file.`);
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, "0");
      throw new IdentityError(
        `The key file ${path} is open to others (mode ${shown}); run chmod 600 on it, or a new key.`,
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

function create(path: string): Uint8Array {
  const beside = `${path}.${randomBytes(6).toString("hex")}`;
  const key = Uint8Array.from(randomBytes(SECRET_KEY_BYTES));
  try {
    writeDurably(beside, key);
    try {
      linkSync(beside, path);
    } finally {
      unlinkSync(beside);
    }
    syncFolder(dirname(path));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== "EEXIST") throw new IdentityError(`The key file ${path} cannot be created (${code}).`);
    const other = read(path);
    if (other !== undefined) return other;
    throw new IdentityError(`The key file ${path} came and went; is another gateway starting?`);
  }
  return key;
}

function writeDurably(path: string, bytes: Uint8Array): void {
  const file = openSync(path, "wx", 0o600);
  try {
    writeSync(file, bytes);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
