/**
 * The uncaught errors that ended earlier lives of this board, in a flash partition of their own (docs/firmware.md,
 * "Crashes").
 *
 * | offset | size | field   | meaning                                                           |
 * |--------|------|---------|-------------------------------------------------------------------|
 * | 0      | 4    | number  | number of the crash on this board, from 1; all ones: never written |
 * | 4      | 4    | uptime  | seconds of the board's clock                                      |
 * | 8      | 2    | length  | size of the message in bytes                                      |
 * | 10     | 110  | message | ASCII; any other character is written as `?`                      |
 * | 120    | 4    | crc32   | over bytes 0 to 119                                               |
 * | 124    | 4    | told    | all ones until a boot has reported this crash in the log          |
 *
 * Little-endian. Records follow one another, and the first sector follows the last. Each sector is erased before its
 * first record is written, so all other sectors hold the past. A record torn by a power cut has a wrong CRC and is
 * skipped.
 *
 * The constructor allocates everything, because the error may be that memory is full. A record that the flash refuses
 * is lost. Nothing is thrown, because there is no place left to report it.
 */
import { crc32 } from "../store/crc32.ts";
import type { Flash } from "../store/flash.ts";

const PLACE_BYTES = 128;
const MESSAGE_AT = 10;
const MESSAGE_BYTES_MAX = 110;
const CRC_AT = 120;
const TOLD_AT = 124;
const TOLD_BYTES = 4;

export interface Crash {
  number: number;
  uptimeS: number;
  message: string;
}

const isBlank = (byte: number): boolean => byte === 0xff;

export class CrashLog {
  readonly #flash: Flash;
  /** Buffers exactly as long as each read and write, so that the flash port needs no views of them. */
  readonly #record = new Uint8Array(TOLD_AT);
  readonly #view = new DataView(this.#record.buffer);
  readonly #found = new Uint8Array(TOLD_AT);
  readonly #told = new Uint8Array(TOLD_BYTES);
  readonly #places: number;
  #lastPlace = -1;
  #lastNumber = 0;

  /** `flash` must have at least two sectors. */
  constructor(flash: Flash) {
    this.#flash = flash;
    this.#places = Math.floor(flash.sizeBytes / PLACE_BYTES);
    for (let place = 0; place < this.#places; place++) {
      if (!this.#load(place)) continue;
      const number = this.#view.getUint32(0, true);
      if (number <= this.#lastNumber) continue;
      this.#lastNumber = number;
      this.#lastPlace = place;
    }
  }

  /** The number of crashes of this board, ever. */
  get count(): number {
    return this.#lastNumber;
  }

  /** The last crash, if no boot has reported it yet. Marks the crash as reported. */
  tell(): Crash | undefined {
    if (this.#lastPlace < 0 || !this.#load(this.#lastPlace)) return undefined;
    const toldAddress = this.#lastPlace * PLACE_BYTES + TOLD_AT;
    this.#flash.read(toldAddress, this.#told, 0, TOLD_BYTES);
    if (!this.#told.every(isBlank)) return undefined;
    let message = "";
    for (let i = 0; i < this.#view.getUint16(8, true); i++)
      message += String.fromCharCode(this.#record[MESSAGE_AT + i]!);
    const crash = { number: this.#lastNumber, uptimeS: this.#view.getUint32(4, true), message };
    this.#flash.program(toldAddress, this.#told.fill(0), 0, TOLD_BYTES);
    return crash;
  }

  write(message: string, uptimeMs: number): void {
    const record = this.#record.fill(0xff);
    const lengthBytes = Math.min(message.length, MESSAGE_BYTES_MAX);
    this.#view.setUint32(0, this.#lastNumber + 1, true);
    this.#view.setUint32(4, Math.floor(uptimeMs / 1_000), true);
    this.#view.setUint16(8, lengthBytes, true);
    for (let i = 0; i < lengthBytes; i++) {
      const code = message.charCodeAt(i);
      record[MESSAGE_AT + i] = code >= 0x20 && code < 0x7f ? code : 0x3f;
    }
    this.#view.setInt32(CRC_AT, crc32(record, 0, CRC_AT), true);
    this.#lastPlace = this.#freePlace();
    if (this.#flash.program(this.#lastPlace * PLACE_BYTES, record, 0, TOLD_AT)) this.#lastNumber++;
  }

  /** The next place after the last record. Skips torn records, and erases a sector where it begins. */
  #freePlace(): number {
    for (let place = this.#lastPlace + 1; ; place++) {
      const address = (place % this.#places) * PLACE_BYTES;
      if (address % this.#flash.sectorSizeBytes === 0) {
        this.#flash.eraseSector(address / this.#flash.sectorSizeBytes);
        return place % this.#places;
      }
      this.#flash.read(address, this.#found, 0, TOLD_AT);
      if (this.#found.every(isBlank)) return place;
    }
  }

  /** Reads a record into #record. False when the place holds no whole record. */
  #load(place: number): boolean {
    this.#flash.read(place * PLACE_BYTES, this.#record, 0, TOLD_AT);
    return this.#view.getInt32(CRC_AT, true) === crc32(this.#record, 0, CRC_AT);
  }
}
