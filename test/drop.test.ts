/**
 * Other programs must be able to open our Drops, so it is not enough that modules/drop agrees with itself. These tests
 * compare ids, sealing and keys with
 *
 * - the vectors of docs/protocol.md, which contain the figures that the authors of BLAKE3 published, with their source;
 * - code of other people: libsodium (XChaCha20-Poly1305), hash-wasm (BLAKE3, scrypt), and OpenSSL's scrypt through
 *   node:crypto.
 *
 * Replay a property test with SEED=n.
 */
import { scryptSync } from "node:crypto";
import { blake3 } from "@noble/hashes/blake3.js";
import test from "ava";
import { blake3 as blake3Wasm, scrypt as scryptWasm } from "hash-wasm";
import sodium from "libsodium-wrappers";
import {
  DROP_ID_BYTES,
  DROP_SIZE_BYTES_MAX,
  DropHasher,
  dropId,
  refuseDropSize,
  SHORT_ID_BYTES,
  shortIdHigh,
  shortIdLow,
} from "../modules/drop/drop.ts";
import { geohash } from "../modules/drop/geohash.ts";
import { KEY_MATERIAL_BYTES, passphraseMaterial, placeMaterial, SCRYPT_COST } from "../modules/drop/key.ts";
import {
  CONTENT_KEY_BYTES,
  CONTENT_KEY_CONTEXT,
  contentKey,
  NONCE_BYTES,
  open,
  PLAINTEXT_SIZE_BYTES_MAX,
  SEAL_OVERHEAD_BYTES,
  seal,
  TAG_BYTES,
} from "../modules/drop/seal.ts";
import dropVectors from "./vectors/drop.json" with { type: "json" };
import keyVectors from "./vectors/key.json" with { type: "json" };

type Vector = Record<string, string | number | string[]>;
interface VectorFile {
  valid: Vector[];
  invalid: Vector[];
}

/** The functions that the vectors test. Each canary below replaces one of them by a broken variant. */
const implementation = { dropId, refuseDropSize, contentKey, seal, open, geohash, passphraseMaterial, placeMaterial };
type Implementation = typeof implementation;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: unknown): Uint8Array => Uint8Array.from(Buffer.from(text as string, "hex"));
const ascii = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** The message of the RangeError that `act` throws, or undefined if `act` throws nothing. */
function refusal(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
  return undefined;
}

/** Runs one valid vector. Returns the result of the implementation and the result in the file, both as text. */
function runValid(vector: Vector, its: Implementation): [found: string, expected: string] {
  switch (vector.op) {
    case "dropId": {
      const id = its.dropId(unhex(vector.bytes));
      return [
        `${hex(id)} ${shortIdLow(id)} ${shortIdHigh(id)}`,
        `${vector.dropId} ${vector.shortIdLow} ${vector.shortIdHigh}`,
      ];
    }
    case "deriveKey":
      return [hex(blake3(unhex(vector.material), { context: unhex(vector.context) })), `${vector.key}`];
    case "contentKey":
      return [hex(its.contentKey(unhex(vector.material))), `${vector.key}`];
    case "seal": {
      const key = unhex(vector.key);
      const drop = its.seal(unhex(vector.plaintext), key, unhex(vector.nonce));
      const opened = its.open(unhex(vector.drop), key);
      return [
        `${hex(drop)} ${hex(its.dropId(drop))} ${opened === undefined ? "shut" : hex(opened)}`,
        `${vector.drop} ${vector.dropId} ${vector.plaintext}`,
      ];
    }
    case "geohash":
      return [
        ascii(its.geohash(vector.latitude as number, vector.longitude as number, vector.precision as number)),
        `${vector.cell}`,
      ];
    case "passphrase": {
      const utf8 = Buffer.from((vector.typed as string).normalize("NFKC"));
      const material = its.passphraseMaterial(Uint8Array.from(utf8), vector.cost as number);
      return [
        `${hex(utf8)} ${hex(material)} ${hex(its.contentKey(material))}`,
        `${vector.utf8} ${vector.material} ${vector.contentKey}`,
      ];
    }
    case "place": {
      const { latitude, longitude, precision, cost } = vector as Record<string, number>;
      const cell = ascii(its.geohash(latitude!, longitude!, precision!));
      const material = its.placeMaterial(latitude!, longitude!, precision!, cost!);
      return [
        `${cell} ${hex(material)} ${hex(its.contentKey(material))}`,
        `${vector.cell} ${vector.material} ${vector.contentKey}`,
      ];
    }
    default:
      throw new Error(`this test knows no op ${vector.op}`);
  }
}

