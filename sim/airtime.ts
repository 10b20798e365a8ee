/**
 * How long 802.11 occupies the air with an ESP-NOW frame (docs/simulator.md, "Airtime").
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
 * so n + 43 bytes for a body that v1 can carry. On air, in microseconds, of L bytes at R Mbit/s:
 *
 *     DSSS (1, 2, 11), long preamble   192 + ceil(8 L / R)
 *     OFDM (6, 24, 54)                 20 + 4 ceil((22 + 8 L) / (4 R)) + 6
 *
 * Before it stand DIFS and a back-off of 0 .. CW slots; after a unicast frame SIFS and an acknowledgement of 14 bytes
 * at the highest mandatory rate that is no faster. Sources: IEEE 802.11-2020 clauses 10.3, 15 and 18; ESP-NOW's frame
 * in Espressif's programming guide. test/airtime.test.ts holds all of it against values computed by hand.
 *
 * Pure tables and arithmetic; nothing here draws a number or knows a station.
 */

export type RateMbps = 1 | 2 | 11 | 6 | 24 | 54;
export const RATES_MBPS: readonly RateMbps[] = [1, 2, 11, 6, 24, 54];

/** What one element carries, and all that v1 can. */
export const ELEMENT_BODY_BYTES_MAX = 250;
/** ESP-NOW v2. */
export const BODY_BYTES_MAX = 1_470;
/** Destination, type and nothing more. */
export const ACK_BYTES = 14;

const FIXED_BYTES = 24 + 1 + 3 + 4 + 4;
const ELEMENT_HEADER_BYTES = 7;
const DSSS_PREAMBLE_US = 192;
const OFDM_PREAMBLE_US = 20;
const OFDM_SYMBOL_US = 4;
/** Service field and tail, which are coded with the frame. */
const OFDM_SERVICE_BITS = 22;
/** 2.4 GHz: silence after an OFDM frame, so that its SIFS can be as long as that of DSSS. */
const OFDM_EXTENSION_US = 6;

export interface Timing {
  readonly ofdm: boolean;
  readonly slotUs: number;
  readonly sifsUs: number;
  readonly difsUs: number;
  /** The first contention window: a back-off is 0 .. this many slots. */
  readonly contentionSlotsMin: number;
  readonly contentionSlotsMax: number;
  /** A transmission is noticed by others only after so long: within it they may start too. */
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

/** Bytes of the whole 802.11 frame that carries a body of so many bytes. */
export function frameBytes(bodyBytes: number): number {
  if (!(bodyBytes >= 0 && bodyBytes <= BODY_BYTES_MAX)) throw new Error("airtime: a body is 0 to 1,470 bytes");
  const elements = Math.max(1, Math.ceil(bodyBytes / ELEMENT_BODY_BYTES_MAX));
  return FIXED_BYTES + ELEMENT_HEADER_BYTES * elements + bodyBytes;
}

/** Microseconds on air of a frame of so many bytes, its frame check sequence included. */
export function onAirUs(lengthBytes: number, rateMbps: RateMbps): number {
  const bits = 8 * lengthBytes;
  if (!TIMINGS[rateMbps].ofdm) return DSSS_PREAMBLE_US + Math.ceil(bits / rateMbps);
  const symbols = Math.ceil((OFDM_SERVICE_BITS + bits) / (OFDM_SYMBOL_US * rateMbps));
  return OFDM_PREAMBLE_US + OFDM_SYMBOL_US * symbols + OFDM_EXTENSION_US;
}

/** Microseconds on air of the acknowledgement of a unicast frame that was sent at this rate. */
export function ackUs(rateMbps: RateMbps): number {
  return onAirUs(ACK_BYTES, TIMINGS[rateMbps].ackRateMbps);
}

/** DIFS and the mean back-off of a first attempt; a half microsecond is possible. */
export function contentionUs(rateMbps: RateMbps): number {
  const { difsUs, slotUs, contentionSlotsMin } = TIMINGS[rateMbps];
  return difsUs + (slotUs * contentionSlotsMin) / 2;
}

/** The mean time from one frame start to the next, of a lone sender that always has a frame and loses none. */
export function cycleUs(bodyBytes: number, rateMbps: RateMbps, unicast: boolean): number {
  const once = contentionUs(rateMbps) + onAirUs(frameBytes(bodyBytes), rateMbps);
  return unicast ? once + TIMINGS[rateMbps].sifsUs + ackUs(rateMbps) : once;
}
