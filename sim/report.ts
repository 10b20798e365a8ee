/**
 * The results of a simulation in numbers: the document that `--json` prints (docs/simulator.md, "Report").
 *
 * A pair is one Drop and one node that wants it. The pair is delivered when that node has the whole Drop and has
 * checked its hash. Its latency is the simulated time from the creation of the Drop until then. Percentiles are by
 * nearest rank over the delivered pairs. They are null when there is no such pair: no number stands for something that
 * did not happen.
 *
 * All numbers but the percentiles are sums over the whole simulation and all nodes, with those that have no power at
 * the end. The report holds no wall-clock time and nothing about the machine, so two runs of one seed print the same
 * bytes.
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
  /** Drops that their authors' stores accepted. */
  created: number;
  /** `wanted`: the number of pairs. `delivered`: how many of them were delivered. */
  wanted: number;
  delivered: number;
  latencySeconds: Percentiles;
  /** In whole 802.11 frames, with acknowledgements. */
  bytesOnAir: number;
  /** Transmissions of ESP-NOW frames, with repetitions by the radio hardware. */
  frames: number;
  retries: number;
  /** Summed over all stations. Can be more than simulatedSeconds when stations do not hear each other. */
  airtimeSeconds: number;
  /** Frames lost because another signal reached the station, or because the station was sending itself. */
  collisions: number;
  /** Frames lost on the way to a station that they were for, by cause. */
  lost: Record<string, number>;
  /** Contacts opened, counted once at each end. */
  contacts: number;
  /** Drops received from a peer and stored. */
  transferred: number;
  evictions: number;
  /** Drops removed because their hash was not the announced hash. */
  corrupt: number;
  /** Frames that the driver handed over twice. */
  duplicates: number;
  /** Frames that nodes had already: the link's own measure of waste. */
  repeats: number;
  crashes: number;
  /** The mean current of the nodes that sleep, as ESP32-C3 boards, in milliamperes. Null when no node sleeps. */
  sleepersMilliamperes: number | null;
  /** How many days each battery lasts at that current (power.ts). */
  sleepersDays: Record<string, number> | null;
  /** Frames that nodes could not use, by reason. */
  refusals: Record<string, number>;
}

/** The value of rank ceil(p/100 x n) in ascending order. It is always a value that occurred. */
export function nearestRank(ascending: readonly number[], percent: number): number | null {
  if (ascending.length === 0) return null;
  const rank = Math.max(1, Math.ceil((percent * ascending.length) / 100));
  return ascending[rank - 1]!;
}

/** The percentiles, in seconds, of latencies in microseconds. */
export function percentiles(latenciesUs: readonly number[]): Percentiles {
  const seconds = latenciesUs.map((us) => us / 1_000_000).sort((a, b) => a - b);
  return { p50: nearestRank(seconds, 50), p90: nearestRank(seconds, 90), p99: nearestRank(seconds, 99) };
}