/** Whether the implementation refuses the vector for the reason that the file gives. */
function runInvalid(vector: Vector, its: Implementation): boolean {
  const reason = vector.reason as string;
  switch (vector.op) {
    case "dropSize":
      return its.refuseDropSize(vector.lengthBytes as number) === reason;
    case "open": {
      // `open` does not tell its reason. A length shows two of the reasons, so the file is checked for these here.
      const drop = unhex(vector.drop);
      const seen = drop.length < SEAL_OVERHEAD_BYTES ? "short" : drop.length > DROP_SIZE_BYTES_MAX ? "long" : "tag";
      return seen === reason && its.open(drop, unhex(vector.key)) === undefined;
    }
    case "seal": {
      const sentence = refusal(() => its.seal(unhex(vector.plaintext), unhex(vector.key), unhex(vector.nonce)));
      return reason === "long" && sentence !== undefined && sentence.includes("2009") && sentence.includes("2008");
    }
    case "passphrase":
      return refusal(() => its.passphraseMaterial(unhex(vector.utf8)))?.includes(reason) === true;
    case "place": {
      const { latitude, longitude, precision } = vector as Record<string, number>;
      return refusal(() => its.placeMaterial(latitude!, longitude!, precision!))?.includes(reason) === true;
    }
    default:
      throw new Error(`this test knows no op ${vector.op}`);
  }
}

function faults(file: VectorFile, its: Implementation, costMax: number): string[] {
  const found: string[] = [];
  for (const vector of file.valid) {
    if (((vector.cost as number | undefined) ?? 0) > costMax) continue;
    const [got, expected] = runValid(vector, its);
    if (got !== expected) found.push(`${vector.op} ${vector.description ?? ""}: ${got}, not ${expected}`);
  }
  for (const vector of file.invalid) {
    if (!runInvalid(vector, its))
      found.push(`${vector.op} is not refused: ${vector.reason} ${vector.description ?? ""}`);
  }
  return found;
}

const dropFile = dropVectors as unknown as VectorFile;
const keyFile = keyVectors as unknown as VectorFile;

test("every Drop vector gives what the file says", (t) => {
  t.deepEqual(faults(dropFile, implementation, 0), []);
  t.true(dropFile.valid.length >= 30 && dropFile.invalid.length >= 20);
});

test("every key vector gives what the file says, at the full scrypt cost too", (t) => {
  t.deepEqual(faults(keyFile, implementation, SCRYPT_COST), []);
  t.is(keyFile.valid.filter((vector) => vector.cost === SCRYPT_COST).length, 2);
  t.true(keyFile.valid.filter((vector) => vector.cost === SCRYPT_COST).every((vector) => vector.engines !== undefined));
});

test("canary: the vectors catch each broken variant", (t) => {
  const broken: Record<string, [VectorFile, Partial<Implementation>]> = {
    "an id of the wrong hash": [dropFile, { dropId: (bytes) => blake3(bytes, { key: new Uint8Array(32) }) }],
    "a content key without its context": [dropFile, { contentKey: (material) => blake3(material) }],
    "a content key of another version": [
      dropFile,
      { contentKey: (material) => blake3(material, { context: Buffer.from("smzd:ck:2") }) },
    ],
    "an open that ignores the tag": [
      dropFile,
      { open: (drop, key) => open(drop, key) ?? drop.slice(NONCE_BYTES, -TAG_BYTES) },
    ],
    "an open that accepts more than a Drop's size": [
      dropFile,
      { open: (drop, key) => (drop.length > DROP_SIZE_BYTES_MAX ? drop : open(drop, key)) },
    ],
    "a nonce at the end": [
      dropFile,
      {
        seal: (plaintext, key, nonce) => {
          const drop = seal(plaintext, key, nonce);
          return Buffer.concat([drop.subarray(NONCE_BYTES), drop.subarray(0, NONCE_BYTES)]);
        },
      },
    ],
    "latitude and longitude swapped": [
      keyFile,
      { geohash: (latitude, longitude, precision) => geohash(longitude / 2, latitude, precision) },
    ],
    "a point on an edge put into the lower half": [
      keyFile,
      { geohash: (latitude, longitude, precision) => geohash(Math.max(-90, latitude - 1e-12), longitude, precision) },
    ],
    "one salt for passphrase and place": [
      keyFile,
      { placeMaterial: (la, lo, precision, cost) => passphraseMaterial(geohash(la, lo, precision), cost) },
    ],
    "half the scrypt cost": [
      keyFile,
      { passphraseMaterial: (utf8, cost) => passphraseMaterial(utf8, (cost ?? SCRYPT_COST) / 2) },
    ],
    "no refusal of an empty passphrase": [
      keyFile,
      { passphraseMaterial: (utf8, cost) => (utf8.length === 0 ? utf8 : passphraseMaterial(utf8, cost)) },
    ],
  };
  for (const [name, [file, part]] of Object.entries(broken)) {
    t.not(faults(file, { ...implementation, ...part }, 16).length, 0, name);
  }
});

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32)) >>> 0;
const replay = `replay with SEED=${seed}`;

