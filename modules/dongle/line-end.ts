/**
 * One end of the line between a dongle and its computer: sessions, flow control, and an account of every frame
 * (docs/dongle.md, "Flow and loss").
 *
 * The line keeps order and may lose anything. Each FRAME has a number; each end tells in its STATUS, soon after that
 * changed and at least every STATUS_INTERVAL_MS, how far it has `sent` and how far the other's frames are `done`, gone from its
 * hands or known to be lost. Both numbers are absolute, so a STATUS that is lost is made good by the next, and `sent` alone tells
 * the other end that the last frames will never come. So nobody has more than the other's window of frames on the way, and
 * no credit is lost for ever.
 *
 * Invariant: each frame that was offered is handed on by the other end once and whole, or is counted: as lost on the line,
 * as refused by the other end, or as cut, when its session ended before the other end was known to be done with it (it may have
 * arrived). Frames of another session are not taken.
 */

import type { MacAddress } from "../throwie/ports.ts";
import { LineReader, MESSAGE_AT, sealedBytesMax, sealMessage } from "./framing.ts";
import {
  DAMAGED_AT,
  DONE_AT,
  FRAME,
  FRAME_AT,
  GREETING_SESSION_AT,
  HELLO,
  LOST_AT,
  type Losses,
  MISSED_AT,
  REFUSED_AT,
  SENT_AT,
  SEQUENCE_AT,
  SESSION_AT,
  STATUS_BYTES,
  u16At,
  u32At,
  WELCOME,
  wellFormed,
  writeFrame,
  writeStatus,
} from "./message.ts";
import { MessageRing } from "./message-ring.ts";

/** A line of bytes. Its owner calls `turn` of the dongle, or of its host, when it can take more. */
export interface Line {
  /** Takes as much of `bytes[offset .. offset + lengthBytes)` as it has room for, and returns how much; never waits. */
  write(bytes: Uint8Array, offset: number, lengthBytes: number): number;
}

/** What an end does with what comes; all of it is called from `receive` only, but `greeting` from `flush`. */
export interface LineOwner {
  /** Frames that it took and has not handed on yet. */
  readonly waiting: number;
  /** A FRAME of this session. The message is only valid during the call. False: it cannot be used. */
  take(message: Uint8Array, lengthBytes: number): boolean;
  /** A well-formed HELLO or WELCOME, of any version and session. */
  greeted(message: Uint8Array): void;
  /** A FRAME or a STATUS of a session that is not this one. */
  strange(): void;
  /** Writes the HELLO or WELCOME that `greet` asked for; returns its bytes. */
  greeting(bytes: Uint8Array, at: number): number;
}

/** How long the other end may wait for news that is not pressing. */
export const STATUS_INTERVAL_MS = 200;
const NUMBERS = 0x1_0000;
const NOTHING = -1;

export class LineEnd {
  /** 0: none. */
  session = 0;
  /** Since this end was made; of all sessions. */
  readonly counters = {
    sessions: 0,
    /** Frames that were taken to be sent, and frames of the other end that were handed on. */
    offered: 0,
    taken: 0,
    /** Of the frames from here: as the other end tells; and when a session ended. */
    lostThere: 0,
    refusedThere: 0,
    cut: 0,
    /** Of the frames from there. */
    lostHere: 0,
    refusedHere: 0,
    missedThere: 0,
    /** Frames for the other end that had no room here. */
    missedHere: 0,
    damagedHere: 0,
    damagedThere: 0,
  };
  readonly #line: Line;
  readonly #owner: LineOwner;
  readonly #window: number;
  readonly #reader = new LineReader();
  readonly #ring: MessageRing;
  readonly #control = new Uint8Array(sealedBytesMax(STATUS_BYTES));
  readonly #here: Losses = { lost: 0, refused: 0, missed: 0, damaged: 0 };
  readonly #there: Losses = { lost: 0, refused: 0, missed: 0, damaged: 0 };
  #greetDue = false;
  #statusDue = false;
  #statusMs = 0;
  /** What the line is in the middle of: a piece of the ring or of the control buffer. */
  #writing: Uint8Array | undefined;
  #writeAt = 0;
  #writeEnd = NOTHING;
  /** Numbers of frames: the newest of ours in the ring, wholly on the line, and done with there; the newest of theirs seen. */
  #newest = 0;
  #sent = 0;
  #doneThere = 0;
  #windowThere = 0;
  #seen = 0;
  #toldDone = 0;

