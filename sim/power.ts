/**
 * The charge that a board draws from its battery (docs/power.md gives the source of each figure).
 *
 * A board is in one of five states: deep sleep, light sleep, booting (the processor works, the radio is off), listening
 * (the radio is on) and transmitting. Programming or erasing flash adds a current of its own while it lasts. Charge is
 * current times time, summed over the states. A battery's days are its capacity divided by the sum of the mean current
 * and the self-discharge.
 *
 * The figures are for the bare part at 3.3 V and 25 degrees. The other parts of a development board (regulator, USB
 * bridge, a lamp) are not included; they matter most for a board that sleeps long. Computing while the radio is on
 * counts as listening. All batteries feed a linear regulator, so a milliampere-hour from a battery is a
 * milliampere-hour for the board.
 */
import {
  sweepMs,
  sweepPeriods,
  WAKING_BEACON_INTERVAL_MS,
  type WakeCycle,
  WINDOW_MS,
} from "../modules/throwie/wake-schedule.ts";
import { frameBytes, onAirUs } from "./airtime.ts";
import type { NorFlashCounters } from "./nor-flash.ts";

export type ClockMhz = 80 | 160 | 240;
/** The clock of a board whose builder chose none (modules/board/settings.ts). */
export const CLOCK_MHZ = 160;

export interface Chip {
  readonly name: string;
  readonly deepSleepMa: number;
  /** RAM is kept, the processor stops. */
  readonly lightSleepMa: number;
  /** Computing with the radio off, at each clock of the processor that the chip has. */
  readonly computeMa: Partial<Record<ClockMhz, number>>;
  /** At CLOCK_MHZ. */
  readonly listenMa: number;
  readonly transmitMa: number;
}

/** At 1 Mbit/s and full power. Deep sleep keeps timer and RTC memory. */
export const CHIPS: readonly Chip[] = [
  {
    ...{ name: "ESP32-C3", deepSleepMa: 0.005, lightSleepMa: 0.13, listenMa: 84, transmitMa: 335 },
    computeMa: { 80: 22, 160: 28 },
  },
  {
    ...{ name: "ESP32", deepSleepMa: 0.01, lightSleepMa: 0.8, listenMa: 100, transmitMa: 240 },
    computeMa: { 80: 31, 160: 44, 240: 68 },
  },
];
/** The current that always flows: that of a good linear regulator. */
const REGULATOR_MA = 0.003;

const FLASH_MA = 25;
export const PROGRAM_FIRST_BYTE_US = 30;
export const PROGRAM_BYTE_US = 2.5;
export const ERASE_US = 45_000;

/** From reset until main.ts runs: ROM, bootloader without a check of the image, IDF, XS. */
const START_US = 350_000;
/** From `esp_wifi_init` until the radio listens, if the calibration was kept (docs/power.md, "Currents"). */
const WIFI_START_US = 50_000;
/**
 * The speed of XS that all figures of the project assume: an ESP32-C3 at 160 MHz, 62 instructions for a bytecode, 1.3
 * cycles for an instruction (docs/firmware.md, "Budgets").
 */
export const BYTECODES_PER_SECOND = 2_000_000;
/** The cost of mounting 750 Drops, with native CRC (`npm run bench -- xs`). */
const MOUNT_BYTECODES = 2_870_000;
/** The cost of making a node of 750 Drops: after a deep sleep, and without a state that was retained. */
const RESUME_BYTECODES = 277_000;
const BEGIN_BYTECODES = 328_000;
/** The size of a beacon: header, payload and trailer (modules/throwie/beacons.ts). */
const BEACON_BYTES = 14 + 69 + 2;
const MOUNT_FLASH_READ_US = 15_000;

/** With the processor at another clock, a bytecode takes as many cycles. */
function processorUs(bytecodes: number, clock: ClockMhz): number {
  return Math.ceil((bytecodes / BYTECODES_PER_SECOND) * (CLOCK_MHZ / clock) * 1e6);
}

/** The time of a wake-up before the board listens, with a full store. */
export interface Waking {
  /** With the radio off. */
  readonly bootUs: number;
  /** With the radio on. It is on before the node is made, because it feeds the random numbers. */
  readonly tuneInUs: number;
}

function booting(nodeBytecodes: number, clock: ClockMhz): Waking {
  return {
    bootUs: START_US + MOUNT_FLASH_READ_US + processorUs(MOUNT_BYTECODES, clock),
    tuneInUs: WIFI_START_US + processorUs(nodeBytecodes, clock),
  };
}

export function fromDeepSleep(clock: ClockMhz = CLOCK_MHZ): Waking {
  return booting(RESUME_BYTECODES, clock);
}

