/**
 * One of the two copies of the settings in a board's settings partition (docs/settings.md).
 *
 * One image serves every town, so what a town chooses lies beside the image, in a partition of two sectors. A writer
 * replaces one sector after the other. A power cut then leaves the copy before or the copy after, never neither.
 *
 * | offset | size | field    | meaning                                                              |
 * |--------|------|----------|----------------------------------------------------------------------|
 * | 0      | 4    | magic    | "TSET"                                                               |
 * | 4      | 2    | version  | 1                                                                    |
 * | 6      | 2    | length   | of the text in bytes, at most 496                                    |
 * | 8      | 4    | sequence | from 1 on: the copy with the higher number holds                     |
 * | 12     | 496  | text     | lines of `key=value`; all ones after them                            |
 * | 508    | 4    | crc32    | of bytes 0 .. 507                                                    |
 *
 * Little-endian. Each line ends with a newline. A key is letters and digits, a value one or more printable characters
 * of ASCII. The keys ascend in the order of their bytes, so each key stands once and the same settings have the same
 * bytes. What a key means is not part of the format: a later firmware adds keys, and an older one ignores them.
 *
 * Every version keeps the magic, the version and the checksum where they are. The reader does not look at the ones
 * after the text, because the checksum covers them and a board that sleeps reads two copies at each start.
 */
import { crc32 } from "../store/crc32.ts";
import { isPrintable } from "./settings.ts";

export const SETTINGS_COPY_BYTES = 512;
const VERSION = 1;
const LENGTH_AT = 6;
const SEQUENCE_AT = 8;
const TEXT_AT = 12;
const CRC_AT = 508;
export const SETTINGS_TEXT_BYTES_MAX = CRC_AT - TEXT_AT;
const MAGIC = 0x54455354;
const BLANK = 0xffffffff;

export interface SettingLine {
  key: string;
  value: string;
}

export interface SettingsCopy {
  /**
   * whole: the copy can be used. blank: erased, never written. newer: a later format. damaged: anything else, such as
   * a write that a power cut has torn.
   */
  state: "whole" | "blank" | "newer" | "damaged";
  /** 0 when the copy is not whole. */
  sequence: number;
  /** Empty when the copy is not whole. */
  lines: SettingLine[];
}

/** Reads the copy in the first bytes of `bytes`. */
export function readCopy(bytes: Uint8Array): SettingsCopy {
  const view = new DataView(bytes.buffer, bytes.byteOffset, SETTINGS_COPY_BYTES);
  const copy: SettingsCopy = { state: "damaged", sequence: 0, lines: [] };
  const magic = view.getUint32(0, true);
  if (magic === BLANK) copy.state = "blank";
  if (magic !== MAGIC || view.getInt32(CRC_AT, true) !== crc32(bytes, 0, CRC_AT)) return copy;
  const version = view.getUint16(4, true);
  const length = view.getUint16(LENGTH_AT, true);
  const sequence = view.getUint32(SEQUENCE_AT, true);
  if (version > VERSION) copy.state = "newer";
  if (version !== VERSION || length > SETTINGS_TEXT_BYTES_MAX || sequence === 0) return copy;
  const lines = readLines(bytes, TEXT_AT + length);
  return lines === undefined ? copy : { state: "whole", sequence, lines };
}

/** Writes a copy. The lines may have any order. Throws an Error of one sentence when they have no place or no form. */
export function writeCopy(sequence: number, lines: readonly SettingLine[]): Uint8Array {
  const bytes = new Uint8Array(SETTINGS_COPY_BYTES).fill(0xff);
  const view = new DataView(bytes.buffer);
  let text = "";
  const sorted = [...lines].sort((a, b) => (a.key < b.key ? -1 : 1));
  for (const { key, value } of sorted) text += `${key}=${value}\n`;
  if (text.length > SETTINGS_TEXT_BYTES_MAX) {
    throw new Error(`the settings take ${text.length} bytes; they must take at most ${SETTINGS_TEXT_BYTES_MAX}`);
  }
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint16(LENGTH_AT, text.length, true);
  view.setUint32(SEQUENCE_AT, sequence, true);
  for (let i = 0; i < text.length; i++) bytes[TEXT_AT + i] = text.charCodeAt(i);
  view.setInt32(CRC_AT, crc32(bytes, 0, CRC_AT), true);
  if (readCopy(bytes).state !== "whole") throw new Error("the settings have a key or a value that cannot be written");
  return bytes;
}

/** Which of the copies holds. -1: none of them is whole. */
export function holding(copies: readonly SettingsCopy[]): number {
  let best = -1;
  for (let i = 0; i < copies.length; i++) {
    if (copies[i]!.state === "whole" && (best < 0 || copies[i]!.sequence > copies[best]!.sequence)) best = i;
  }
  return best;
}

/** Undefined when the bytes from the start of the text to `end` are not lines in their one form. */
function readLines(bytes: Uint8Array, end: number): SettingLine[] | undefined {
  let text = "";
  for (let at = TEXT_AT; at < end; at++) text += String.fromCharCode(bytes[at]!);
  const rows = text.split("\n");
  if (rows.pop() !== "") return undefined;
  const lines: SettingLine[] = [];
  let last = "";
  for (const row of rows) {
    const at = row.indexOf("=");
    const key = row.slice(0, at);
    const value = row.slice(at + 1);
    if (at < 0 || value === "" || key <= last || !isAlphanumeric(key) || !isPrintable(value)) return undefined;
    lines.push({ key, value });
    last = key;
  }
  return lines;
}

function isAlphanumeric(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    const lower = code | 0x20;
    if (!((code >= 0x30 && code <= 0x39) || (lower >= 0x61 && lower <= 0x7a))) return false;
  }
  return true;
}
