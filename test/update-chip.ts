/**
 * A chip with 8 MB of flash and ESP-IDF's boot loader, as far as an update needs them. One counter goes through all
 * erases and programs of the chip, and the power can be cut at any of them: then half of that operation is done.
 *
 * The boot loader keeps two records in `otadata`, a sector each: a number, a state and a check. The record with the
 * higher number says which app partition starts. "new" becomes "trial" at a start, and a record that still is "trial"
 * at the next start becomes "aborted" and does not count. Without a record that counts, the first app partition starts.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { readImage } from "../hosts/firmware/image.ts";
import { partitionNamed, partitionsOf, type TableRow, withTwoApps } from "../hosts/firmware/partitions.ts";
import type { Flash } from "../modules/store/flash.ts";

const SECTOR_BYTES = 4_096;
const RECORD_BYTES = 12;
const STATES = ["new", "trial", "valid", "aborted"] as const;
type State = (typeof STATES)[number];

/** Unwinds whatever ran when the power went. */
export class PowerCut extends Error {}

interface Record {
  number: number;
  state: State;
}

export class Chip {
  readonly bytes = Buffer.alloc(8 << 20, 0xff);
  readonly number: number;
  /** Erases and programs so far. */
  operations = 0;
  /** The operation that the power fails in. */
  cutAt = Number.POSITIVE_INFINITY;
  /** Programs of the app partitions fail, as on worn flash, from this operation on. */
  wornFrom = Number.POSITIVE_INFINITY;
  /** Which app partition runs. */
  running = 0;
  readonly #table: TableRow[];

  constructor(number = 5) {
    this.number = number;
    this.#table = partitionsOf(withTwoApps(readFileSync("targets/esp32c3/partitions.csv", "utf8")));
    this.bytes.write("a town's messages", this.row("drops").offset);
  }

