/**
 * ACK frames: what the receiver of a session tells its sender (docs/protocol.md, "ACK").
 *
 * Acknowledgements are lost, and one can overtake another. So each ACK says the whole state of its receiver, not what
 * changed. The header's sequence number counts the ACKs of a session, so an ACK that was overtaken is recognised and
 * dropped: the latest holds the whole truth. The payload:
 *
 * | offset | size | field   | meaning                                                                            |
 * |--------|------|---------|------------------------------------------------------------------------------------|
 * | 0      | 2    | base    | the lowest sequence number that is not finished                                    |
 * | 2      | 1    | window  | frames that may be in flight, from what the receiver's radio can queue             |
 * | 3      | 1    | credit  | messages of several fragments there is room for, those begun included              |
 * | 4      | 1    | flags   | bit 0 DONE: the sender of this frame has nothing more to send; other bits 0        |
 * | 5      | 2    | kept    | bit b: message base - 8 + b is finished because the receiver keeps it              |
 * | 7      | 2n   | masks   | fragments received of sequence base + i; 0xffff is finished; n <= 8                |
 *
 * "Finished" is more than "received". A Drop is finished when it is in the flash, or when its receiver does not want
 * it. `kept` tells which, since only a Drop that was kept has moved. A sender must not forget a message that is not
 * finished.
 */
import { FRAME_HEADER_BYTES, type Frame, type FrameHeader, SEQUENCE_COUNT } from "./frame.ts";
import { ACK } from "./frame-type.ts";

export const ACK_PREFIX_BYTES = 7;
/**
 * How many sequence numbers a receiver follows at once. A sender runs no further ahead of `base`. Sixteen would save a
 * stream of Drops of one frame 3 % of its air, and cost four contacts 768 bytes.
 */
export const MESSAGES_AHEAD_MAX = 8;
/** The mask of a message that is finished. No message has so many fragments. */
export const FINISHED = 0xffff;
/**
 * The bit of `kept` for message `base`. As many messages below `base` may be news as there may be messages ahead of it.
 */
export const KEPT_BASE_BIT = 8;
const KEPT_BITS = 16;
const DONE = 1;

export class Ack {
  number = 0;
  base = 0;
  window = 0;
  credit = 0;
  done = false;
  kept = 0;
  count = 0;
  readonly masks = new Uint16Array(MESSAGES_AHEAD_MAX);

  /** Whether the receiver keeps the finished message of this sequence number. */
  keeps(sequence: number): boolean {
    const bit = (sequence - this.base + KEPT_BASE_BIT) & (SEQUENCE_COUNT - 1);
    return bit < KEPT_BITS && (this.kept & (1 << bit)) !== 0;
  }
}

/** Write the payload behind the frame header in `out`, and fill in the header, except its session. */
export function encodeAck(out: Uint8Array, ack: Ack, header: FrameHeader): void {
  const at = FRAME_HEADER_BYTES;
  out[at] = ack.base;
  out[at + 1] = ack.base >>> 8;
  out[at + 2] = ack.window;
  out[at + 3] = ack.credit;
  out[at + 4] = ack.done ? DONE : 0;
  out[at + 5] = ack.kept;
  out[at + 6] = ack.kept >>> 8;
  for (let i = 0; i < ack.count; i++) {
    out[at + ACK_PREFIX_BYTES + 2 * i] = ack.masks[i]!;
    out[at + ACK_PREFIX_BYTES + 2 * i + 1] = ack.masks[i]! >>> 8;
  }
  header.type = ACK;
  header.poll = false;
  header.sequence = ack.number;
  header.fragment = 0;
  header.shortIdLow = 0;
  header.shortIdHigh = 0;
  header.payloadBytes = ACK_PREFIX_BYTES + 2 * ack.count;
}

/**
 * Read an ACK frame into `ack`. False when it does not have exactly the form of one. The content of `ack` is then
 * undefined.
 */
export function decodeAck(frame: Frame, ack: Ack): boolean {
  const { bytes, payloadBytes } = frame;
  ack.number = frame.sequence;
  const at = FRAME_HEADER_BYTES;
  const maskBytes = payloadBytes - ACK_PREFIX_BYTES;
  if (maskBytes < 0 || maskBytes & 1 || maskBytes > 2 * MESSAGES_AHEAD_MAX) return false;
  if (frame.poll || frame.fragment !== 0 || frame.shortIdLow !== 0 || frame.shortIdHigh !== 0) return false;
  ack.base = bytes[at]! | (bytes[at + 1]! << 8);
  ack.window = bytes[at + 2]!;
  ack.credit = bytes[at + 3]!;
  ack.done = bytes[at + 4] === DONE;
  ack.kept = bytes[at + 5]! | (bytes[at + 6]! << 8);
  ack.count = maskBytes >>> 1;
  if (ack.base >= SEQUENCE_COUNT || ack.window === 0 || bytes[at + 4]! > DONE) return false;
  for (let i = 0; i < ack.count; i++) {
    ack.masks[i] = bytes[at + ACK_PREFIX_BYTES + 2 * i]! | (bytes[at + ACK_PREFIX_BYTES + 2 * i + 1]! << 8);
  }
  return true;
}
