/**
 * The charge that a board draws from its battery (docs/power.md gives the source of each figure).
 *
 * A board is in one of four states: deep sleep, booting (the processor works, the radio is off), listening (the radio
 * is on) and transmitting. Programming or erasing flash adds a current of its own while it lasts. Charge is current
 * times time, summed over the states. A battery's days are its capacity divided by the sum of the mean current and the
 * self-discharge.
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

export interface Chip {
  readonly name: string;
  readonly deepSleepMa: number;
  /** RAM is kept, the processor stops. */
  readonly lightSleepMa: number;
  readonly bootMa: number;
  readonly listenMa: number;
  readonly transmitMa: number;
}

/** At 1 Mbit/s and full power. Deep sleep keeps timer and RTC memory. The processor runs at 160 MHz. */
export const CHIPS: readonly Chip[] = [
  { name: "ESP32-C3", deepSleepMa: 0.005, lightSleepMa: 0.13, bootMa: 28, listenMa: 84, transmitMa: 335 },
  { name: "ESP32", deepSleepMa: 0.01, lightSleepMa: 0.8, bootMa: 44, listenMa: 100, transmitMa: 240 },
];
/** The current that always flows: that of a good linear regulator. */
const REGULATOR_MA = 0.003;

const FLASH_MA = 25;
export const PROGRAM_FIRST_BYTE_US = 30;
export const PROGRAM_BYTE_US = 2.5;
export const ERASE_US = 45_000;

/** From reset until main.ts runs: ROM, bootloader without a check of the image, IDF, XS. */
const START_US = 350_000;
/**
 * The speed of XS that all figures of the project assume: an ESP32-C3 at 160 MHz, 62 instructions for a bytecode, 1.3
 * cycles for an instruction (docs/firmware.md, "Budgets").
 */
export const BYTECODES_PER_SECOND = 2_000_000;
/** The cost of mounting 750 Drops, with native CRC (`npm run bench -- xs`). */
const MOUNT_BYTECODES = 2_870_000;
/** The cost of the fingerprint of 750 Drops for the first beacon, mixed natively (sim/processor.ts, `mixes`). */
const FINGERPRINT_BYTECODES = 49_000;
/** The size of a beacon: header, payload and trailer (modules/throwie/beacons.ts). */
const BEACON_BYTES = 14 + 69 + 2;
const MOUNT_FLASH_READ_US = 15_000;
const processorUs = (bytecodes: number): number => Math.ceil((bytecodes / BYTECODES_PER_SECOND) * 1e6);

/** The time from the wake-up until the radio is on, with a full store. */
export const BOOT_US = START_US + MOUNT_FLASH_READ_US + processorUs(MOUNT_BYTECODES);
/**
 * The time from then to the first beacon. The radio is on before the node is made, because it feeds the random numbers.
 */
export const TUNE_IN_US = processorUs(FINGERPRINT_BYTECODES);

/** The time of a wake-up before the board listens. */
export interface Waking {
  /** With the radio off. */
  readonly bootUs: number;
  /** With the radio on. */
  readonly tuneInUs: number;
}

export const FROM_DEEP_SLEEP: Waking = { bootUs: BOOT_US, tuneInUs: TUNE_IN_US };
/** Wi-Fi starts anew. Everything else is kept, and so is the first beacon. */
export const FROM_LIGHT_SLEEP: Waking = { bootUs: 0, tuneInUs: 100_000 };

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
  sleepUs = 0;
  bootUs = 0;
  /** The time awake, with the time on air. */
  listenUs = 0;
  transmitUs = 0;
  programs = 0;
  programmedBytes = 0;
  erases = 0;

  get totalUs(): number {
    return this.sleepUs + this.bootUs + this.listenUs;
  }

  flash(counters: Pick<NorFlashCounters, "programs" | "programmedBytes" | "erases">): void {
    this.programs = counters.programs;
    this.programmedBytes = counters.programmedBytes;
    this.erases = counters.erases;
  }
}

/** One round of a board that meets nobody: `sweepPeriods` periods, the last of them with a sweep. */
export function idleUsage(primeS: number, cycle: WakeCycle, { bootUs, tuneInUs }: Waking): Usage {
  const usage = new Usage();
  const periods = sweepPeriods(cycle);
  usage.bootUs = periods * bootUs;
  const heardUs = ((periods - 1) * WINDOW_MS + sweepMs(cycle)) * 1_000;
  usage.listenUs = heardUs + periods * tuneInUs;
  usage.sleepUs = periods * primeS * 1e6 - usage.bootUs - usage.listenUs;
  usage.transmitUs = (heardUs / (WAKING_BEACON_INTERVAL_MS * 1_000)) * onAirUs(frameBytes(BEACON_BYTES), 1);
  return usage;
}

export function chargeMah(usage: Usage, chip: Chip): number {
  const flashUs =
    usage.programs * PROGRAM_FIRST_BYTE_US + usage.programmedBytes * PROGRAM_BYTE_US + usage.erases * ERASE_US;
  const chargeMaUs =
    usage.totalUs * REGULATOR_MA +
    usage.sleepUs * chip.deepSleepMa +
    usage.bootUs * chip.bootMa +
    usage.listenUs * chip.listenMa +
    usage.transmitUs * (chip.transmitMa - chip.listenMa) +
    flashUs * FLASH_MA;
  return chargeMaUs / HOUR_US;
}

export function meanMilliamperes(usage: Usage, chip: Chip): number {
  return chargeMah(usage, chip) / (usage.totalUs / HOUR_US);
}

/** Self-discharge is a share of the whole capacity, so it adds to the current like a load. */
export function batteryDays(meanMa: number, battery: Battery): number {
  const leakMa = (battery.capacityMah * battery.selfDischargePerMonth) / (MONTH_DAYS * 24);
  return battery.capacityMah / (meanMa + leakMa) / 24;
}

/** The length of sleep from which deep sleep, which needs a boot, costs less than light sleep, which needs none. */
export function deepSleepPaysAfterS(chip: Chip): number {
  const bootMaUs =
    FROM_DEEP_SLEEP.bootUs * chip.bootMa + (FROM_DEEP_SLEEP.tuneInUs - FROM_LIGHT_SLEEP.tuneInUs) * chip.listenMa;
  return bootMaUs / (chip.lightSleepMa - chip.deepSleepMa) / 1e6;
}
