/**
 * What a simulation came to, in numbers: the document that `--json` prints (docs/simulator.md, "Report").
 *
 * A pair is one Drop and one node that wants it. It is delivered when that node has the whole Drop and has checked its
 * hash; its latency is the simulated time from creation until then. Percentiles are by nearest rank over the pairs
 * delivered, and null when there is none: no number stands for what did not happen.
 *
 * All but the percentiles are sums over the whole simulation and all nodes, those without power at the end included. It
 * holds no wall-clock time and nothing of the machine, so two runs of one seed print the same bytes.
 */
export interface Percentiles {
  p50: number | null;
  p90: number | null;
  p99: number | null;
}

export interface Report {
  scenario: string;
  seed: number;
  /** BLAKE3 of the whole history (trace.ts). */
  traceHash: string;
  simulatedSeconds: number;
  nodes: number;
  /** Drops that their authors' stores took. */
  created: number;
  /** Pairs, and those of them delivered. */
  wanted: number;
  delivered: number;
  latencySeconds: Percentiles;
  /** Whole 802.11 frames, acknowledgements included. */
  bytesOnAir: number;
  /** Transmissions of ESP-NOW frames, repetitions by the radio hardware included. */
  frames: number;
  retries: number;
  /** Summed over all stations: it may pass simulatedSeconds where stations do not hear each other. */
  airtimeSeconds: number;
  /** Frames lost to a station that another signal reached, or that was sending itself. */
  collisions: number;
  /** Frames lost on the way to a station that they were for, by cause. */
  lost: Record<string, number>;
  /** Contacts opened, each counted once at either end. */
  contacts: number;
  /** Drops taken from a peer. */
  transferred: number;
  evictions: number;
  /** Drops removed because their hash was not what they were announced as. */
  corrupt: number;
  /** Frames that the driver handed over twice. */
  duplicates: number;
  /** Frames that nodes already had: the link's own measure of waste. */
  repeats: number;
  crashes: number;
  /** The mean over the nodes that sleep, as ESP32-C3 boards, in milliamperes; null when none does. */
  sleepersMilliamperes: number | null;
  /** How long that is on each of the batteries (power.ts). */
  sleepersDays: Record<string, number> | null;
  /** Frames that nodes had no use for, by reason. */
  refusals: Record<string, number>;
}

/** The value of rank ceil(p/100 x n) in ascending order: always one that occurred. */
export function nearestRank(ascending: readonly number[], percent: number): number | null {
  if (ascending.length === 0) return null;
  const rank = Math.max(1, Math.ceil((percent * ascending.length) / 100));
  return ascending[rank - 1]!;
}

/** Of latencies in microseconds, in seconds. */
export function percentiles(latenciesUs: readonly number[]): Percentiles {
  const seconds = latenciesUs.map((us) => us / 1_000_000).sort((a, b) => a - b);
  return { p50: nearestRank(seconds, 50), p90: nearestRank(seconds, 90), p99: nearestRank(seconds, 99) };
}
