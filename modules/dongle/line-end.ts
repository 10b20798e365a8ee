/**
 * One end of the line between a dongle and its computer: sessions, flow control, and an account of every frame
 * (docs/dongle.md, "Flow and loss").
 *
 * The line keeps order and may lose anything. Each FRAME has a number. Each end reports two numbers in its STATUS:
 * `sent`, the last frame that it has sent, and `done`, the last frame of the other end that it has handed on or knows
 * to be lost. It sends a STATUS soon after a change, and at least every STATUS_INTERVAL_MS. Both numbers are absolute,
 * so the next STATUS makes up for a lost one. `sent` alone tells the other end that the last frames will never arrive.
 * So no end has more frames on the way than the other end's window, and no credit is lost for ever.
 *
 * Invariant: each offered frame is handed on by the other end once and whole, or it is counted. It counts as lost on
 * the line, as refused by the other end, or as cut: the session ended before the other end had reported it as done (it
 * may have arrived). Frames of another session are not taken.
 */

import { ADDRESS_BYTES, type MacAddress } from "../throwie/ports.ts";
import { copy } from "./copy.ts";
import { encodeLine, LineReader, lineBytesMax, MESSAGE_AT } from "./framing.ts";
import {
  ASK,
  DAMAGED_AT,
  DONE_AT,
  type Envelope,
  FRAME,
  FRAME_AT,
  GREETING_SESSION_AT,
  HELLO,
  type LineLosses,
  LOST_AT,
  MISSED_AT,
  REFUSED_AT,
  SENT_AT,
  SEQUENCE_AT,
  SESSION_AT,
  type Status,
  TELL,
  TELL_BYTES_MAX,
  u16At,
  u32At,
  WELCOME,
  wellFormed,
  writeEnvelope,
  writeStatus,
} from "./message.ts";
import { MessageRing } from "./message-ring.ts";

/** A line of bytes. Its owner calls `turn` of the dongle or of its host when the line can take more. */
export interface Line {
  /**
   * Takes as much of `bytes[offset .. offset + lengthBytes)` as there is room for, and returns how much. Never waits.
   */
  write(bytes: Uint8Array, offset: number, lengthBytes: number): number;
}

/**
 * The owner of an end handles its messages. `greeting` and `note` are called from `flush`, the others from `receive`
 * only.
 */
export interface LineOwner {
  /** The number of frames that the owner has taken and not handed on yet. */
  readonly waiting: number;
  /** A FRAME of this session. The message is valid only during the call. False when the owner cannot use it. */
  take(message: Uint8Array, lengthBytes: number): boolean;
  /** A well-formed HELLO or WELCOME, of any version and session. */
  greeted(message: Uint8Array): void;
  /** A FRAME or a STATUS of another session. */
  strange(): void;
  /** A STATUS of this session that cannot follow from it: the other end is not the one with which it began. */
  astray(): void;
  /** Writes the HELLO or WELCOME that `greet` asked for. Returns its size in bytes. */
  greeting(bytes: Uint8Array, at: number): number;
  /** An ASK or a TELL of this session. */
  noted(message: Uint8Array, lengthBytes: number): void;
  /** Writes the ASK or the TELL that `note` asked for. Returns its size in bytes. */
  note(bytes: Uint8Array, at: number, topic: number): number;
}

/** The longest time until a STATUS that is not urgent. */
const STATUS_INTERVAL_MS = 200;
const NUMBERS = 0x1_0000;
const NOTHING = -1;