export const FROM_POWER = booting(BEGIN_BYTECODES, CLOCK_MHZ);
/** Wi-Fi starts anew. Everything else is kept. */
export const FROM_LIGHT_SLEEP: Waking = { bootUs: 0, tuneInUs: WIFI_START_US };

export interface Battery {
  readonly name: string;
  readonly capacityMah: number;
  /** Share of the capacity that is lost each month. */
  readonly selfDischargePerMonth: number;
}

export const BATTERIES: readonly Battery[] = [
  { name: "18650 Li-ion", capacityMah: 3_000 * 0.9, selfDischargePerMonth: 0.03 },
  { name: "3 x AA lithium", capacityMah: 3_000, selfDischargePerMonth: 0.001 },
];
const MONTH_DAYS = 30;
const HOUR_US = 3_600_000_000;

/** How long a board was in each state, and what its flash did. */
export class Usage {
  /** Deep sleep. */
  sleepUs = 0;
  lightSleepUs = 0;
  bootUs = 0;
  /** The time awake, with the time on air. */
  listenUs = 0;
  transmitUs = 0;
  programs = 0;
  programmedBytes = 0;
  erases = 0;

  get totalUs(): number {
    return this.sleepUs + this.lightSleepUs + this.bootUs + this.listenUs;
  }

  flash(counters: Pick<NorFlashCounters, "programs" | "programmedBytes" | "erases">): void {
    this.programs = counters.programs;
    this.programmedBytes = counters.programmedBytes;
    this.erases = counters.erases;
  }
}

/**
 * One round of a board that meets nobody: `sweepPeriods` periods, the last of them with a sweep. A board that sleeps
 * lightly sleeps deeply once, after the sweep.
 */
export function idleUsage(primeS: number, cycle: WakeCycle, sleep: "deep" | "light", clock?: ClockMhz): Usage {
  const usage = new Usage();
  const { bootUs, tuneInUs } = fromDeepSleep(clock);
  const periods = sweepPeriods(cycle);
  const light = sleep === "light" ? periods - 1 : 0;
  usage.bootUs = (periods - light) * bootUs;
  const heardUs = ((periods - 1) * WINDOW_MS + sweepMs(cycle)) * 1_000;
  usage.listenUs = heardUs + (periods - light) * tuneInUs + light * FROM_LIGHT_SLEEP.tuneInUs;
  const sleepUs = periods * primeS * 1e6 - usage.bootUs - usage.listenUs;
  usage.lightSleepUs = (sleepUs * light) / periods;
  usage.sleepUs = sleepUs - usage.lightSleepUs;
  usage.transmitUs = (heardUs / (WAKING_BEACON_INTERVAL_MS * 1_000)) * onAirUs(frameBytes(BEACON_BYTES), 1);
  return usage;
}

export function chargeMah(usage: Usage, chip: Chip, clock: ClockMhz = CLOCK_MHZ): number {
  const computeMa = chip.computeMa[clock]!;
  // Assumed: while the radio is on, another clock changes the current by as much as it does while the radio is off.
  const listenMa = chip.listenMa + computeMa - chip.computeMa[CLOCK_MHZ]!;
  const flashUs =
    usage.programs * PROGRAM_FIRST_BYTE_US + usage.programmedBytes * PROGRAM_BYTE_US + usage.erases * ERASE_US;
  const chargeMaUs =
    usage.totalUs * REGULATOR_MA +
    usage.sleepUs * chip.deepSleepMa +
    usage.lightSleepUs * chip.lightSleepMa +
    usage.bootUs * computeMa +
    usage.listenUs * listenMa +
    usage.transmitUs * (chip.transmitMa - chip.listenMa) +
    flashUs * FLASH_MA;
  return chargeMaUs / HOUR_US;
}

export function meanMilliamperes(usage: Usage, chip: Chip, clock?: ClockMhz): number {
  return chargeMah(usage, chip, clock) / (usage.totalUs / HOUR_US);
}

/** Self-discharge is a share of the whole capacity, so it adds to the current like a load. */
export function batteryDays(meanMa: number, battery: Battery): number {
  const leakMa = (battery.capacityMah * battery.selfDischargePerMonth) / (MONTH_DAYS * 24);
  return battery.capacityMah / (meanMa + leakMa) / 24;
}

/** The length of sleep from which deep sleep, which needs a boot, costs less than light sleep, which needs none. */
export function deepSleepPaysAfterS(chip: Chip): number {
  const { bootUs, tuneInUs } = fromDeepSleep();
  const bootMaUs = bootUs * chip.computeMa[CLOCK_MHZ]! + (tuneInUs - FROM_LIGHT_SLEEP.tuneInUs) * chip.listenMa;
  return bootMaUs / (chip.lightSleepMa - chip.deepSleepMa) / 1e6;
}
