/**
 * The settings of a board: `config` in manifest.json, `key=value` when building, and what an operator wrote into the
 * board's settings partition (docs/firmware.md, "Settings").
 *
 * Strict: a value that is not understood is refused with a sentence that names the valid values. This is the one
 * validator. A board runs this code, a builder's machine before a build (hosts/firmware/configuration.ts), and the page
 * of a release beside its form. `mcconfig` and the partition give all values as text.
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
  /** What the board's log calls the board. Empty: the board has no name. */
  name: string;
  channel: number;
  rate: PhyRate;
  halfLifeMs: number;
  /** Undefined: the board is always awake. */
  wake: WakeCycle | undefined;
  /** A dongle's line to its computer. The board's manifest in targets/ says which line the board has. */
  port: "uart" | "usb";
  baud: number;
  /** The clock of the processor. A builder's machine checks that the chip goes so fast. */
  cpuMhz: number;
}

const DAY_MS = 86_400_000;
/** On a much slower line, a window of frames takes longer than the silence of a dead line. */
const BAUD_MIN = 115_200;
/** The fastest that the ESP32's UART goes. */
const BAUD_MAX = 5_000_000;
/** Wi-Fi needs the slowest of these clocks. */
export const CPU_CLOCKS_MHZ: readonly number[] = [80, 160, 240];
const ROLES: readonly Role[] = ["throwie", "mule", "dongle"];

/** The longest name of a board, in characters: two words, and short enough for a line of the log. */
const NAME_CHARACTERS_MAX = 32;

const PRINTABLE = "letters, digits, signs and spaces of ASCII";

/** For each setting, the value as the firmware uses it. Throws an Error of one sentence for any other value. */
const READ = {
  role: (value: unknown) => oneOf("role", value, ROLES),
  name: nameOf,
  channel: (value: unknown) => whole("channel", value, 1, CHANNEL_MAX),
  rate: (value: unknown) => oneOf("rate", value, PHY_RATES),
  halfLifeDays: halfLifeMsOf,
  wake: wakeOf,
  port: (value: unknown) => oneOf("port", value, ["uart", "usb"] as const),
  baud: (value: unknown) => whole("baud", value, BAUD_MIN, BAUD_MAX),
  cpu: cpuMhzOf,
};

/** The settings of a build, in the order in which a board says them. */
export const SETTING_KEYS = Object.keys(READ);

/** What an operator may set without a build. The other settings are the image's own. */
export const OPERATOR_KEYS = ["channel", "halfLifeDays", "name", "rate", "wake"] as const;
export type OperatorKey = (typeof OPERATOR_KEYS)[number];

/** The sentence that refuses this value of a setting. Empty: the board takes the value. */
export function faultOf(key: OperatorKey, value: string): string {
  try {
    READ[key](value);
  } catch (error) {
    return (error as Error).message;
  }
  // A number may stand among spaces that are not of ASCII, which no line of settings may hold.
  return isPrintable(value) ? "" : `${key} is ${value}; it must be ${PRINTABLE}`;
}

export function settings(config: Record<string, unknown>): Settings {
  const role = READ.role(config.role);
  const wake = READ.wake(config.wake);
  return {
    role,
    name: READ.name(config.name),
    channel: READ.channel(config.channel),
    rate: READ.rate(config.rate),
    halfLifeMs: READ.halfLifeDays(config.halfLifeDays),
    wake: role === "throwie" ? wake : undefined,
    port: READ.port(config.port),
    baud: READ.baud(config.baud),
    cpuMhz: READ.cpu(config.cpu),
  };
}

function halfLifeMsOf(days: unknown): number {
  // 1.1 times a day is no whole number in binary, and `heatTime` takes whole milliseconds.
  const halfLifeMs = Math.round(Number(days) * DAY_MS);
  if (halfLifeMs >= DAY_MS && halfLifeMs <= HALF_LIFE_MS_MAX) return halfLifeMs;
  throw new Error(`halfLifeDays is ${days}; it must be from 1 to ${Math.floor(HALF_LIFE_MS_MAX / DAY_MS)}`);
}

function nameOf(value: unknown): string {
  const name = String(value);
  if (name.length <= NAME_CHARACTERS_MAX && isPrintable(name)) return name;
  throw new Error(`name is ${name}; it must be at most ${NAME_CHARACTERS_MAX} ${PRINTABLE}`);
}

/** Whether a text has only what the log and the settings partition may hold. */
export function isPrintable(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
}

function cpuMhzOf(value: unknown): number {
  for (const mhz of CPU_CLOCKS_MHZ) if (String(mhz) === String(value)) return mhz;
  throw new Error(`cpu is ${value}; it must be one of ${CPU_CLOCKS_MHZ.join(", ")}`);
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
