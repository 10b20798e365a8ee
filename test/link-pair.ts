/** Two links without nodes, over a channel that loses, repeats and delays frames. Time is simulated milliseconds. */
import { Assembly } from "../modules/glacier/assembly.ts";
import {
  decodeFrame,
  FRAME_SIZE_BYTES_V1,
  Frame,
  FrameHeader,
  type FrameOf,
  PAYLOAD_BYTES_V1,
} from "../modules/glacier/frame.ts";
import { ACK, DROP, type SessionType } from "../modules/glacier/frame-type.ts";
import { Link } from "../modules/glacier/link.ts";
import { fragmentCount } from "../modules/glacier/message.ts";
import type { Completion, MessageSink, MessageSource, Outgoing } from "../modules/glacier/ports.ts";
import type { SeededRandom } from "../sim/random.ts";

interface Weather {
  lossPerMille: number;
  duplicatePerMille: number;
  /** The longest delay of a frame. Delays differ, so frames overtake each other. */
  delayMs: number;
  /** What every frame takes besides, 0 if not given: a slow line. */
  latencyMs?: number;
}

const ASSEMBLIES = 4;
const WINDOW_FRAMES = 32;
/** A 226-byte frame at 1 Mbit/s takes 2.7 ms. */
const FRAME_INTERVAL_MS = 3;
const CLEAR = { lossPerMille: 0, duplicatePerMille: 0, delayMs: 0 };

/** The owner of one link: its messages, each named by its number, and what became of them. */
class Peer implements MessageSource, MessageSink {
  readonly offered: string[] = [];
  readonly received: string[] = [];
  /** The handles of own messages that the other peer kept, and of those that it did not want. */
  readonly kept: number[] = [];
  readonly unwanted: number[] = [];
  readonly link = new Link(this, this);
  readonly #bodies: Uint8Array[] = [];
  readonly #free: Assembly[] = Array.from({ length: ASSEMBLIES }, () => new Assembly());
  #next = 0;

  offer(body: Uint8Array): void {
    this.offered.push(Buffer.from(body).toString("hex"));
    this.#bodies.push(body);
  }

  get waiting(): boolean {
    return this.#next < this.#bodies.length;
  }