export class LineEnd {
  /** 0: there is no session. */
  session = 0;
  /** Since this end was made, over all sessions. */
  readonly counters = {
    sessions: 0,
    /** Frames that were accepted for sending, and frames of the other end that were handed on. */
    offered: 0,
    taken: 0,
    /** Frames from this end that the other end reported as lost or refused, and frames cut by the end of a session. */
    lostThere: 0,
    refusedThere: 0,
    cut: 0,
    /** Frames from the other end: lost and refused here, and missed there. */
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
  readonly #control = new Uint8Array(lineBytesMax(TELL_BYTES_MAX));
  /** Reused for every FRAME and every STATUS. */
  readonly #header: Envelope = { session: 0, sequence: 0, address: new Uint8Array(ADDRESS_BYTES), rssiDbm: 0 };
  readonly #here: Status = { session: 0, sent: 0, done: 0, lost: 0, refused: 0, missed: 0, damaged: 0 };
  readonly #there: LineLosses = { lost: 0, refused: 0, missed: 0, damaged: 0 };
  #greetDue = false;
  /** The topic of the ASK or the TELL that is due. 0: none is due. */
  #noteDue = 0;
  #statusDue = false;
  #statusMs = 0;
  /** The buffer of the message that is being written to the line: the ring or the control buffer. */
  #writing: Uint8Array | undefined;
  #writeAt = 0;
  #writeEnd = NOTHING;
  /**
   * Numbers of frames. Ours: the newest in the ring, wholly on the line, and done at the other end. Theirs: the newest
   * seen.
   */
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

  /** Begins a session, from 0 at both ends. Frames of the last session that are not done are cut. */
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
    this.#noteDue = 0;
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

  /** The line is a new one. A half message that was read or written is not continued. */
  restart(): void {
    this.close();
    this.#reader.restart();
  }

  /** The number of frames that are not wholly on the line yet. */
  get queued(): number {
    return this.#ring.count;
  }

  /** The number of frames from this end that the other end has not reported as done. */
  get outstanding(): number {
    return between(this.#doneThere, this.#newest);
  }

  /** Queues a frame. False when there is no session or no room; then nothing was taken. */
  offer(address: MacAddress, rssiDbm: number, frame: Uint8Array, lengthBytes: number): boolean {
    if (this.session === 0) return false;
    const at = this.#ring.place(lineBytesMax(FRAME_AT + lengthBytes));
    if (at < 0) return false;
    this.#newest = after(this.#newest);
    const header = this.#header;
    header.session = this.session;
    header.sequence = this.#newest;
    header.address = address;
    header.rssiDbm = rssiDbm;
    const to = at + MESSAGE_AT;
    const { bytes } = this.#ring;
    writeEnvelope(bytes, to, header);
    copy(frame, 0, bytes, to + FRAME_AT, lengthBytes);
    this.#ring.add(at, encodeLine(bytes, at, FRAME_AT + lengthBytes));
    this.counters.offered++;
    return true;
  }

  /** Counts a frame for the other end that was not offered or not taken. */
  missed(): void {
    this.counters.missedHere++;
    this.#here.missed++;
  }

  /** Send a HELLO or a WELCOME at the next flush. */
  greet(): void {
    this.#greetDue = true;
  }

  /** Send an ASK or a TELL of this session at the next flush. A topic that was not sent yet gives way. */
  note(topic: number): void {
    this.#noteDue = topic;
  }

  /** Takes bytes from the line. */
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

  /** Write what is due. True when nothing waits for room on the line. */
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

  /** When `flush` has a STATUS to send even if nothing happens. */
  get dueMs(): number {
    return this.session === 0 ? Number.POSITIVE_INFINITY : this.#statusMs + STATUS_INTERVAL_MS;
  }

  /**
   * Chooses the next message for the line. False when there is none. Greetings come first, then STATUS, then what is
   * asked and told, then frames.
   */
  #choose(now: number): boolean {
    if (this.#greetDue) {
      this.#greetDue = false;
      this.#write(this.#control, 0, encodeLine(this.#control, 0, this.#owner.greeting(this.#control, MESSAGE_AT)));
      return true;
    }
    if (this.session === 0) return false;
    const done = (this.#seen + NUMBERS - this.#owner.waiting) % NUMBERS;
    const pressing = this.#statusDue || 2 * between(this.#toldDone, done) >= this.#window;
    if (pressing || now >= this.dueMs) {
      this.#statusDue = false;
      this.#statusMs = now;
      this.#toldDone = done;
      const here = this.#here;
      here.session = this.session;
      here.sent = this.#sent;
      here.done = done;
      const messageBytes = writeStatus(this.#control, MESSAGE_AT, here);
      this.#write(this.#control, 0, encodeLine(this.#control, 0, messageBytes));
      return true;
    }
    if (this.#noteDue !== 0) {
      const messageBytes = this.#owner.note(this.#control, MESSAGE_AT, this.#noteDue);
      this.#noteDue = 0;
      this.#write(this.#control, 0, encodeLine(this.#control, 0, messageBytes));
      return true;
    }
    if (this.#ring.count === 0 || between(this.#doneThere, this.#sent) >= this.#windowThere) return false;
    this.#write(this.#ring.bytes, this.#ring.start, this.#ring.lengthBytes);
    // Tells the other end at once that no more frames come, in case it did not get these.
    if (between(this.#doneThere, this.#sent) + 1 >= this.#windowThere) this.#statusDue = true;
    return true;
  }

  #write(bytes: Uint8Array, at: number, lengthBytes: number): void {
    this.#writing = bytes;
    this.#writeAt = at;
    this.#writeEnd = at + lengthBytes;
  }

  /** False when the message is none that an end of this protocol sends. */
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
    if (kind === FRAME) return this.#takeFrame(message, lengthBytes);
    if (kind === ASK || kind === TELL) {
      this.#owner.noted(message, lengthBytes);
      return true;
    }
    const follows = this.#takeStatus(message);
    if (!follows) this.#owner.astray();
    return follows;
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

  /** The other end has sent frames up to this number, and `arrived` of them just now. The frames between are lost. */
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

function clear(losses: LineLosses): void {
  losses.lost = 0;
  losses.refused = 0;
  losses.missed = 0;
  losses.damaged = 0;
}
