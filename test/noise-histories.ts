/**
 * A damaged frame has a right CRC once in 65,536 times, and an attacker's frames always have one. This file plays
 * histories of two to four nodes in such noise: 41 % of the frames are lost, copies come late and out of order, and
 * some frames are changed in one field and sealed again. When the noise ends, every pair of nodes must agree soon.
 *
 * The channel here is simpler than the medium of sim/, and much faster: a hundred thousand histories are needed to see
 * what one damaged frame in thousands does. A history is drawn from a seed, so one number replays it.
 */
import { dropId, shortIdHigh, shortIdLow } from "../modules/drop/drop.ts";
import {
  decodeFrame,
  FRAME_HEADER_BYTES,
  FRAME_SIZE_BYTES_V1,
  Frame,
  PAYLOAD_BYTES_V1,
  sealFrame,
} from "../modules/glacier/frame.ts";
import { ACK, BEACON } from "../modules/glacier/frame-type.ts";
import { MESSAGE_PREFIX_BYTES } from "../modules/glacier/message.ts";
import { Store } from "../modules/store/store.ts";
import type { MacAddress } from "../modules/throwie/ports.ts";
import { Throwie } from "../modules/throwie/throwie.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import { SeededRandom } from "../sim/random.ts";

/** Every pair agrees within so many seconds after the noise. */
export const PATIENCE_S = 150;
const LOSS_PER_MILLE = 410;
const LATE_PER_MILLE = 100;
const LATE_MS = 60;
const OLD_PER_MILLE = 20;
const OLD_MS = 5_000;
const DAMAGED_PER_MILLE = 60;
const FRAME_MS = 3;
const SECTORS = 24;
const CAPACITY = 24;

interface Flight {
  atMs: number;
  to: number;
  bytes: Uint8Array;
  from: MacAddress;
}

export interface NoiseOutcome {
  /** Seconds from the end of the noise until all nodes agreed; undefined if they never did. */
  agreedS: number | undefined;
  damaged: number;
}

/** A change that a canary makes to each node. */
export type Defect = (node: Throwie) => void;

class Node {
  readonly address: MacAddress;
  readonly throwie: Throwie;
  readonly store: Store;
  dueMs = 0;
  freeAtMs = 0;

  constructor(index: number, random: SeededRandom, history: NoiseHistory) {
    this.address = Uint8Array.of(2, 0, 0, 0, 0, index + 1);
    this.store = new Store(new NorFlash({ sizeBytes: SECTORS * 4096 }), CAPACITY);
    this.store.mount();
    const { address } = this;
    const node = this;
    this.throwie = new Throwie({
      radio: {
        address,
        frameSizeBytesMax: FRAME_SIZE_BYTES_V1,
        receiveQueueFrames: 32,
        get full() {
          return history.nowMs < node.freeAtMs;
        },
        send: (frame, lengthBytes, to) => {
          if (history.nowMs < node.freeAtMs) return false;
          node.freeAtMs = history.nowMs + FRAME_MS;
          history.send(index, frame.slice(0, lengthBytes), to);
          return true;
        },
      },
      clock: { now: () => history.nowMs },
      random,
      store: this.store,
    });
  }
}

export class NoiseHistory {
  nowMs = 0;
  damaged = 0;
  readonly #random: SeededRandom;
  readonly #nodes: Node[] = [];
  readonly #flights: Flight[] = [];
  readonly #writings: { atMs: number; node: Node; bytes: number }[] = [];
  readonly #noiseEndMs: number;
  readonly #frame = new Frame();

  constructor(seed: number, defect: Defect = () => {}) {
    const random = new SeededRandom(seed, "noise");
    this.#random = random;
    const count = 2 + random.below(3);
    this.#noiseEndMs = 1_000 + random.below(8_000);
    for (let i = 0; i < count; i++) {
      const node = new Node(i, new SeededRandom(seed, `noise node ${i}`), this);
      defect(node.throwie);
      this.#nodes.push(node);
      for (let drops = random.below(6); drops > 0; drops--) {
        this.#writings.push({ atMs: random.below(this.#noiseEndMs), node, bytes: random.below(3) === 0 ? 100 : 2_048 });
      }
    }
  }

