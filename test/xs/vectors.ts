/**
 * Checks the modules against every vector, in code that runs on any engine. test/xs.test.ts runs it on real XS.
 *
 * A vector that carries "engines" needs more than a small engine has: scrypt takes 128 MiB. Node's own tests check it.
 */
import { DropHasher, dropId, refuseDropSize, shortIdHigh, shortIdLow } from "../../modules/drop/drop.ts";
import { geohash } from "../../modules/drop/geohash.ts";
import { passphraseMaterial, placeMaterial } from "../../modules/drop/key.ts";
import { contentKey, open, seal } from "../../modules/drop/seal.ts";
import { Ack, decodeAck, encodeAck } from "../../modules/glacier/ack.ts";
import {
  decodeFrame,
  FRAME_HEADER_BYTES,
  FRAME_SIZE_BYTES_V2,
  Frame,
  readU32,
  sealFrame,
} from "../../modules/glacier/frame.ts";
import { FINGERPRINT_SIZE_BYTES, Fingerprint } from "../../modules/rbsr/fingerprint.ts";
import { halfSipHash, Mix, sessionKey } from "../../modules/rbsr/half-siphash.ts";
import { MESSAGE_SIZE_BYTES_MAX, Reconciler } from "../../modules/rbsr/reconciler.ts";
import { SaltedSet } from "../../modules/rbsr/salted-set.ts";
import {
  BEFORE_AT,
  encodeLogHeader,
  encodeSectorHeader,
  Layout,
  LOG_SECTOR,
  logHeaderWhole,
  refuseRecord,
  refuseSector,
  UPGRADE_SECTOR,
} from "../../modules/store/layout.ts";
import { claim, coldKey, freshKey, heatTime, keyOfClaim, raise } from "../../modules/temperature/temperature.ts";
import { NorFlash } from "../../sim/nor-flash.ts";
import { headerOf } from "../frames.ts";
import dongleVectors from "../vectors/dongle.json" with { type: "json" };
import dropVectors from "../vectors/drop.json" with { type: "json" };
import glacierVectors from "../vectors/glacier.json" with { type: "json" };
import hashVectors from "../vectors/half-siphash.json" with { type: "json" };
import keyVectors from "../vectors/key.json" with { type: "json" };
import rbsrVectors from "../vectors/rbsr.json" with { type: "json" };
import settingsVectors from "../vectors/settings.json" with { type: "json" };
import storeVectors from "../vectors/store.json" with { type: "json" };
import temperatureVectors from "../vectors/temperature.json" with { type: "json" };
import { checkDongle } from "./dongle-vectors.ts";
import { fromHex, toHex } from "./hex.ts";
import { checkSettings } from "./settings-vectors.ts";

// biome-ignore lint/suspicious/noExplicitAny: a vector is whatever its file says; a wrong name fails its check
type Vector = any;

export class Checks {
  count = 0;
  readonly failures: string[] = [];

  same(vector: Vector, actual: unknown, expected: unknown): void {
    this.count++;
    if (actual !== expected) {
      this.failures.push(`${vector.op ?? ""} ${vector.description ?? vector.name ?? ""}: ${actual}, not ${expected}`);
    }
  }

  refused(vector: Vector, action: () => unknown): void {
    let message = "nothing thrown";
    try {
      action();
    } catch (error) {
      message = (error as Error).message;
    }
    this.count++;
    if (message.indexOf(vector.reason) < 0) this.failures.push(`${vector.op}, ${vector.reason}: ${message}`);
  }
}

function hashInSlices(bytes: Uint8Array): Uint8Array {
  const hasher = new DropHasher();
  const id = new Uint8Array(32);
  hasher.begin();
  for (let from = 0; from < bytes.length; from += 192) hasher.update(bytes.slice(from, from + 192));
  hasher.finish(id);
  return id;
}