  constructor(options: { line: Line; owner: LineOwner; windowFrames: number; ringBytes: number }) {
    this.#line = options.line;
    this.#owner = options.owner;
    this.#window = options.windowFrames;
    this.#ring = new MessageRing(options.ringBytes);
  }

  /** Begin a session, at both ends from 0; whatever was not done with in the last one is cut. */
  open(session: number, windowThere: number): void {
    this.close();
    this.session = session;
    this.#windowThere = windowThere;
    this.#statusDue = true;
    this.counters.sessions++;
  }

  close(): void {
    this.counters.cut += this.outstanding;
    this.session = 0;
    this.#ring.clear();
    this.#writing = undefined;
    this.#newest = 0;
    this.#sent = 0;
    this.#doneThere = 0;
    this.#seen = 0;
    this.#toldDone = 0;
    clear(this.#here);
    clear(this.#there);
  }

  /** The line itself is a new one: neither half a message that was read nor half a one that was written goes on. */
  restart(): void {
    this.close();
    this.#reader.restart();
  }

  /** Frames that are not wholly on the line yet. */
  get queued(): number {
    return this.#ring.count;
  }

  /** Frames from here that the other end is not known to be done with. */
  get outstanding(): number {
    return between(this.#doneThere, this.#newest);
  }

  /** Take a frame to be sent; false when there is no session or no room, and nothing was taken. */
  offer(address: MacAddress, rssiDbm: number, frame: Uint8Array, lengthBytes: number): boolean {
    if (this.session === 0) return false;
    const at = this.#ring.place(sealedBytesMax(FRAME_AT + lengthBytes));
    if (at < 0) return false;
    this.#newest = after(this.#newest);
    const to = at + MESSAGE_AT;
    const { bytes } = this.#ring;
    const messageBytes = writeFrame(bytes, to, this.session, this.#newest, address, rssiDbm, frame, lengthBytes);
    this.#ring.add(at, sealMessage(bytes, at, messageBytes));
    this.counters.offered++;
    return true;
  }

  /** There was a frame for the other end, and it was not offered or not taken. */
  missed(): void {
    this.counters.missedHere++;
    this.#here.missed++;
  }

  /** Say hello, or welcome, at the next flush. */
  greet(): void {
    this.#greetDue = true;
  }

  /** Take what the line brought. */
  receive(bytes: Uint8Array, lengthBytes: number): void {
    const reader = this.#reader;
    const damagedBefore = reader.damaged;
    let from = 0;
    while (from < lengthBytes) {
      const messageBytes = reader.next(bytes, from, lengthBytes);
      from = reader.at;
      if (messageBytes > 0 && !this.#understand(reader.message, messageBytes)) reader.damaged++;
    }
    this.counters.damagedHere += reader.damaged - damagedBefore;
    this.#here.damaged += reader.damaged - damagedBefore;
  }

  /** Write what is due. True when nothing waits for the line to have room. */
  flush(now: number): boolean {
    for (;;) {
      if (this.#writing === undefined && !this.#choose(now)) return true;
      const lengthBytes = this.#writeEnd - this.#writeAt;
      const taken = this.#line.write(this.#writing!, this.#writeAt, lengthBytes);
      this.#writeAt += taken;
      if (taken < lengthBytes) return false;
      if (this.#writing === this.#ring.bytes) {
        this.#ring.remove();
        this.#sent = after(this.#sent);
      }
      this.#writing = undefined;
    }
  }

  /** When `flush` has something to say even if nothing happens. */
  get dueMs(): number {
    return this.session === 0 ? Number.POSITIVE_INFINITY : this.#statusMs + STATUS_INTERVAL_MS;
  }

  /** What goes next to the line; false for nothing. Greetings first, then news of what is done, then frames. */
  #choose(now: number): boolean {
    if (this.#greetDue) {
      this.#greetDue = false;
      this.#write(this.#control, 0, sealMessage(this.#control, 0, this.#owner.greeting(this.#control, MESSAGE_AT)));
      return true;
    }
    if (this.session === 0) return false;
    const done = (this.#seen + NUMBERS - this.#owner.waiting) % NUMBERS;
    const pressing = this.#statusDue || 2 * between(this.#toldDone, done) >= this.#window;
    if (pressing || now >= this.dueMs) {
      this.#statusDue = false;
      this.#statusMs = now;
      this.#toldDone = done;
      const messageBytes = writeStatus(this.#control, MESSAGE_AT, this.session, this.#sent, done, this.#here);
      this.#write(this.#control, 0, sealMessage(this.#control, 0, messageBytes));
      return true;
    }
    if (this.#ring.count === 0 || between(this.#doneThere, this.#sent) >= this.#windowThere) return false;
    this.#write(this.#ring.bytes, this.#ring.start, this.#ring.lengthBytes);
    // The other end is to know at once that these were all, in case that it did not get them.
    if (between(this.#doneThere, this.#sent) + 1 >= this.#windowThere) this.#statusDue = true;
    return true;
  }

  #write(bytes: Uint8Array, at: number, lengthBytes: number): void {
    this.#writing = bytes;
    this.#writeAt = at;
    this.#writeEnd = at + lengthBytes;
  }

  /** False: no message that an end of this protocol sends. */
  #understand(message: Uint8Array, lengthBytes: number): boolean {
    if (!wellFormed(message, lengthBytes)) return false;
    const kind = message[0];
    if (kind === HELLO || kind === WELCOME) {
      this.#owner.greeted(message);
      return true;
    }
    if (this.session === 0 || u32At(message, SESSION_AT) !== this.session) {
      this.#owner.strange();
      return true;
    }
    return kind === FRAME ? this.#takeFrame(message, lengthBytes) : this.#takeStatus(message);
  }

  #takeFrame(message: Uint8Array, lengthBytes: number): boolean {
    const number = u16At(message, SEQUENCE_AT);
    if (number === this.#seen || !this.#see(number, 1)) return false;
    if (this.#owner.take(message, lengthBytes)) this.counters.taken++;
    else {
      this.counters.refusedHere++;
      this.#here.refused++;
    }
    return true;
  }

  #takeStatus(message: Uint8Array): boolean {
    const done = u16At(message, DONE_AT);
    if (between(this.#doneThere, done) > between(this.#doneThere, this.#sent)) return false;
    if (!this.#see(u16At(message, SENT_AT), 0)) return false;
    this.#doneThere = done;
    const there = this.#there;
    const { counters } = this;
    const lost = u32At(message, LOST_AT);
    const refused = u32At(message, REFUSED_AT);
    const missed = u32At(message, MISSED_AT);
    const damaged = u32At(message, DAMAGED_AT);
    counters.lostThere += lost - there.lost;
    counters.refusedThere += refused - there.refused;
    counters.missedThere += missed - there.missed;
    counters.damagedThere += damaged - there.damaged;
    there.lost = lost;
    there.refused = refused;
    there.missed = missed;
    there.damaged = damaged;
    return true;
  }

  /** The other end has sent up to this number; `arrived` of it just now. What lies between is lost. */
  #see(number: number, arrived: 0 | 1): boolean {
    const gap = between(this.#seen, number) - arrived;
    if (gap > this.#window) return false;
    this.#seen = number;
    this.counters.lostHere += gap;
    this.#here.lost += gap;
    if (gap > 0) this.#statusDue = true;
    return true;
  }
}

/** The session that a greeting names. */
export function greetingSession(message: Uint8Array): number {
  return u32At(message, GREETING_SESSION_AT);
}

function after(number: number): number {
  return (number + 1) % NUMBERS;
}

function between(earlier: number, later: number): number {
  return (later + NUMBERS - earlier) % NUMBERS;
}

function clear(losses: Losses): void {
  losses.lost = 0;
  losses.refused = 0;
  losses.missed = 0;
  losses.damaged = 0;
}
