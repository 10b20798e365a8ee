/**
 * The simulator's figures are right only if its frames take the right time. These tests compare the 802.11 formula with
 * values computed by hand, and the simulated medium with the formula.
 */
import test from "ava";
import {
  ackUs,
  contentionUs,
  cycleUs,
  frameBytes,
  onAirUs,
  RATES_MBPS,
  type RateMbps,
  timing,
} from "../sim/airtime.ts";
import { Kernel } from "../sim/kernel.ts";
import { Fixed } from "../sim/mobility.ts";
import { Medium } from "../sim/radio.ts";
import { SeededRandom } from "../sim/random.ts";

const SEED = Number(process.env.SEED ?? 1);
const EVERYONE = new Uint8Array(6).fill(0xff);
/** Header 14, payload 210, trailer 2. */
const FRAME_BYTES = 226;
/** The frames of 750 Drops, ten for each. */
const FRAMES = 7_500;

/** Computed by hand: 226 + 43 = 269 bytes are 2,152 bits; 250 + 43 = 293 bytes are 2,344 bits. */
const BY_HAND: [
  rate: RateMbps,
  us226: number,
  us250: number,
  broadcast: number,
  unicast: number,
  s: [number, number],
][] = [
  [1, 2344, 2536, 2704, 3018, [20.3, 22.6]],
  [2, 1268, 1364, 1628, 1886, [12.2, 14.1]],
  [11, 388, 406, 748, 1006, [5.6, 7.5]],
  [6, 390, 422, 485.5, 545.5, [3.6, 4.1]],
  [24, 118, 126, 213.5, 257.5, [1.6, 1.9]],
  [54, 70, 70, 165.5, 209.5, [1.2, 1.6]],
];

test("a frame has 43 bytes beside its body, and a v2 body one more element header for each further 250 bytes", (t) => {
  for (const [body, frame] of [
    [0, 43],
    [1, 44],
    [226, 269],
    [250, 293],
    [251, 301],
    [1024, 36 + 35 + 1024],
    [1470, 36 + 42 + 1470],
  ] as const) {
    t.is(frameBytes(body), frame, `${body} bytes`);
  }
  t.throws(() => frameBytes(1471));
  t.throws(() => frameBytes(-1));
});

test("airtime, cycle and the time of 750 Drops are as computed by hand, at each rate", (t) => {
  t.deepEqual(
    BY_HAND.map(([rate]) => rate),
    [...RATES_MBPS],
  );
  for (const [rate, us226, us250, broadcast, unicast, [broadcastS, unicastS]] of BY_HAND) {
    t.is(onAirUs(frameBytes(FRAME_BYTES), rate), us226, `${rate} Mbit/s, 226 bytes`);
    t.is(onAirUs(frameBytes(250), rate), us250, `${rate} Mbit/s, 250 bytes`);
    t.is(cycleUs(FRAME_BYTES, rate, false), broadcast, `${rate} Mbit/s, broadcast`);
    t.is(cycleUs(FRAME_BYTES, rate, true), unicast, `${rate} Mbit/s, unicast`);
    t.is(Math.round((FRAMES * broadcast) / 1e5) / 10, broadcastS, `${rate} Mbit/s, 7,500 broadcast`);
    t.is(Math.round((FRAMES * unicast) / 1e5) / 10, unicastS, `${rate} Mbit/s, 7,500 unicast`);
  }
});

test("acknowledgements and contention take the times of the standard", (t) => {
  // The 14 bytes of an ACK are 112 bits: 192 + 112 us at 1 Mbit/s, and 192 + 56 us at 2 and 11 Mbit/s. With OFDM they
  // are 134 bits, in 6 symbols of 24 bits or in 2 symbols of 96.
  t.deepEqual(
    RATES_MBPS.map((rate) => ackUs(rate)),
    [304, 248, 248, 50, 34, 34],
  );
  t.is(contentionUs(1), 50 + 310);
  t.is(contentionUs(24), 28 + 67.5);
  for (const rate of RATES_MBPS) {
    const { sifsUs, difsUs, slotUs, senseUs } = timing(rate);
    t.is(difsUs, sifsUs + 2 * slotUs, "DIFS is SIFS and two slots");
    t.true(senseUs < slotUs, "stations notice a start within the slot");
    t.true(sifsUs + senseUs < difsUs, "an acknowledgement is on air before another station may start");
  }
});

function meanCycleUs(rateMbps: RateMbps, unicast: boolean): number {
  const kernel = new Kernel();
  const medium = new Medium(kernel, new SeededRandom(SEED, "airtime"), { rateMbps, rangeM: 50 });
  const sender = medium.add(new Fixed(0, 0));
  const sink = medium.add(new Fixed(10, 0));
  const frame = new Uint8Array(FRAME_BYTES);
  const to = unicast ? sink.address : EVERYONE;
  sender.handlers.onRoom = () => {
    while (sender.send(frame, frame.length, to));
  };
  sender.handlers.onRoom();
  let received = 0;
  sink.handlers.onFrame = () => received++;
  const limitUs = 2_000 * cycleUs(FRAME_BYTES, rateMbps, unicast);
  kernel.run(Math.ceil(limitUs));
  return limitUs / received;
}

test("a lone sender on the medium takes the time that the formula says", (t) => {
  for (const rate of RATES_MBPS) {
    for (const unicast of [false, true]) {
      const ratio = meanCycleUs(rate, unicast) / cycleUs(FRAME_BYTES, rate, unicast);
      // The mean of 2,000 back-offs deviates by 4 us or less at any rate. That is 2.5 % of the shortest cycle.
      t.true(Math.abs(ratio - 1) < 0.025, `${rate} Mbit/s, unicast ${unicast}, SEED=${SEED}: ratio ${ratio}`);
    }
  }
});
