/**
 * What a builder may set: `config` in manifest.json, or `key=value` when building (docs/firmware.md, "Settings").
 *
 * Strict: a value that is not understood ends the start with a sentence that says what would be; channel and rate are the
 * radio's to refuse. `mcconfig` gives what stands on its command line as text.
 */
import type { PhyRate } from "../espnow/espnow.ts";
import { HALF_LIFE_MS_MAX } from "../temperature/temperature.ts";
import { WAKE_CYCLES, type WakeCycle } from "../throwie/wake-schedule.ts";

/** A mule never sleeps, for it is carried and charged; a dongle is a radio for a computer. */
export type Role = "throwie" | "mule" | "dongle";

export interface Settings {
  role: Role;
  channel: number;
  rate: PhyRate;
  halfLifeMs: number;
  /** Undefined: always awake. */
  wake: WakeCycle | undefined;
}

const DAY_MS = 86_400_000;
const ROLES: readonly Role[] = ["throwie", "mule", "dongle"];

export function settings(config: Record<string, unknown>): Settings {
  const halfLifeMs = Number(config.halfLifeDays) * DAY_MS;
  if (!(halfLifeMs >= DAY_MS && halfLifeMs <= HALF_LIFE_MS_MAX)) {
    throw new Error(
      `halfLifeDays is ${config.halfLifeDays}; it must be from 1 to ${Math.floor(HALF_LIFE_MS_MAX / DAY_MS)}`,
    );
  }
  const role = oneOf("role", config.role, ROLES);
  return {
    role,
    channel: Number(config.channel),
    rate: config.rate as PhyRate,
    halfLifeMs,
    wake: role === "throwie" ? wakeOf(config.wake) : undefined,
  };
}

function wakeOf(value: unknown): WakeCycle | undefined {
  if (value === "always") return undefined;
  for (const cycle of WAKE_CYCLES) if (String(cycle) === String(value)) return cycle;
  throw new Error(`wake is ${value}; it must be "always" or one of ${WAKE_CYCLES.join(", ")}`);
}

function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  for (const known of allowed) if (known === value) return known;
  throw new Error(`${name} is ${value}; it must be one of ${allowed.join(", ")}`);
}