const VALID: Record<string, (vector: Vector, checks: Checks) => void> = {
  dropId(vector, checks) {
    const bytes = fromHex(vector.bytes);
    const id = dropId(bytes);
    checks.same(vector, toHex(id), vector.dropId);
    checks.same(vector, toHex(hashInSlices(bytes)), vector.dropId);
    checks.same(vector, shortIdLow(id), vector.shortIdLow);
    checks.same(vector, shortIdHigh(id), vector.shortIdHigh);
  },
  deriveKey() {
    // These are BLAKE3's own vectors, under BLAKE3's context. test/drop.test.ts checks them. contentKey has its own
    // context built in and cannot.
  },
  contentKey(vector, checks) {
    checks.same(vector, toHex(contentKey(fromHex(vector.material))), vector.key);
  },
  seal(vector, checks) {
    const key = fromHex(vector.key);
    checks.same(vector, toHex(seal(fromHex(vector.plaintext), key, fromHex(vector.nonce))), vector.drop);
    checks.same(vector, toHex(open(fromHex(vector.drop), key) ?? new Uint8Array(0)), vector.plaintext);
  },
  geohash(vector, checks) {
    const cell = geohash(vector.latitude, vector.longitude, vector.precision);
    checks.same(vector, String.fromCharCode.apply(undefined, [...cell]), vector.cell);
  },
  passphrase(vector, checks) {
    const material = passphraseMaterial(fromHex(vector.utf8), vector.cost);
    checks.same(vector, toHex(material), vector.material);
    checks.same(vector, toHex(contentKey(material)), vector.contentKey);
  },
  place(vector, checks) {
    const material = placeMaterial(vector.latitude, vector.longitude, vector.precision, vector.cost);
    checks.same(vector, toHex(material), vector.material);
  },
  heatTime(vector, checks) {
    checks.same(vector, heatTime(vector.elapsedMs, vector.halfLifeMs), vector.expect);
  },
  history(vector, checks) {
    let { key, now } = vector;
    for (let i = 0; i < vector.count; i++) {
      now += vector.stepUnits;
      key = raise(key, now);
    }
    checks.same(vector, key, vector.expect);
  },
  raise: (vector, checks) => checks.same(vector, raise(vector.key, vector.now), vector.expect),
  claim: (vector, checks) => checks.same(vector, claim(vector.key, vector.now), vector.expect),
  keyOfClaim: (vector, checks) => checks.same(vector, keyOfClaim(vector.claim, vector.now), vector.expect),
  freshKey: (vector, checks) => checks.same(vector, freshKey(vector.now), vector.expect),
  coldKey: (vector, checks) => checks.same(vector, coldKey(vector.now), vector.expect),
};

const INVALID: Record<string, (vector: Vector, checks: Checks) => void> = {
  dropSize: (vector, checks) => checks.same(vector, refuseDropSize(vector.lengthBytes), vector.reason),
  open: (vector, checks) => checks.same(vector, open(fromHex(vector.drop), fromHex(vector.key)), undefined),
  seal: (vector, checks) =>
    checks.refused({ ...vector, reason: "2008" }, () =>
      seal(fromHex(vector.plaintext), fromHex(vector.key), fromHex(vector.nonce)),
    ),
  passphrase: (vector, checks) => checks.refused(vector, () => passphraseMaterial(fromHex(vector.utf8))),
  place: (vector, checks) =>
    checks.refused(vector, () => placeMaterial(vector.latitude, vector.longitude, vector.precision)),
  heatTime: (vector, checks) => checks.refused(vector, () => heatTime(vector.elapsedMs, vector.halfLifeMs)),
  keyOfClaim: (vector, checks) => checks.refused(vector, () => keyOfClaim(vector.claim, vector.now)),
};