/** Mulberry32: a stream of unsigned 32-bit integers, the same for the same seed. */
function stream(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
}

const randomBytes = (next: () => number, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => next() & 0xff);

test("libsodium opens what we seal, and we open what libsodium seals", async (t) => {
  await sodium.ready;
  const next = stream(seed);
  for (let round = 0; round < 100; round++) {
    const plaintext = randomBytes(
      next,
      round === 0 ? PLAINTEXT_SIZE_BYTES_MAX : next() % (PLAINTEXT_SIZE_BYTES_MAX + 1),
    );
    const key = randomBytes(next, CONTENT_KEY_BYTES);
    const nonce = randomBytes(next, NONCE_BYTES);
    const ours = seal(plaintext, key, nonce);
    const theirs = sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plaintext, null, null, nonce, key);
    t.is(hex(ours), hex(nonce) + hex(theirs), replay);
    const opened = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, ours.subarray(24), null, nonce, key);
    t.is(hex(opened), hex(plaintext), replay);
    t.is(hex(open(Buffer.concat([nonce, theirs]), key)!), hex(plaintext), replay);
  }
});

test("a Drop with one flipped bit does not open", (t) => {
  const next = stream(seed ^ 1);
  const key = randomBytes(next, CONTENT_KEY_BYTES);
  const drop = seal(randomBytes(next, 21), key, randomBytes(next, NONCE_BYTES));
  t.is(open(drop, key)?.length, 21);
  for (let bit = 0; bit < drop.length * 8; bit++) {
    const damaged = drop.slice();
    damaged[bit >> 3]! ^= 1 << (bit & 7);
    t.is(open(damaged, key), undefined, `bit ${bit}; ${replay}`);
  }
});

test("seal and open do not change their arguments, and their results share no memory", (t) => {
  const next = stream(seed ^ 2);
  // The arguments are views at odd offsets, like views of a radio buffer.
  const buffer = randomBytes(next, 200);
  const key = buffer.subarray(1, 33);
  const nonce = buffer.subarray(33, 57);
  const plaintext = buffer.subarray(57, 157);
  const before = hex(buffer);
  const drop = seal(plaintext, key, nonce);
  const shifted = new Uint8Array(drop.length + 3);
  shifted.set(drop, 3);
  const opened = open(shifted.subarray(3), key)!;
  t.is(hex(opened), hex(plaintext));
  t.is(hex(buffer), before);
  opened.fill(0);
  t.is(hex(open(drop, key)!), hex(plaintext));
  t.throws(() => seal(plaintext, key.subarray(1), nonce), { message: /content key/ });
  t.throws(() => seal(plaintext, key, nonce.subarray(1)), { message: /nonce/ });
  t.throws(() => open(drop, key.subarray(1)), { message: /content key/ });
});

/** Of BLAKE3. A Drop has one chunk or two. */
const CHUNK_BYTES = 1_024;

test("DropIds equal those of hash-wasm, hashed whole or in slices", async (t) => {
  const next = stream(seed ^ 3);
  const hasher = new DropHasher();
  // The buffer is longer than a DropId. The hasher may write only the first 32 bytes.
  const into = new Uint8Array(DROP_ID_BYTES + 4).fill(0xee);
  for (let round = 0; round < 200; round++) {
    const bytes = randomBytes(next, round === 0 ? DROP_SIZE_BYTES_MAX : 1 + (next() % DROP_SIZE_BYTES_MAX));
    const expected = await blake3Wasm(bytes);
    t.is(hex(dropId(bytes)), expected, replay);
    hasher.begin();
    if (round % 3 === 0) {
      hasher.update(bytes.subarray(0, 1 + (next() % bytes.length)));
      hasher.begin();
    }
    const slice = new Uint8Array(1 + (next() % 300));
    for (let at = 0; at < bytes.length; ) {
      const part = bytes.subarray(at, at + slice.length);
      slice.set(part);
      hasher.update(slice, part.length);
      at += part.length;
    }
    t.is(hasher.lengthBytes, bytes.length);
    if (round % 2 === 0) {
      t.is(hasher.close(), bytes.length > CHUNK_BYTES);
      t.false(hasher.close(), "the first half is done once");
    }
    hasher.finish(into);
    t.is(hex(into), `${expected}eeeeeeee`, replay);
  }
});

