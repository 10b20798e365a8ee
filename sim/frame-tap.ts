/**
 * The medium's reports: each frame when it happens, and sums over all frames.
 *
 * A frame is one transmission of a queued ESP-NOW frame, so a repetition by the hardware is a frame too.
 * Acknowledgements are not frames here, but their bytes and airtime are counted. Each frame counts once in `receptions`
 * for each station that it was for. For each of them it ends exactly once: delivered, lost with a cause, or known to be
 * a repetition. A duplicate adds one delivery or one loss. Hence, once the air is quiet:
 *
 *     receptions + duplicated = delivered + all of lost + repetitions
 *
 * A tap only watches. It must not send, and it must not change or keep the bytes that it is given.
 */
import type { MacAddress } from "../modules/throwie/ports.ts";
import type { LossCause } from "./loss.ts";
import type { Station } from "./station.ts";

export interface FrameEvent {
  readonly timeUs: number;
  /** The number of the transmission. */
  readonly transmission: number;
  readonly from: Station;
}

export interface FrameSent extends FrameEvent {
  /** Undefined when the frame is for everyone. */
  readonly to: MacAddress | undefined;
  readonly frame: Uint8Array;
}

export interface FrameDelivered extends FrameEvent {
  readonly at: Station;
  readonly frame: Uint8Array;
}

export interface FrameLost extends FrameEvent {
  /** Undefined when the frame was for a station that is not in range. */
  readonly at: Station | undefined;
  readonly cause: LossCause;
}

export interface FrameTap {
  sent(event: FrameSent): void;
  /** At the moment when the node gets the frame. */
  delivered(event: FrameDelivered): void;
  lost(event: FrameLost): void;
}

/** Sums over all stations. */
export class MediumCounters {
  frames = 0;
  /** How many of the frames are repetitions by the hardware. */
  retries = 0;
  acknowledgements = 0;
  /** In whole 802.11 frames, with acknowledgements. */
  bytesOnAir = 0;
  airtimeUs = 0;
  /** Counts each frame once for each station in range that it was for. An addressee out of range counts too. */
  receptions = 0;
  /** Frames that were handed to nodes. */
  delivered = 0;
  /** Frames that were handed over twice. `reordered`: frames that were held back. */
  duplicated = 0;
  reordered = 0;
  /** Frames that were handed over with flipped bits. */
  corrupted = 0;
  /** Repetitions that a receiver's hardware recognised and did not hand to its node. */
  repetitions = 0;
  /** Unicast frames that were given up after `retriesMax` repetitions. */
  unacknowledged = 0;
  /** Calls of `send` that found a full queue. */
  refused = 0;
  readonly lost: Record<LossCause, number> = {
    noise: 0,
    distance: 0,
    burst: 0,
    collision: 0,
    deaf: 0,
    off: 0,
    cut: 0,
    queue: 0,
    range: 0,
    long: 0,
  };
}
