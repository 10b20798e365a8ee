/**
 * The firmware needs a board, and a test has none. A desk simulates one: it holds the state behind the native functions
 * (test/xs/natives/) that the firmware calls, and the world around the board. One simulated clock drives all of it.
 *
 * A life is one run of the bundled firmware, `boot`. Sleep, a restart and an error that nobody catches end a life. As
 * on a board, the timers are then gone, the radio is off, and all variables of the firmware are lost. Flash, the few
 * bytes that outlive a restart, and the clock stay.
 *
 * The peer is one node of the same modules, which runs through all lives of the board.
 */
import type { Board } from "../../modules/board/ports.ts";
import { DongleHost } from "../../modules/dongle/dongle-host.ts";
import { Store } from "../../modules/store/store.ts";
import { SILENT } from "../../modules/throwie/events.ts";
import type { MacAddress, Radio, RadioHandlers } from "../../modules/throwie/ports.ts";
import { RETAINED_BYTES } from "../../modules/throwie/retained.ts";
import { Throwie } from "../../modules/throwie/throwie.ts";
import { UpdateHost } from "../../modules/update/update-host.ts";
import { NorFlash } from "../../sim/nor-flash.ts";
import { SeededRandom } from "../../sim/random.ts";
import type { OpenRadio } from "./natives/espnow.ts";
import type { OpenLine } from "./natives/serial.ts";
import "./natives/native.ts";

const SECTOR_BYTES = 4096;
const AIR_MS = 3;
/** The frames that modules/espnow queues for the air. */
const SEND_QUEUE_FRAMES = 2;
/** A line of 921,600 bit/s, with ten bits for each byte. */
const LINE_BYTES_PER_MS = 92;
const BOOT_MS = 300;
const WATCHDOG_MS = 30_000;
const PARTITION_SECTORS: Record<string, number> = { drops: 448, crash: 2, settings: 2, nextota: 16 };

/** The desk throws this object to unwind the firmware's calls when the firmware asks for sleep or a restart. */
class Ended {}

export interface DeskTimer {
  dueMs: number;
  intervalMs: number;
  callback: () => void;
}

/** A flash partition with NOR rules, which throws the error messages of the SDK's flash. */
class FlashPart {
  readonly bytes: Uint8Array;
  /** The address of a worn byte, which keeps its value through every program and erase. -1: no byte is worn. */
  stuckAt = -1;
  /** Programs after which a byte did not have the value that was written. */
  failures = 0;
  /** The address after the last program that was too long for a log record, and so wrote the body of a Drop. */
  bodiesEnd = 0;
  readonly #desk: Desk;

  readonly #label: string;

  constructor(desk: Desk, label: string, sectors: number) {
    this.#desk = desk;
    this.#label = label;
    this.bytes = new Uint8Array(sectors * SECTOR_BYTES).fill(0xff);
  }

  read(target: number | Uint8Array, address: number): ArrayBuffer | number {
    if (this.#desk.flashDead && this.#label === "drops") throw new Error("read failed");
    const into = typeof target === "number" ? new Uint8Array(target) : target;
    into.set(this.bytes.subarray(address, address + into.length));
    return typeof target === "number" ? (into.buffer as ArrayBuffer) : into.length;
  }

  write(from: Uint8Array, address: number): void {
    if (from.length > 64) this.bodiesEnd = address + from.length;
    let taken = true;
    for (let i = 0; i < from.length; i++) {
      if (address + i !== this.stuckAt) this.bytes[address + i] = this.bytes[address + i]! & from[i]!;
      taken &&= this.bytes[address + i] === from[i];
    }
    if (taken) return;
    this.failures++;
    throw new Error("write failed");
  }

  eraseBlock(block: number): void {
    const stuck = this.bytes[this.stuckAt];
    this.bytes.fill(0xff, block * SECTOR_BYTES, (block + 1) * SECTOR_BYTES);
    if (stuck !== undefined) this.bytes[this.stuckAt] = stuck;
  }

  status(): { size: number; blockLength: number } {
    return { size: this.bytes.length, blockLength: SECTOR_BYTES };
  }
}

export class Desk {
  nowMs = 0;
  config: Record<string, unknown> = {
    ...{ role: "throwie", name: "", channel: 1, rate: "1M", halfLifeDays: 7, wake: "always" },
    ...{ port: "usb", baud: 921_600, cpu: 160 },
  };
  readonly log: string[] = [];
  /** 0: a board that only sleeps deeply. */
  lightSleepMsMax = 0;
  /** True: the chip refuses each light sleep. */
  refusesLightSleep = false;
  /** How often the board slept lightly. */
  lightSleeps = 0;
  /** The clock that the firmware set. */
  cpuMhz = 0;
  /** While true, reading the Drops' flash throws. A new life sets it to false. */
  flashDead = false;
  /** While true, the board's radio takes no frame. */
  mute = false;
  /** While true, the board's radio takes each frame, gives it up, and has room again. */
  abandoning = false;
  /** True breaks the board: each boot finds its flash erased. */
  forgetful = false;
  /** How often the peer was told that the board keeps a Drop. */
  sent = 0;
  /** For each boot, the heat time at which the clock was 0, as the board keeps it. */
  readonly epochs: number[] = [];
  timers: DeskTimer[] = [];
  handlers: RadioHandlers | undefined;
  /** Of whatever the board's radio hears. */
  rssiDbm = -60;
  espnow: OpenRadio | undefined;
  /** While true, no byte of the computer reaches the board. */
  deaf = false;
  /** The open line of a dongle. */
  line: OpenLine | undefined;
  /** The size of the line driver's buffer towards the computer. */
  sendBytes = 4_096;
  /** The computer at the other end of a dongle's line. */
  computer: DongleHost | undefined;
  /** A computer that updates the board, at the same line. */
  updater: UpdateHost | undefined;
  /** Whether the board has two app partitions, and what its boot loader knows (test/xs/natives/image-loader.ts). */
  readonly images = { twoApps: false, onTrial: false, chosen: false, confirmed: 0, sizeBytes: 0 };
  /** Frames that the computer received from the dongle. */
  heard = 0;
  /** When the firmware last fed the watchdog. */
  fedMs = 0;
  lives = 0;
  /** Why the desk stopped: an error that the firmware did not handle, or "stuck". Empty while it runs. */
  gaveUp = "";
  readonly random = new SeededRandom(1, "desk");
  readonly #parts = new Map<string, FlashPart>();
  readonly #memory = new Uint8Array(16);
  /** What a node retained over the last sleep. */
  readonly retained = new Uint8Array(RETAINED_BYTES);
  readonly #air: { from: "board" | "peer"; frame: Uint8Array; dueMs: number; sent(): void }[] = [];
  readonly #address = Uint8Array.of(2, 0, 0, 0, 0, 1);
  readonly peer: Throwie;
  #peerDueMs = 0;
  #bootMs = 0;
  #abort: typeof globalThis.abort | undefined;

