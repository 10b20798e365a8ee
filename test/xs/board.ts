/**
 * The simulator knows how long frames take on the air, but not how long a board computes. Here a node's work is metered
 * in XS bytecodes, and the bytecodes become simulated time.
 *
 * Two boards of the simulator (sim/) meet. Each has a processor of BYTECODES_PER_SECOND, and flash whose programs and
 * erases take as long as on a real chip. Radio, flash and random numbers are native code on a board, so they are not
 * metered. CRCs are native too: bench/xs.ts leaves them out of the bundle.
 *
 * This file runs only on XS as @agoric/xsnap builds it. The `resetMeter` of that build reads and sets the meter from
 * inside a script.
 */
import { dropId, shortIdHigh, shortIdLow } from "../../modules/drop/drop.ts";
import { Store } from "../../modules/store/store.ts";
import { freshKey } from "../../modules/temperature/temperature.ts";
import { cycleUs } from "../../sim/airtime.ts";
import { Kernel } from "../../sim/kernel.ts";
import { Fixed } from "../../sim/mobility.ts";
import { type Processor, SimNode, type SimObserver } from "../../sim/node.ts";
import { NorFlash } from "../../sim/nor-flash.ts";
import {
  BYTECODES_PER_SECOND,
  CHIPS,
  chargeMah,
  ERASE_US,
  PROGRAM_BYTE_US,
  PROGRAM_FIRST_BYTE_US,
} from "../../sim/power.ts";
import { bytecodesOf } from "../../sim/processor.ts";
import { Medium } from "../../sim/radio.ts";
import { SeededRandom } from "../../sim/random.ts";
import { insertion } from "../insertion.ts";

declare function resetMeter(limit: number, bytecodes: number): number;

const MICROSECONDS = 1_000_000;

const DROPS_SHARED = 700;
const DROPS_GIVEN = 50;
const DROP_BYTES = 2_048;
const FRAMES_PER_DROP = 10;
const FRAME_BYTES = 226;
/** The frames that modules/espnow queues for the air. */
const TX_QUEUE_FRAMES = 2;
const CONTACT_US_MAX = 60 * MICROSECONDS;

function unmetered<T>(native: () => T): T {
  const bytecodes = resetMeter(0, 0);
  try {
    return native();
  } finally {
    resetMeter(0, bytecodes);
  }
}

/** NOR flash behind a native driver, which waits until the chip is done. */
class TimedFlash extends NorFlash {
  busyUs = 0;

  override read(address: number, into: Uint8Array, offset: number, lengthBytes: number): void {
    unmetered(() => super.read(address, into, offset, lengthBytes));
  }

  override program(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean {
    this.busyUs += Math.ceil(PROGRAM_FIRST_BYTE_US + PROGRAM_BYTE_US * lengthBytes);
    return unmetered(() => super.program(address, bytes, offset, lengthBytes));
  }

  override eraseSector(sector: number): boolean {
    this.busyUs += ERASE_US;
    return unmetered(() => super.eraseSector(sector));
  }
}

/** What a board spent. The longest values are those of one piece of work, during which the board ignores its radio. */
export interface Spent {
  bytecodes: number;
  /** What sim/processor.ts says that the same work costs. */
  modelled: number;
  /** The charge that an ESP32-C3 takes from its battery (sim/power.ts). */
  chargeMah: number;
  flashUs: number;
  bytecodesLongest: number;
  busyUsLongest: number;
}

/** The world that both boards share. */
interface TimedWorld {
  kernel: Kernel;
  medium: Medium;
  observer: SimObserver;
  flashWaits: boolean;
  seed: number;
}

const NOTHING: Spent = {
  bytecodes: 0,
  modelled: 0,
  chargeMah: 0,
  flashUs: 0,
  bytecodesLongest: 0,
  busyUsLongest: 0,
};

class TimedBoard {
  readonly flash = new TimedFlash();
  readonly node: SimNode;
  spent: Spent = { ...NOTHING };

