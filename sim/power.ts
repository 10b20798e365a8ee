/**
 * What a board draws from its battery (docs/power.md has the source of each figure).
 *
 * A board is in one of four states: deep sleep, booting (the processor works, the radio is off), listening (the radio is
 * on), transmitting. Flash that is programmed or erased adds its own current for as long as it takes. Charge is current
 * times time, summed over states; a battery's days are its capacity over the mean current and its self-discharge.
 *
 * Figures are those of the bare part at 3.3 V and 25 degrees: what else sits on a development board (regulator, USB
 * bridge, a lamp) is not in them, and decides where a board sleeps long. Computing while the radio is on counts as
 * listening. All batteries feed a linear regulator, so that a milliampere-hour of theirs is one of the board's.
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
  /** RAM is kept, the processor stands still. */
  readonly lightSleepMa: number;
  readonly bootMa: number;
  readonly listenMa: number;
  readonly transmitMa: number;
}

/** At 1 Mbit/s and full power; deep sleep with timer and RTC memory; the processor at 160 MHz. */
export const CHIPS: readonly Chip[] = [
  { name: "ESP32-C3", deepSleepMa: 0.005, lightSleepMa: 0.13, bootMa: 28, listenMa: 84, transmitMa: 335 },
  { name: "ESP32", deepSleepMa: 0.01, lightSleepMa: 0.8, bootMa: 44, listenMa: 100, transmitMa: 240 },
];
/** What is always there: a good linear regulator's own current. */
const REGULATOR_MA = 0.003;

const FLASH_MA = 25;
export const PROGRAM_FIRST_BYTE_US = 30;
export const PROGRAM_BYTE_US = 2.5;
export const ERASE_US = 45_000;

/** ROM, bootloader without a check of the image, IDF, XS: until main.ts runs. */
const START_US = 350_000;
/** Assumed for all of the project's figures. */
export const BYTECODES_PER_SECOND = 3_000_000;
/** A mount of 750 Drops, CRC native (`npm run bench -- xs`). */
const MOUNT_BYTECODES = 2_040_000;
/** What the first beacon says of them (docs/protocol.md, "Measured"). */
const FINGERPRINT_BYTECODES = 928_000;
/** Header, payload and trailer (modules/throwie/beacons.ts). */
const BEACON_BYTES = 14 + 69 + 2;
const MOUNT_FLASH_READ_US = 15_000;
const processorUs = (bytecodes: number): number => Math.ceil((bytecodes / BYTECODES_PER_SECOND) * 1e6);

/** From the wake-up until the radio is on, with a full store. */
export const BOOT_US = START_US + MOUNT_FLASH_READ_US + processorUs(MOUNT_BYTECODES);
/** From there to the first beacon: the radio is on before the node is made, for its chance. */
export const TUNE_IN_US = processorUs(FINGERPRINT_BYTECODES);

/** What a wake-up takes before the board listens. */
export interface Waking {
  /** The radio is off. */
  readonly bootUs: number;
  /** The radio is on. */
  readonly tuneInUs: number;
}

export const FROM_DEEP_SLEEP: Waking = { bootUs: BOOT_US, tuneInUs: TUNE_IN_US };
/** Wi-Fi starts anew; the rest is there, the first beacon too. */
export const FROM_LIGHT_SLEEP: Waking = { bootUs: 0, tuneInUs: 100_000 };

export interface Battery {
  readonly name: string;
  readonly capacityMah: number;
  /** Of the capacity, each month. */
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
  /** Awake, the time on air included. */
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

/** A round of a board whom nobody meets: `sweepPeriods` periods, the last of them with a sweep. */
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

/** What leaks away is a share of the whole capacity, so it adds to the current like a load. */
export function batteryDays(meanMa: number, battery: Battery): number {
  const leakMa = (battery.capacityMah * battery.selfDischargePerMonth) / (MONTH_DAYS * 24);
  return battery.capacityMah / (meanMa + leakMa) / 24;
}

/** From which time of sleep on deep sleep, which has to boot, costs less than light sleep, which has not. */
export function deepSleepPaysAfterS(chip: Chip): number {
  const bootMaUs =
    FROM_DEEP_SLEEP.bootUs * chip.bootMa + (FROM_DEEP_SLEEP.tuneInUs - FROM_LIGHT_SLEEP.tuneInUs) * chip.listenMa;
  return bootMaUs / (chip.lightSleepMa - chip.deepSleepMa) / 1e6;
}