  readonly board: Board;

  constructor() {
    this.board = {
      wakeCause: "power",
      now: () => this.nowMs,
      fill: (bytes) => this.random.fill(bytes),
      memory: {
        read: (into) => into.set(this.#memory),
        write: (from) => this.#memory.set(from.subarray(0, this.#memory.length)),
      },
      setClock: (mhz) => {
        this.cpuMhz = mhz;
      },
      retain: (from) => this.retained.set(from),
      recall: (into) => {
        into.set(this.retained);
        this.retained.fill(0);
      },
      lightSleepMsMax: () => this.lightSleepMsMax,
      lightSleep: (ms) => {
        if (this.handlers !== undefined) throw new Error("the radio is on");
        if (this.refusesLightSleep) return false;
        this.lightSleeps++;
        const untilMs = this.nowMs + ms;
        while (this.nowMs < untilMs) this.#pass();
        this.fedMs = this.nowMs;
        return true;
      },
      sleep: (ms) => this.#end("timer", ms),
      restart: () => this.#end("crash", 0),
      feedWatchdog: () => {
        desk.fedMs = desk.nowMs;
      },
      log: (line) => this.log.push(line),
    };
    const store = new Store(new NorFlash({ sizeBytes: 448 * SECTOR_BYTES }));
    store.mount();
    this.peer = new Throwie({
      radio: this.#radio("peer", Uint8Array.of(2, 0, 0, 0, 0, 2)),
      clock: { now: () => this.nowMs },
      random: new SeededRandom(1, "peer"),
      store,
      events: {
        ...SILENT,
        dropSent: () => {
          this.sent++;
        },
      },
    });
  }

  openRadio(handlers: RadioHandlers): Radio & { close(): void } {
    this.handlers = handlers;
    const close = (): void => {
      this.handlers = undefined;
    };
    return Object.assign(this.#radio("board", this.#address), { close });
  }

  part(label: string): FlashPart {
    const sectors = PARTITION_SECTORS[label];
    if (sectors === undefined || (label === "nextota" && !this.images.twoApps)) throw new Error("can't find partition");
    let part = this.#parts.get(label);
    if (part === undefined) {
      part = new FlashPart(this, label, sectors);
      this.#parts.set(label, part);
    }
    return part;
  }

  publish(count: number): void {
    for (let i = 0; i < count; i++) {
      const drop = new Uint8Array(100 + this.random.below(1_900));
      this.random.fill(drop);
      this.peer.publish(drop, "own");
    }
  }

  /** The computer's end of the line: while nobody has opened the board's end, bytes are lost. */
  readonly #farEnd = {
    write: (bytes: Uint8Array, offset: number, lengthBytes: number): number => {
      if (!this.deaf) this.#live(() => this.line?.bring(bytes.subarray(offset, offset + lengthBytes)));
      return lengthBytes;
    },
  };

  /** Begins to call the board for an update to this image, which is for the chip of that number. */
  update(image: Uint8Array, chip: number): void {
    this.images.sizeBytes = image.length;
    const facts = { chip, sizeBytes: image.length, digest: image.slice(-32) };
    this.updater = new UpdateHost({ line: this.#farEnd, clock: { now: () => this.nowMs }, session: 7, image, facts });
  }

  plugIn(): void {
    const line = this.#farEnd;
    const onFrame = (): void => {
      this.heard++;
    };
    const random = new SeededRandom(1, "computer");
    this.computer = new DongleHost({ line, clock: { now: () => this.nowMs }, random, onFrame });
    this.computer.begin();
  }

  run(untilMs: number): void {
    while (this.nowMs < untilMs && this.gaveUp === "") {
      this.nowMs++;
      if (this.#bootMs >= 0 && this.nowMs >= this.#bootMs) this.#live(() => this.#boot());
      if (this.#bootMs < 0 && this.nowMs - this.fedMs > WATCHDOG_MS) this.gaveUp = "stuck";
      for (const timer of this.timers) if (timer.dueMs <= this.nowMs) this.#live(() => this.#fire(timer));
      while (this.#air.length > 0 && this.#air[0]!.dueMs <= this.nowMs) this.#deliver(this.#air.shift()!);
      if (this.computer !== undefined || this.updater !== undefined) {
        const bytes = this.line?.carry(LINE_BYTES_PER_MS) ?? new Uint8Array(0);
        this.computer?.receive(bytes, bytes.length);
        this.computer?.turn();
        this.updater?.receive(bytes, bytes.length);
        this.updater?.turn();
        this.#live(() => this.line?.sayRoom());
      }
      if (this.#peerDueMs <= this.nowMs) this.#peerDueMs = this.peer.turn();
    }
  }

  /** A millisecond in which the board does nothing. */
  #pass(): void {
    this.nowMs++;
    while (this.#air.length > 0 && this.#air[0]!.dueMs <= this.nowMs) this.#deliver(this.#air.shift()!);
    if (this.#peerDueMs <= this.nowMs) this.#peerDueMs = this.peer.turn();
  }

  /** Presses the reset button. The bytes that the board keeps outlive a reset. */
  reset(): void {
    this.#live(() => this.#end("other", 0));
  }

  #boot(): void {
    this.#bootMs = -1;
    this.fedMs = this.nowMs;
    this.lives++;
    this.flashDead = false;
    if (this.forgetful) this.#parts.delete("drops");
    globalThis.desk = this;
    globalThis.abort = undefined;
    try {
      globalThis.boot();
    } finally {
      this.#abort = globalThis.abort;
    }
    this.epochs.push(new DataView(this.#memory.buffer).getInt32(4, true));
  }

  #fire(timer: DeskTimer): void {
    timer.dueMs = this.nowMs + timer.intervalMs;
    timer.callback();
  }

  /** Runs the firmware's code and handles an error as XS does: it calls `abort`, and gives up if `abort` is missing. */
  #live(act: () => void): void {
    try {
      act();
    } catch (thrown) {
      if (thrown instanceof Ended) return;
      try {
        this.#abort?.("unhandled exception", thrown);
      } catch (end) {
        if (end instanceof Ended) return;
      }
      this.gaveUp = String(thrown);
    }
  }

  #end(cause: Board["wakeCause"], ms: number): never {
    (this.board as { wakeCause: string }).wakeCause = cause;
    this.timers = [];
    this.handlers = undefined;
    this.espnow = undefined;
    this.line = undefined;
    this.#abort = undefined;
    this.#bootMs = this.nowMs + ms + BOOT_MS;
    throw new Ended();
  }

  #deliver({ from, frame, sent }: { from: "board" | "peer"; frame: Uint8Array; sent(): void }): void {
    sent();
    this.#peerDueMs = 0;
    if (from === "board") {
      if (!this.abandoning) this.peer.receive(frame, frame.length, this.#address);
      this.#live(() => this.handlers?.onRoom());
    } else {
      this.#live(() => this.handlers?.onFrame(frame, frame.length, Uint8Array.of(2, 0, 0, 0, 0, 2)));
    }
  }

  #radio(from: "board" | "peer", address: MacAddress): Radio {
    const air = this.#air;
    const desk = this;
    let freeMs = 0;
    let queued = 0;
    const sent = (): void => {
      queued--;
    };
    return {
      address,
      frameSizeBytesMax: 250,
      receiveQueueFrames: 32,
      get full() {
        return queued >= SEND_QUEUE_FRAMES;
      },
      send(frame, lengthBytes) {
        if (this.full || (from === "board" && desk.mute)) return false;
        queued++;
        freeMs = Math.max(freeMs, desk.nowMs) + AIR_MS;
        air.push({ from, frame: frame.slice(0, lengthBytes), dueMs: freeMs, sent });
        air.sort((a, b) => a.dueMs - b.dueMs);
        return true;
      },
    };
  }
}

declare global {
  var desk: Desk;
  var boot: () => void;
  var abort: ((reason: string, thrown: unknown) => void) | undefined;
}

Object.assign(globalThis, { Desk });