  row(name: string): TableRow {
    return partitionNamed(this.#table, name);
  }

  /** Everything but the app partitions and the boot loader's records. */
  get outside(): string {
    const hash = createHash("sha256");
    let at = 0;
    for (const { name, offset, sizeBytes } of this.#table.filter(({ name }) => /^ota/.test(name))) {
      hash.update(this.bytes.subarray(at, offset)).update(name);
      at = offset + sizeBytes;
    }
    return hash.update(this.bytes.subarray(at)).digest("hex");
  }

  /** Writes an image by cable. */
  write(image: Uint8Array): void {
    this.bytes.set(image, this.row("ota_0").offset);
  }

  /** The image that the boot loader starts; undefined when none can be started. */
  boot(): Buffer | undefined {
    const records = [0, 1].map((sector) => this.#record(sector));
    for (const [sector, record] of records.entries()) {
      if (record?.state === "trial") this.#writeRecord(sector, { ...record, state: "aborted" });
    }
    const counting = [0, 1].filter((sector) => /new|valid/.test(this.#record(sector)?.state ?? ""));
    counting.sort((a, b) => this.#record(b)!.number - this.#record(a)!.number);
    const sector = counting[0];
    this.running = sector === undefined ? 0 : (this.#record(sector)!.number - 1) % 2;
    const record = sector === undefined ? undefined : this.#record(sector);
    if (sector !== undefined && record?.state === "new") this.#writeRecord(sector, { ...record, state: "trial" });
    return this.imageIn(this.running);
  }

  imageIn(app: number): Buffer | undefined {
    const { offset, sizeBytes } = this.row(`ota_${app}`);
    const bytes = this.bytes.subarray(offset, offset + sizeBytes);
    try {
      return Buffer.from(bytes.subarray(0, readImage(bytes, "the partition").sizeBytes));
    } catch {
      return undefined;
    }
  }

  /** The app partition that does not run. */
  get nextFlash(): Flash {
    const { offset, sizeBytes } = this.row(`ota_${1 - this.running}`);
    const within = (address: number, lengthBytes: number): number => {
      if (address < 0 || address + lengthBytes > sizeBytes) throw new Error("outside the partition");
      return offset + address;
    };
    return {
      sizeBytes,
      sectorSizeBytes: SECTOR_BYTES,
      programSizeBytes: 4,
      read: (address, into, at, lengthBytes) => {
        const from = within(address, lengthBytes);
        into.set(this.bytes.subarray(from, from + lengthBytes), at);
      },
      program: (address, bytes, at, lengthBytes) => {
        if (address % 4 !== 0 || lengthBytes % 4 !== 0) throw new Error("unaligned program");
        this.#program(within(address, lengthBytes), bytes.subarray(at, at + lengthBytes));
        return this.operations < this.wornFrom;
      },
      eraseSector: (sector) => {
        this.#erase(within(sector * SECTOR_BYTES, SECTOR_BYTES));
        return this.operations < this.wornFrom;
      },
      sync() {},
    };
  }

  /** The C of modules/board/image-loader.ts, by name. */
  readonly natives: { [name: string]: (...words: never[]) => unknown } = {
    xs_board_image_chip: () => this.number,
    xs_board_image_on_trial: () => this.#mine()?.[1].state === "trial",
    xs_board_image_confirm: () => {
      const [sector, record] = this.#mine()!;
      this.#writeRecord(sector, { ...record, state: "valid" });
    },
    xs_board_image_digest: (into: Uint8Array) => {
      const image = this.imageIn(1 - this.running);
      if (image !== undefined) into.set(image.subarray(image.length - 32));
      return image !== undefined;
    },
    xs_board_image_choose: () => {
      const image = this.imageIn(1 - this.running);
      if (image === undefined || readImage(image, "it").chip !== this.number) return false;
      const mine = this.#mine();
      const highest = Math.max(mine?.[1].number ?? 1, this.running + 1);
      this.#writeRecord(mine === undefined ? 0 : 1 - mine[0], { number: highest + 1, state: "new" });
      return true;
    },
  };

  /** The record by which the running image was started, with its sector. */
  #mine(): [number, Record] | undefined {
    for (const sector of [0, 1]) {
      const record = this.#record(sector);
      const counts = record !== undefined && record.state !== "aborted" && record.state !== "new";
      if (counts && (record.number - 1) % 2 === this.running) return [sector, record];
    }
    return undefined;
  }

  #record(sector: number): Record | undefined {
    const at = this.row("otadata").offset + sector * SECTOR_BYTES;
    const bytes = this.bytes.subarray(at, at + RECORD_BYTES);
    const number = bytes.readUInt32LE(0);
    const state = STATES[bytes.readUInt32LE(4)];
    if (state === undefined || bytes.readUInt32LE(8) !== checkOf(number)) return undefined;
    return { number, state };
  }

  #writeRecord(sector: number, { number, state }: Record): void {
    const at = this.row("otadata").offset + sector * SECTOR_BYTES;
    const bytes = Buffer.alloc(RECORD_BYTES);
    bytes.writeUInt32LE(number, 0);
    bytes.writeUInt32LE(STATES.indexOf(state), 4);
    bytes.writeUInt32LE(checkOf(number), 8);
    this.#erase(at);
    this.#program(at, bytes);
  }

  #erase(at: number): void {
    this.#operate(SECTOR_BYTES, (i) => {
      this.bytes[at + i] = 0xff;
    });
  }

  #program(at: number, from: Uint8Array): void {
    this.#operate(from.length, (i) => {
      this.bytes[at + i] = this.bytes[at + i]! & from[i]!;
    });
  }

  #operate(lengthBytes: number, act: (i: number) => void): void {
    this.operations++;
    const cut = this.operations === this.cutAt;
    for (let i = 0; i < (cut ? lengthBytes >> 1 : lengthBytes); i++) act(i);
    if (cut) throw new PowerCut();
  }
}

function checkOf(number: number): number {
  return (number ^ 0x5eed_5eed) >>> 0;
}