  outcome(): NoiseOutcome {
    const endMs = this.#noiseEndMs + PATIENCE_S * 1_000;
    let checkMs = this.#noiseEndMs;
    for (;;) {
      let nextMs = endMs;
      for (const node of this.#nodes) nextMs = Math.min(nextMs, node.dueMs);
      for (const { atMs } of this.#flights) nextMs = Math.min(nextMs, atMs);
      this.nowMs = Math.max(this.nowMs, nextMs);
      this.#write();
      if (this.nowMs >= checkMs) {
        if (this.#agree()) return { agreedS: (this.nowMs - this.#noiseEndMs) / 1_000, damaged: this.damaged };
        if (this.nowMs >= endMs) return { agreedS: undefined, damaged: this.damaged };
        checkMs = this.nowMs + 100;
      }
      for (let i = 0; i < this.#flights.length; ) {
        const flight = this.#flights[i]!;
        if (flight.atMs > this.nowMs) {
          i++;
          continue;
        }
        this.#flights.splice(i, 1);
        const node = this.#nodes[flight.to]!;
        node.throwie.receive(flight.bytes, flight.bytes.length, flight.from);
        node.dueMs = this.nowMs;
      }
      for (const node of this.#nodes) {
        if (node.dueMs > this.nowMs) continue;
        node.dueMs = node.throwie.turn();
        if (node.freeAtMs > this.nowMs) node.dueMs = Math.min(node.dueMs, node.freeAtMs);
      }
    }
  }

  /** Nodes write until the noise ends. */
  #write(): void {
    for (let i = 0; i < this.#writings.length; ) {
      const { atMs, node, bytes } = this.#writings[i]!;
      if (atMs > this.nowMs) {
        i++;
        continue;
      }
      this.#writings.splice(i, 1);
      // Half of the Drops fill their last fragment, so that a false length contradicts no other fragment.
      const full = bytes > PAYLOAD_BYTES_V1 && this.#random.below(2) === 0;
      const fullBytes = PAYLOAD_BYTES_V1 * (2 + this.#random.below(8)) - MESSAGE_PREFIX_BYTES;
      const drop = new Uint8Array(full ? fullBytes : 1 + this.#random.below(bytes));
      this.#random.fill(drop);
      node.throwie.publish(drop, "own");
      node.dueMs = this.nowMs;
    }
  }

  send(from: number, bytes: Uint8Array, to: MacAddress): void {
    const random = this.#random;
    const { address } = this.#nodes[from]!;
    const noisy = this.nowMs < this.#noiseEndMs;
    for (let i = 0; i < this.#nodes.length; i++) {
      if (i === from || (to[0] !== 0xff && to[5] !== i + 1)) continue;
      if (!noisy) {
        this.#flights.push({ atMs: this.nowMs + FRAME_MS, to: i, bytes, from: address });
        continue;
      }
      const old = random.chance(OLD_PER_MILLE * 1_000);
      if (old) this.#flights.push({ atMs: this.nowMs + random.below(OLD_MS), to: i, bytes, from: address });
      if (random.chance(LOSS_PER_MILLE * 1_000)) continue;
      const late = random.chance(LATE_PER_MILLE * 1_000) ? random.below(LATE_MS) : 0;
      const damage = random.chance(DAMAGED_PER_MILLE * 1_000);
      const heard = damage ? this.#damage(bytes.slice()) : bytes;
      this.#flights.push({ atMs: this.nowMs + FRAME_MS + late, to: i, bytes: heard, from: address });
    }
  }

  /** Change one field of a frame, and seal the frame again. */
  #damage(bytes: Uint8Array): Uint8Array {
    const random = this.#random;
    const frame = this.#frame;
    if (decodeFrame(bytes, bytes.length, frame) !== undefined) throw new Error("noise: a node sent no frame");
    this.damaged++;
    const payload = FRAME_HEADER_BYTES + random.below(Math.max(frame.payloadBytes, 1));
    switch (random.below(8)) {
      case 0:
        frame.sequence = (frame.sequence + random.below(16) - 8) & 0xfff;
        break;
      case 1:
        if (frame.type !== ACK && frame.type !== BEACON) frame.fragment = random.below(10);
        break;
      case 2:
        frame.shortIdLow = (frame.shortIdLow ^ (1 << random.below(31))) >>> 0;
        break;
      case 3:
        frame.payloadBytes = Math.max(1, frame.payloadBytes - random.below(40));
        break;
      case 4:
        // The length of a message, the base of an acknowledgement.
        bytes[FRAME_HEADER_BYTES + random.below(3)]! ^= 1 << random.below(8);
        break;
      case 5:
        // What an acknowledgement says was received, kept and done.
        bytes[FRAME_HEADER_BYTES + Math.min(4 + random.below(10), frame.payloadBytes - 1)] = random.below(256);
        break;
      case 6:
        frame.poll = !frame.poll;
        bytes[payload]! ^= 1 << random.below(8);
        break;
      default:
        bytes[payload] = random.below(256);
    }
    const damaged = new Uint8Array(FRAME_SIZE_BYTES_V1);
    damaged.set(bytes.subarray(0, FRAME_HEADER_BYTES + frame.payloadBytes));
    return damaged.slice(0, sealFrame(damaged, frame));
  }

  /** Whether all nodes have the same Drops, each of them checked and right. */
  #agree(): boolean {
    const first = this.#nodes[0]!.store;
    for (const { store } of this.#nodes) if (store.count !== first.count || store.unverified > 0) return false;
    for (const { store } of this.#nodes) {
      for (let slot = 0; slot < first.capacity; slot++) {
        if (first.occupied(slot) && store.find(first.idLow(slot), first.idHigh(slot)) < 0) return false;
      }
      for (let slot = 0; slot < store.capacity; slot++) {
        if (!store.occupied(slot)) continue;
        const drop = new Uint8Array(store.lengthBytes(slot));
        store.read(slot, 0, drop, 0, drop.length);
        const id = dropId(drop);
        if (shortIdLow(id) !== store.idLow(slot) || shortIdHigh(id) !== store.idHigh(slot)) return false;
      }
    }
    return true;
  }
}