  next(message: Outgoing): boolean {
    const body = this.#bodies[this.#next];
    if (body === undefined) return false;
    Object.assign(message, { type: DROP, shortIdLow: this.#next, shortIdHigh: 1, bodyBytes: body.length, claim: 0 });
    message.handle = this.#next++;
    return true;
  }

  // biome-ignore lint/complexity/useMaxParams: source, at, into, offset, length, as every copy of bytes
  read(message: Outgoing, from: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    into.set(this.#bodies[message.handle]!.subarray(from, from + lengthBytes), offset);
  }

  finished(message: Outgoing, kept: boolean): void {
    (kept ? this.kept : this.unwanted).push(message.handle);
  }

  abandoned(): void {}

  wants(): boolean {
    return true;
  }

  assembly(frame: Frame, now: number): Assembly | undefined {
    const assembly = this.full ? undefined : this.#free.pop();
    assembly?.begin(frame.shortIdLow, frame.shortIdHigh, PAYLOAD_BYTES_V1, now);
    return assembly;
  }

  owns(): boolean {
    return true;
  }

  shelve(assembly: Assembly): void {
    this.#free.push(assembly);
  }

  complete(_type: number, assembly: Assembly): Completion {
    this.received.push(Buffer.from(assembly.bytes.subarray(3, 3 + assembly.bodyBytes)).toString("hex"));
    const unwanted = assembly.shortIdLow % this.unwantedEvery === this.unwantedEvery - 1;
    assembly.clear();
    this.#free.push(assembly);
    return unwanted ? "unwanted" : "kept";
  }

  full = false;
  /** Of every so many messages, the last is unwanted. */
  unwantedEvery = Infinity;

  get credit(): number {
    return this.full ? 0 : ASSEMBLIES;
  }

  readonly window = WINDOW_FRAMES;
}

export class LinkPair {
  /** The peer that hears nothing: 0, 1, or -1 for neither. */
  deaf = -1;
  muteAcknowledgements = false;
  /** Whether peer 1 has no room for more messages, and says so. */
  set full(full: boolean) {
    this.#peers[1].full = full;
  }

  readonly #peers = [new Peer(), new Peer()] as const;
  readonly #air: { at: number; to: number; bytes: Uint8Array }[] = [];
  readonly #random: SeededRandom;
  readonly #weather: Weather;
  readonly #bodyBytes: number;
  readonly #sent = [0, 0];
  #now = 0;
  #lastSentMs = 0;

  constructor(random: SeededRandom, weather: Weather, bodyBytes = 2048) {
    this.#random = random;
    this.#weather = weather;
    this.#bodyBytes = bodyBytes;
    for (const { link } of this.#peers) link.begin(0x1234, 0);
  }

  /** Of every so many messages, the last is unwanted by peer 1. */
  set unwantedEvery(every: number) {
    this.#peers[1].unwantedEvery = every;
  }

  /**
   * The messages of `from` that the other peer kept, and those that it did not want, as the sender of `from` learned.
   */
  told(from: 0 | 1): { kept: number[]; unwanted: number[] } {
    const { kept, unwanted } = this.#peers[from];
    return { kept: [...kept].sort((a, b) => a - b), unwanted: [...unwanted].sort((a, b) => a - b) };
  }

  /** Offers messages of random sizes, or all of `sizeBytes`. */
  offer(from: 0 | 1, count: number, sizeBytes?: number): void {
    for (let i = 0; i < count; i++) {
      const body = new Uint8Array(sizeBytes ?? 1 + this.#random.below(this.#bodyBytes));
      this.#random.fill(body);
      this.#peers[from].offer(body);
    }
  }

  /** All messages that a peer offered. Like those of `received`, they are in sorted order. */
  offered(by: 0 | 1): string[] {
    return [...this.#peers[by].offered].sort();
  }

  received(by: 0 | 1): string[] {
    return [...this.#peers[by].received].sort();
  }

  framesFrom(peer: 0 | 1): number {
    return this.#sent[peer]!;
  }

  get lost(): number {
    return this.#peers[0].link.sender.framesLost + this.#peers[1].link.sender.framesLost;
  }

  get nowMs(): number {
    return this.#now;
  }

  /** Nothing was sent in the last second. */
  get quiet(): boolean {
    return this.#air.length === 0 && this.#now - this.#lastSentMs >= 1_000;
  }

  run(forMs: number): void {
    const end = this.#now + forMs;
    for (; this.#now < end; this.#now++) {
      this.#deliver();
      if (this.#now % FRAME_INTERVAL_MS === 0) for (const from of [0, 1] as const) this.#send(from);
      if (this.quiet && this.#now - this.#lastSentMs > 2_000 && this.deaf < 0) break;
    }
  }

  #send(from: 0 | 1): void {
    const { link } = this.#peers[from];
    const out = new Uint8Array(FRAME_SIZE_BYTES_V1);
    const header = new FrameHeader();
    const length = link.prepare(out, header, this.#now);
    if (length === 0) return;
    link.sent(header, this.#now);
    this.#sent[from]!++;
    this.#lastSentMs = this.#now;
    const copies = this.#random.below(1000) < this.#weather.duplicatePerMille ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.#random.below(1000) < this.#weather.lossPerMille) continue;
      const { delayMs, latencyMs = 0 } = this.#weather;
      const delay = 1 + latencyMs + (delayMs === 0 ? 0 : this.#random.below(delayMs));
      this.#air.push({ at: this.#now + delay, to: 1 - from, bytes: out.slice(0, length) });
    }
  }

  #deliver(): void {
    for (let i = 0; i < this.#air.length; i++) {
      const { at, to, bytes } = this.#air[i]!;
      if (at > this.#now) continue;
      this.#air.splice(i--, 1);
      if (to === this.deaf) continue;
      const frame = new Frame();
      if (decodeFrame(bytes, bytes.length, frame) !== undefined) throw new Error("the channel changed a frame");
      if (frame.type === ACK && this.muteAcknowledgements) continue;
      this.#peers[to === 0 ? 0 : 1].link.receive(frame as FrameOf<SessionType>, this.#now);
    }
  }
}

/**
 * Sends full Drops over a line whose round trip takes so long. `sent`: frames over those that the messages need.
 * `time`: over what the air of these frames takes, or over one window a round trip if that is longer.
 */
export function overSlowLine(random: SeededRandom, roundTripMs: number): { sent: number; time: number } {
  const pair = new LinkPair(random, { ...CLEAR, latencyMs: roundTripMs >> 1 });
  pair.offer(0, 100, 2_048);
  const offered = pair.offered(0);
  const needed = offered.reduce((sum, text) => sum + fragmentCount(text.length / 2, PAYLOAD_BYTES_V1), 0);
  while (pair.told(0).kept.length < offered.length) pair.run(10);
  const boundMs = Math.max(needed * FRAME_INTERVAL_MS, (needed / WINDOW_FRAMES) * roundTripMs);
  return { sent: pair.framesFrom(0) / needed, time: pair.nowMs / boundMs };
}

/** The frames that each message takes over such a line if the next one is offered only when the last one is kept. */
export function oneByOne(random: SeededRandom, roundTripMs: number): number {
  const messages = 30;
  const pair = new LinkPair(random, { ...CLEAR, latencyMs: roundTripMs >> 1 });
  for (let i = 1; i <= messages; i++) {
    pair.offer(0, 1, 100);
    while (pair.told(0).kept.length < i) pair.run(10);
  }
  return pair.framesFrom(0) / messages;
}
