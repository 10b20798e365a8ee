/**
 * How long an ESP-NOW frame occupies the air by 802.11 (docs/simulator.md, "Airtime").
 *
 * An ESP-NOW body of n bytes travels in a vendor-specific action frame:
 *
 * | size       | field                                                                              |
 * |------------|------------------------------------------------------------------------------------|
 * | 24         | MAC header                                                                         |
 * | 1 + 3 + 4  | category, organisation identifier 18:fe:34, random value                           |
 * | 7 per 250  | element header: 221, length, 18:fe:34, type 4, version; v2 repeats it every 250 bytes |
 * | n          | body                                                                               |
 * | 4          | frame check sequence                                                               |
 *
 * So a body that v1 can carry makes a frame of n + 43 bytes. A frame of L bytes at R Mbit/s takes, in microseconds:
 *
 *     DSSS (1, 2, 11), long preamble   192 + ceil(8 L / R)
 *     OFDM (6, 24, 54)                 20 + 4 ceil((22 + 8 L) / (4 R)) + 6
 *
 * Before each frame come DIFS and a back-off of 0 .. CW slots. After a unicast frame come SIFS and an acknowledgement
 * of 14 bytes, at the highest mandatory rate that is not faster than the frame's rate. Sources: IEEE 802.11-2020
 * clauses 10.3, 15 and 18; ESP-NOW's frame in Espressif's programming guide. test/airtime.test.ts compares all of it
 * with values computed by hand.
 *
 * This module holds only tables and arithmetic. It draws no random number and knows no station.
 */

export type RateMbps = 1 | 2 | 11 | 6 | 24 | 54;
export const RATES_MBPS: readonly RateMbps[] = [1, 2, 11, 6, 24, 54];

/** The size of the body in one element, and the largest body of v1. */
const ELEMENT_BODY_BYTES_MAX = 250;
/** The largest body of ESP-NOW v2. */
const BODY_BYTES_MAX = 1_470;
/** The size of an acknowledgement: destination, type and nothing more. */
export const ACK_BYTES = 14;

const FIXED_BYTES = 24 + 1 + 3 + 4 + 4;
const ELEMENT_HEADER_BYTES = 7;
const DSSS_PREAMBLE_US = 192;
const OFDM_PREAMBLE_US = 20;
const OFDM_SYMBOL_US = 4;
/** Service field and tail bits, which are coded with the frame. */
const OFDM_SERVICE_BITS = 22;
/** At 2.4 GHz, silence follows an OFDM frame, so that its SIFS can be as long as the SIFS of DSSS. */
const OFDM_EXTENSION_US = 6;

export interface Timing {
  readonly ofdm: boolean;
  readonly slotUs: number;
  readonly sifsUs: number;
  readonly difsUs: number;
  /** The first contention window: a back-off is 0 .. this many slots. */
  readonly contentionSlotsMin: number;
  readonly contentionSlotsMax: number;
  /** Other stations notice a transmission only after this time. Within it they may start to send too. */
  readonly senseUs: number;
  readonly ackRateMbps: RateMbps;
}

const DSSS = { ofdm: false, slotUs: 20, sifsUs: 10, difsUs: 50, contentionSlotsMin: 31, senseUs: 15 };
const OFDM = { ofdm: true, slotUs: 9, sifsUs: 10, difsUs: 28, contentionSlotsMin: 15, senseUs: 4 };
const CONTENTION_SLOTS_MAX = 1_023;

const TIMINGS: Readonly<Record<RateMbps, Timing>> = {
  1: { ...DSSS, contentionSlotsMax: CONTENTION_SLOTS_MAX, ackRateMbps: 1 },
  2: { ...DSSS, contentionSlotsMax: CONTENTION_SLOTS_MAX, ackRateMbps: 2 },
  11: { ...DSSS, contentionSlotsMax: CONTENTION_SLOTS_MAX, ackRateMbps: 2 },
  6: { ...OFDM, contentionSlotsMax: CONTENTION_SLOTS_MAX, ackRateMbps: 6 },
  24: { ...OFDM, contentionSlotsMax: CONTENTION_SLOTS_MAX, ackRateMbps: 24 },
  54: { ...OFDM, contentionSlotsMax: CONTENTION_SLOTS_MAX, ackRateMbps: 24 },
};

export function timing(rateMbps: RateMbps): Timing {
  return TIMINGS[rateMbps];
}

/** The size of the whole 802.11 frame that carries a body of `bodyBytes` bytes. */
export function frameBytes(bodyBytes: number): number {
  if (!(bodyBytes >= 0 && bodyBytes <= BODY_BYTES_MAX)) throw new Error("airtime: a body is 0 to 1,470 bytes");
  const elements = Math.max(1, Math.ceil(bodyBytes / ELEMENT_BODY_BYTES_MAX));
  return FIXED_BYTES + ELEMENT_HEADER_BYTES * elements + bodyBytes;
}

/** The time on air of a frame of `lengthBytes` bytes, with its frame check sequence. */
export function onAirUs(lengthBytes: number, rateMbps: RateMbps): number {
  const bits = 8 * lengthBytes;
  if (!TIMINGS[rateMbps].ofdm) return DSSS_PREAMBLE_US + Math.ceil(bits / rateMbps);
  const symbols = Math.ceil((OFDM_SERVICE_BITS + bits) / (OFDM_SYMBOL_US * rateMbps));
  return OFDM_PREAMBLE_US + OFDM_SYMBOL_US * symbols + OFDM_EXTENSION_US;
}

/** The time on air of the acknowledgement of a unicast frame that was sent at this rate. */
export function ackUs(rateMbps: RateMbps): number {
  return onAirUs(ACK_BYTES, TIMINGS[rateMbps].ackRateMbps);
}

/** DIFS and the mean back-off of a first attempt. Half a microsecond is possible. */
export function contentionUs(rateMbps: RateMbps): number {
  const { difsUs, slotUs, contentionSlotsMin } = TIMINGS[rateMbps];
  return difsUs + (slotUs * contentionSlotsMin) / 2;
}

/** The mean time from one frame start to the next, for a lone sender that always has a frame and loses none. */
export function cycleUs(bodyBytes: number, rateMbps: RateMbps, unicast: boolean): number {
  const once = contentionUs(rateMbps) + onAirUs(frameBytes(bodyBytes), rateMbps);
  return unicast ? once + TIMINGS[rateMbps].sifsUs + ackUs(rateMbps) : once;
}