test("a hasher that is used out of order, or past a Drop's size, throws", (t) => {
  const hasher = new DropHasher();
  const into = new Uint8Array(DROP_ID_BYTES);
  t.throws(() => hasher.update(into), { message: /before begin/ });
  t.throws(() => hasher.finish(into), { message: /before begin/ });
  hasher.begin();
  t.throws(() => hasher.finish(into), { message: /empty/ });
  t.throws(() => hasher.update(into, 33), { message: /longer than its buffer/ });
  t.throws(() => new DropHasher().close(), { message: /before begin/ });
  hasher.update(new Uint8Array(DROP_SIZE_BYTES_MAX));
  t.throws(() => hasher.update(new Uint8Array(1)), { message: /2,048/ });
  hasher.begin();
  hasher.update(new Uint8Array(CHUNK_BYTES + 1));
  hasher.close();
  t.throws(() => hasher.update(new Uint8Array(1)), { message: /after close/ });
  hasher.begin();
  hasher.update(into);
  hasher.finish(into);
  t.throws(() => hasher.finish(into), { message: /before begin/ });
  t.throws(() => dropId(new Uint8Array(0)));
  t.throws(() => dropId(new Uint8Array(DROP_SIZE_BYTES_MAX + 1)));
});

test("key material equals the scrypt of hash-wasm and of OpenSSL at the full cost", async (t) => {
  const password = Buffer.from("five words nobody said before");
  const salt = Buffer.from("smzd:ck:1 passphrase");
  const ours = hex(passphraseMaterial(Uint8Array.from(password)));
  const opensslMaterial = scryptSync(password, salt, 32, { N: SCRYPT_COST, r: 8, p: 1, maxmem: 2 ** 28 });
  t.is(ours, hex(opensslMaterial));
  const wasmOptions = { costFactor: SCRYPT_COST, blockSize: 8, parallelism: 1, hashLength: 32 };
  t.is(ours, await scryptWasm({ password, salt, ...wasmOptions }));
});

test("a geohash equals exact integer arithmetic on random places, and a shorter one is its prefix", (t) => {
  const next = stream(seed ^ 4);
  const alphabet = "0123456789bcdefghjkmnpqrstuvwxyz";
  for (let round = 0; round < 2000; round++) {
    // Coordinates are multiples of 2^-24, which are exact in a double. In every other round they lie on a cell's edge.
    const grain = round % 2 === 0 ? 1 : 45 * 2 ** (8 + (next() % 16));
    const latitude = (Math.floor(((next() / 2 ** 32) * 180 * 2 ** 24) / grain) * grain) / 2 ** 24 - 90;
    const longitude = (Math.floor(((next() / 2 ** 32) * 360 * 2 ** 24) / grain) * grain) / 2 ** 24 - 180;
    const north = (BigInt((latitude + 90) * 2 ** 24) << 6n) / 180n;
    const east = (BigInt((longitude + 180) * 2 ** 24) << 6n) / 360n;
    let word = "";
    for (let bit = 59; bit >= 0; bit -= 5) {
      let value = 0;
      for (let place = bit; place > bit - 5; place--) {
        const source = place % 2 === 1 ? east : north;
        value = value * 2 + Number((source >> BigInt(place >> 1)) & 1n);
      }
      word += alphabet[value];
    }
    t.is(ascii(geohash(latitude, longitude, 12)), word, `${latitude} ${longitude}; ${replay}`);
    const precision = 1 + (next() % 12);
    t.is(ascii(geohash(latitude, longitude, precision)), word.slice(0, precision), replay);
  }
  t.throws(() => geohash(Number.NaN, 0, 5), { instanceOf: RangeError });
  t.throws(() => geohash(0, Number.NaN, 5), { instanceOf: RangeError });
  t.throws(() => geohash(0, 0, Number.NaN), { instanceOf: RangeError });
});

test("the constants of the format agree", (t) => {
  t.is(DROP_SIZE_BYTES_MAX, 2048);
  t.is(PLAINTEXT_SIZE_BYTES_MAX, 2008);
  t.is(SEAL_OVERHEAD_BYTES, NONCE_BYTES + TAG_BYTES);
  t.is(KEY_MATERIAL_BYTES, CONTENT_KEY_BYTES);
  t.is(SHORT_ID_BYTES, 8);
  t.is(CONTENT_KEY_CONTEXT, "smzd:ck:1");
  const id = Uint8Array.from([9, 9, 9, 1, 2, 3, 0x84, 5, 6, 7, 0x88]);
  t.is(shortIdLow(id, 3), 0x84030201);
  t.is(shortIdHigh(id, 3), 0x88070605);
});