function checkFrames(checks: Checks): void {
  const frame = new Frame();
  const out = new Uint8Array(FRAME_SIZE_BYTES_V2);
  for (const vector of glacierVectors.valid) {
    const bytes = fromHex(vector.frame);
    checks.same(vector, decodeFrame(bytes, bytes.length, frame), undefined);
    checks.same(vector, frame.type, vector.type);
    checks.same(vector, frame.poll, vector.poll);
    checks.same(vector, frame.sequence, vector.sequence);
    checks.same(vector, frame.fragment, vector.fragment);
    const payload = fromHex(vector.payload);
    const shortId = fromHex(vector.shortId);
    out.set(payload, FRAME_HEADER_BYTES);
    const { type, poll, sessionId, sequence, fragment } = vector;
    const [shortIdLow, shortIdHigh] = [readU32(shortId, 0), readU32(shortId, 4)];
    const payloadBytes = payload.length;
    const header = headerOf({ type, poll, sessionId, sequence, fragment, shortIdLow, shortIdHigh, payloadBytes });
    const lengthBytes = sealFrame(out, header);
    checks.same(vector, toHex(out.slice(0, lengthBytes)), vector.frame);
  }
  for (const vector of glacierVectors.invalid) {
    const bytes = fromHex(vector.frame);
    checks.same(vector, decodeFrame(bytes, bytes.length, frame), vector.reason);
  }
}

function checkAcknowledgements(checks: Checks): void {
  const frame = new Frame();
  const ack = new Ack();
  const { valid, invalid } = glacierVectors.acknowledgements;
  for (const vector of [...valid, ...invalid]) {
    const bytes = fromHex(vector.frame);
    checks.same(vector, decodeFrame(bytes, bytes.length, frame), undefined);
    checks.same(vector, decodeAck(frame, ack), !("reason" in vector));
    if ("reason" in vector) continue;
    checks.same(vector, ack.kept, vector.kept);
    const out = new Uint8Array(FRAME_SIZE_BYTES_V2);
    const header = headerOf({ sessionId: 0x1234 });
    encodeAck(out, ack, header);
    const lengthBytes = sealFrame(out, header);
    checks.same(vector, toHex(out.slice(0, lengthBytes)), vector.frame);
  }
}

function wordsOf(hex: string): [low: number, high: number] {
  const bytes = fromHex(hex);
  return [readU32(bytes, 0), readU32(bytes, 4)];
}

function hexOfMix({ low, high }: Mix): string {
  const bytes = new Uint8Array(8);
  for (let i = 0; i < 4; i++) {
    bytes[i] = low >>> (8 * i);
    bytes[4 + i] = high >>> (8 * i);
  }
  return toHex(bytes);
}

function checkHashes(checks: Checks): void {
  const mix = new Mix();
  for (const vector of hashVectors.valid) {
    const { key, message, compressionRounds: compression, finalizationRounds: finalization, hash } = vector;
    [mix.keyLow, mix.keyHigh] = wordsOf(key);
    halfSipHash(mix, ...wordsOf(message), { compression, finalization });
    checks.same(vector, hexOfMix(mix), hash);
  }
  for (const vector of rbsrVectors.sessionKeys) {
    sessionKey(fromHex(vector.initiatorNonce), 0, fromHex(vector.responderNonce), mix);
    checks.same(vector, hexOfMix(mix), vector.key);
  }
  const fingerprint = new Fingerprint();
  const bytes = new Uint8Array(FINGERPRINT_SIZE_BYTES);
  for (const vector of rbsrVectors.fingerprints) {
    fingerprint.begin(...wordsOf(vector.nonce));
    for (const id of vector.ids) fingerprint.add(...wordsOf(id));
    fingerprint.write(bytes, 0);
    checks.same(vector, toHex(bytes), vector.fingerprint);
  }
}

const ITEMS_MAX = 750;

/** One side of a reconciliation. */
class Side {
  readonly set = new SaltedSet(ITEMS_MAX);
  readonly reconciler = new Reconciler({ capacity: ITEMS_MAX });
  readonly out = new Uint8Array(MESSAGE_SIZE_BYTES_MAX);
  readonly #count: number;

