/**
 * What the medium tells: each frame as it happens, and sums of everything.
 *
 * A frame is one transmission of a queued ESP-NOW frame, so a repetition by the hardware is a frame too.
 * Acknowledgements are not frames here; their bytes and airtime are counted all the same. For everyone whom it was for
 * (`receptions`) a frame ends exactly once: delivered, lost with a cause, or known to be a repetition. A duplicate adds
 * one delivery or loss. Hence, once the air is quiet,
 *
 *     receptions + duplicated = delivered + all of lost + repetitions
 *
 * A tap only watches: it must not send, and must not change or keep the bytes that it is shown.
 */
import type { MacAddress } from "../modules/throwie/ports.ts";
import type { LossCause } from "./loss.ts";
import type { Station } from "./station.ts";

export interface FrameTap {
  sent(timeUs: number, transmission: number, from: Station, to: MacAddress | undefined, frame: Uint8Array): void;
  /** At the moment the node gets it. */
  delivered(timeUs: number, transmission: number, from: Station, at: Station, frame: Uint8Array): void;
  /** `at` is undefined when the only one it was for is not in range. */
  lost(timeUs: number, transmission: number, from: Station, at: Station | undefined, cause: LossCause): void;
}

/** Counted over all stations. */
export class MediumCounters {
  frames = 0;
  /** Of them, repetitions by the hardware. */
  retries = 0;
  acknowledgements = 0;
  /** Whole 802.11 frames, acknowledgements included. */
  bytesOnAir = 0;
  airtimeUs = 0;
  /** Each frame once for each station in range that it was for; an addressee out of range counts too. */
  receptions = 0;
  /** Frames handed to nodes. */
  delivered = 0;
  /** Frames handed over twice, and frames held back. */
  duplicated = 0;
  reordered = 0;
  /** Frames handed over with bits turned over. */
  corrupted = 0;
  /** Repetitions that a receiver's hardware knew and kept from its node. */
  repetitions = 0;
  /** Unicast frames given up after `retriesMax` repetitions. */
  unacknowledged = 0;
  /** Calls of `send` that found the queue full. */
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
