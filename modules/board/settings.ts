/**
 * The settings of a builder: `config` in manifest.json, or `key=value` when building (docs/firmware.md, "Settings").
 *
 * Strict: a value that is not understood stops the start, with a sentence that names the valid values. The builder's
 * machine runs this code before the build (hosts/firmware/configuration.ts). `mcconfig` gives the values from its
 * command line as text.
 */
import { CHANNEL_MAX, PHY_RATES, type PhyRate } from "../espnow/phy.ts";
import { HALF_LIFE_MS_MAX } from "../temperature/temperature.ts";
import { WAKE_CYCLES, type WakeCycle } from "../throwie/wake-schedule.ts";

/**
 * A throwie is a fixed board. A mule is carried and charged, so it never sleeps. A dongle is a radio for a computer.
 */
export type Role = "throwie" | "mule" | "dongle";

export interface Settings {
  role: Role;
  channel: number;
  rate: PhyRate;
  halfLifeMs: number;
  /** Undefined: the board is always awake. */
  wake: WakeCycle | undefined;
  /** A dongle's line to its computer. The board's manifest in targets/ says which line the board has. */
  port: "uart" | "usb";
  baud: number;
}

const DAY_MS = 86_400_000;
/** On a much slower line, a window of frames takes longer than the silence of a dead line. */
const BAUD_MIN = 115_200;
/** The fastest that the ESP32's UART goes. */
const BAUD_MAX = 5_000_000;
const ROLES: readonly Role[] = ["throwie", "mule", "dongle"];

export function settings(config: Record<string, unknown>): Settings {
  // 1.1 times a day is no whole number in binary, and `heatTime` takes whole milliseconds.
  const halfLifeMs = Math.round(Number(config.halfLifeDays) * DAY_MS);
  if (!(halfLifeMs >= DAY_MS && halfLifeMs <= HALF_LIFE_MS_MAX)) {
    throw new Error(
      `halfLifeDays is ${config.halfLifeDays}; it must be from 1 to ${Math.floor(HALF_LIFE_MS_MAX / DAY_MS)}`,
    );
  }
  const role = oneOf("role", config.role, ROLES);
  const wake = wakeOf(config.wake);
  return {
    role,
    channel: whole("channel", config.channel, 1, CHANNEL_MAX),
    rate: oneOf("rate", config.rate, PHY_RATES),
    halfLifeMs,
    wake: role === "throwie" ? wake : undefined,
    port: oneOf("port", config.port, ["uart", "usb"]),
    baud: whole("baud", config.baud, BAUD_MIN, BAUD_MAX),
  };
}

function wakeOf(value: unknown): WakeCycle | undefined {
  if (value === "always") return undefined;
  for (const cycle of WAKE_CYCLES) if (String(cycle) === String(value)) return cycle;
  throw new Error(`wake is ${value}; it must be "always" or one of ${WAKE_CYCLES.join(", ")}`);
}

function whole(name: string, value: unknown, min: number, max: number): number {
  const number = Number(value);
  if (number >= min && number <= max && Math.floor(number) === number) return number;
  throw new Error(`${name} is ${value}; it must be a whole number from ${min} to ${max}`);
}

function oneOf<T extends string>(name: string, value: unknown, allowed: readonly T[]): T {
  for (const known of allowed) if (known === value) return known;
  throw new Error(`${name} is ${value}; it must be one of ${allowed.join(", ")}`);
}