  /** With `mixed`, each id is used as its own mix. Such a vector is about tags that coincide. */
  constructor(ids: string[], key: string, mixed: boolean) {
    this.set.begin(...wordsOf(key));
    for (const [item, id] of ids.entries()) {
      if (mixed) this.set.place(...wordsOf(id), item);
      else this.set.add(...wordsOf(id), item);
    }
    this.set.seal();
    this.#count = ids.length;
  }

  get haves(): string {
    const items: number[] = [];
    for (let item = 0; item < this.#count; item++) if (this.reconciler.has(item)) items.push(item);
    return items.join();
  }
}

function checkSessions(checks: Checks): void {
  for (const vector of rbsrVectors.valid as Vector[]) {
    const a = new Side([...vector.shared, ...vector.onlyA], vector.key, vector.mixed === true);
    const b = new Side([...vector.shared, ...vector.onlyB], vector.key, vector.mixed === true);
    b.reconciler.respondTo(b.set);
    let lengthBytes = a.reconciler.initiate(a.set, vector.estimate, a.out, b.set.count);
    const messages: string[] = [];
    for (let from = a, to = b; lengthBytes > 0; [from, to] = [to, from]) {
      messages.push(toHex(from.out.slice(0, lengthBytes)));
      lengthBytes = to.reconciler.receive(from.out, 0, lengthBytes, to.out);
    }
    checks.same(vector, messages.join(), vector.messages.join());
    checks.same(vector, a.haves, vector.haveA.join());
    checks.same(vector, b.haves, vector.haveB.join());
  }
  for (const vector of rbsrVectors.invalid) {
    const side = new Side(vector.ids, vector.key, false);
    if (vector.initiates) side.reconciler.initiate(side.set, vector.estimate, side.out);
    else side.reconciler.respondTo(side.set);
    const message = fromHex(vector.message);
    side.reconciler.receive(message, 0, message.length, side.out);
    checks.same(vector, side.reconciler.refusal, vector.reason);
  }
}

function checkStore(checks: Checks): void {
  const layouts = new Map<number, Layout>();
  for (const unit of [4, 16]) layouts.set(unit, new Layout(new NorFlash({ programSizeBytes: unit }), ITEMS_MAX));
  for (const vector of storeVectors.valid as unknown as Vector[]) {
    const bytes = fromHex(vector.bytes);
    if (vector.record !== undefined) {
      checks.same(vector, refuseRecord(bytes, vector.pair, vector.number), undefined);
      continue;
    }
    const made = new Uint8Array(bytes.length);
    const kind = vector.sector === "log" ? LOG_SECTOR : UPGRADE_SECTOR;
    encodeSectorHeader(made, kind, vector.erases, 2 * vector.pair + vector.side);
    made[BEFORE_AT] = vector.before;
    encodeLogHeader(made, vector.tail, vector.time, layouts.get(vector.unitBytes)!);
    checks.same(vector, toHex(made), vector.bytes);
    checks.same(vector, refuseSector(bytes), undefined);
  }
  for (const vector of storeVectors.invalid as Vector[]) {
    const bytes = fromHex(vector.bytes);
    if (vector.reason === "log header") checks.same(vector, logHeaderWhole(bytes), false);
    else if (vector.record === undefined) checks.same(vector, refuseSector(bytes), vector.reason);
    else checks.same(vector, refuseRecord(bytes, vector.pair, vector.number), vector.reason);
  }
}

export function checkVectors(): Checks {
  const checks = new Checks();
  for (const { valid, invalid } of [dropVectors, keyVectors, temperatureVectors] as {
    valid: Vector[];
    invalid: Vector[];
  }[]) {
    for (const vector of valid) if (vector.engines === undefined) VALID[vector.op]!(vector, checks);
    for (const vector of invalid) INVALID[vector.op]!(vector, checks);
  }
  checkFrames(checks);
  checkAcknowledgements(checks);
  checkHashes(checks);
  checkSessions(checks);
  checkStore(checks);
  checkDongle(dongleVectors, checks);
  checkSettings(settingsVectors, checks);
  return checks;
}