  constructor(name: string, x: number, { kernel, medium, observer, flashWaits, seed }: TimedWorld) {
    this.#flashWaits = flashWaits;
    const random = new SeededRandom(seed, name);
    const station = medium.add(new Fixed(x, 0));
    const send = station.send.bind(station);
    station.send = (frame, lengthBytes, to) => unmetered(() => send(frame, lengthBytes, to));
    const fill = random.fill.bind(random);
    random.fill = (bytes) => unmetered(() => fill(bytes));
    this.node = new SimNode({
      ...{ name, role: "throwie", kernel, medium, station, flash: this.flash, random, capacity: 750, observer },
      ...{ beaconIntervalMs: undefined, halfLifeMs: undefined, cast: undefined, processor: this.#processor },
    });
  }

  readonly #flashWaits: boolean;
  #chargedMah = 0;

  /** Returns what the board spent since the last call, and counts from 0 again. */
  account(): Spent {
    const { spent } = this;
    spent.chargeMah = this.charge();
    this.spent = { ...NOTHING };
    return spent;
  }

  /** The charge in milliampere-hours since the last call. */
  charge(): number {
    const before = this.#chargedMah;
    this.#chargedMah = chargeMah(this.node.usage(), CHIPS[0]!);
    return this.#chargedMah - before;
  }

  readonly #processor: Processor = (work) => {
    const { spent, flash } = this;
    flash.busyUs = 0;
    const { throwie } = this.node;
    if (throwie !== undefined) spent.modelled -= bytecodesOf(throwie);
    resetMeter(0, 0);
    work();
    const bytecodes = resetMeter(0, 0);
    if (throwie !== undefined) spent.modelled += bytecodesOf(throwie);
    const computedUs = Math.ceil((bytecodes * MICROSECONDS) / BYTECODES_PER_SECOND);
    const busyUs = computedUs + (this.#flashWaits ? flash.busyUs : 0);
    spent.bytecodes += bytecodes;
    spent.flashUs += flash.busyUs;
    spent.bytecodesLongest = Math.max(spent.bytecodesLongest, bytecodes);
    spent.busyUsLongest = Math.max(spent.busyUsLongest, busyUs);
    return busyUs;
  };
}

/** Stores Drops that no node verifies again: they are marked as verified, under random short ids. */
function fill(flash: NorFlash, drops: number): void {
  const store = new Store(flash);
  store.mount();
  const random = new SeededRandom(2, "shared");
  const drop = new Uint8Array(DROP_BYTES);
  random.fill(drop);
  for (let i = 0; i < drops; i++) {
    store.insert(insertion(random.u32(), random.u32(), drop, { lengthBytes: DROP_BYTES, heatKey: freshKey(0) }));
    store.markVerified(store.lastSlot);
  }
  store.checkpoint(0);
}

/** Stores different Drops under their own short ids, marked as verified. */
function give(flash: NorFlash, drops: number): void {
  const store = new Store(flash);
  store.mount();
  const random = new SeededRandom(3, "given");
  const drop = new Uint8Array(DROP_BYTES);
  for (let i = 0; i < drops; i++) {
    random.fill(drop);
    const id = dropId(drop);
    store.insert(insertion(shortIdLow(id), shortIdHigh(id), drop, { lengthBytes: DROP_BYTES, heatKey: freshKey(0) }));
    store.markVerified(store.lastSlot);
  }
  store.checkpoint(0);
}

export interface ContactCost {
  /** What both spent until the last Drop was stored and the contact closed. */
  giver: Spent;
  taker: Spent;
  /** From the first OPEN until the giver knows which Drops the taker lacks. */
  setUpUs: number;
  /** From the end of the set-up until the last Drop was stored. */
  transferUs: number;
  /** The air time that the frames of the transfer need at least. */
  boundUs: number;
  /** What the taker spent to verify the received Drops, after the giver was gone. */
  verification: Spent;
  verificationUs: number;
}

/**
 * One board gives 50 Drops of the largest size to another, and both have 700 other Drops. The air is clear, at 1
 * Mbit/s, and no other node is near. Without `flashWaits` the flash takes no time, so that only the processor's time
 * remains.
 */
export function contactOfFifty(flashWaits: boolean, seed: number): ContactCost {
  const kernel = new Kernel();
  const medium = new Medium(kernel, new SeededRandom(seed, "radio"), {
    rateMbps: 1,
    rangeM: 80,
    txQueueFrames: TX_QUEUE_FRAMES,
  });
  let reconciledUs = 0;
  let storedUs = 0;
  const observer: SimObserver = {
    reconciled: () => {
      reconciledUs = kernel.nowUs;
    },
    dropStored: () => {
      storedUs = kernel.nowUs;
    },
  };
  const world = { kernel, medium, observer, flashWaits, seed };
  const giver = new TimedBoard("giver", 0, world);
  const taker = new TimedBoard("taker", 40, world);
  for (const { flash } of [giver, taker]) fill(flash, DROPS_SHARED);
  give(giver.flash, DROPS_GIVEN);
  for (const { node } of [giver, taker]) node.start();
  const until = (done: () => boolean): number => {
    while (!done() && kernel.nowUs < CONTACT_US_MAX) kernel.run(kernel.nowUs + 1_000);
    return kernel.nowUs;
  };
  const contacts = (): number => giver.node.throwie!.contacts + taker.node.throwie!.contacts;
  const count = (): number => taker.node.throwie!.store.count;
  for (const board of [giver, taker]) board.account();
  const openedUs = until(() => contacts() > 0);
  for (const board of [giver, taker]) board.charge();
  until(() => count() === DROPS_SHARED + DROPS_GIVEN && contacts() === 0);
  if (contacts() > 0) throw new Error(`the contact did not end: the taker has ${count()} Drops`);
  const contact = { giver: giver.account(), taker: taker.account() };
  giver.node.crash();
  const aloneUs = kernel.nowUs;
  const verifiedUs = until(() => taker.node.throwie!.unverified === 0);
  return {
    ...contact,
    setUpUs: reconciledUs - openedUs,
    transferUs: storedUs - reconciledUs,
    boundUs: DROPS_GIVEN * FRAMES_PER_DROP * cycleUs(FRAME_BYTES, 1, false),
    verification: taker.account(),
    verificationUs: verifiedUs - aloneUs,
  };
}
