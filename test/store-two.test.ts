/** The bytes of formats 1 and 2 are still read (docs/store.md, "Versions"): all vectors of the former specification. */
import test from "ava";
import { crc32 } from "../modules/store/crc32.ts";
import { OldLog } from "../modules/store/format-two.ts";
import { BODY_SECTOR, half, Layout, LOG_SECTOR, word } from "../modules/store/layout.ts";
import { Sectors } from "../modules/store/sectors.ts";
import { NorFlash } from "../sim/nor-flash.ts";
import vectors from "./vectors/store-2.json" with { type: "json" };

const SECTOR = 5;
const SECTOR_BYTES = 4096;
const SECTORS = 448;
const HEADER_BYTES = 32;

interface Vector {
  /** The kind of sector that a header is of; in a record, the number of the body's sector. */
  sector?: string | number;
  record?: string;
  mark?: string;
  unitBytes?: number;
  bytes: string;
  reason?: string;
  sequence?: number;
  number?: number;
  erases?: number;
  tail?: number;
  time?: number;
  low?: number;
  high?: number;
  lengthBytes?: number;
  heat?: number;
  cause?: string;
}
const ALL = [...vectors.valid, ...vectors.invalid] as unknown as Vector[];

/** The header of a log sector of format 2. */
function logHeader(sequence: number, unitBytes: number): Uint8Array {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.write("TS\x02\x01", 0, "latin1");
  bytes.writeUInt32LE(1, 4);
  bytes.writeUInt32LE(sequence, 8);
  bytes.writeInt32LE(crc32(bytes, 0, 12), 12);
  bytes.writeUInt32LE(sequence, 16);
  bytes.writeUInt16LE(SECTORS, 24);
  bytes[26] = 12;
  bytes[27] = unitBytes;
  bytes.writeInt32LE(crc32(bytes, 0, 28), 28);
  return bytes;
}

/** A log of format 2 with these bytes at these addresses of one sector. */
function logWith(unitBytes: number, ...parts: [at: number, bytes: Uint8Array][]): OldLog {
  const flash = new NorFlash({ sizeBytes: SECTORS * SECTOR_BYTES, programSizeBytes: unitBytes });
  for (const [at, bytes] of parts) flash.program(SECTOR * SECTOR_BYTES + at, bytes, 0, bytes.length);
  return new OldLog(new Sectors(flash, new Layout(flash, 750)));
}

test("headers of sectors of format 1 and 2", (t) => {
  const headers = ALL.filter(({ sector }) => typeof sector === "string");
  t.is(headers.length, 18);
  for (const { sector, unitBytes = 4, bytes, reason, erases, sequence, tail, time } of headers) {
    const log = logWith(unitBytes, [0, Buffer.from(bytes, "hex")]);
    const kind = sector === "log" ? LOG_SECTOR : BODY_SECTOR;
    t.is(log.kindOf(SECTOR), reason === undefined ? kind : 0, bytes);
    if (reason !== undefined) continue;
    t.is(log.erases, erases ?? -1);
    if (kind === LOG_SECTOR) t.deepEqual([log.head, log.tail, log.time], [sequence, tail, Math.max(0, time!)]);
  }
});

test("records of format 2", (t) => {
  const records = ALL.filter(({ record }) => record !== undefined);
  t.is(records.length, 14);
  for (const { unitBytes = 4, bytes, reason, sequence, number, ...fields } of records) {
    const record = Buffer.from(bytes, "hex");
    const at = HEADER_BYTES + number! * record.length;
    const log = logWith(unitBytes, [0, logHeader(sequence!, unitBytes)], [at, record]);
    // A record of an unknown kind is read, and stands for nothing.
    t.is(log.read(sequence!, number!), reason === undefined || reason === "kind", bytes);
    if (reason !== undefined || fields.lengthBytes === undefined) continue;
    t.is(half(log.record, 2), fields.lengthBytes);
    t.deepEqual([word(log.record, 4) >>> 0, word(log.record, 8) >>> 0], [fields.low, fields.high]);
    t.is(word(log.record, 12), fields.heat!);
    t.is(log.verified, fields.record === "verified drop");
    t.false(log.dead);
  }
});

test("marks of format 2, which count as soon as they may have been meant", (t) => {
  const marks = ALL.filter(({ mark }) => mark !== undefined);
  t.is(marks.length, 23);
  for (const { mark, unitBytes = 4, bytes, reason } of marks) {
    const { bytes: drop } = ALL.find((v) => (v.record ?? "").endsWith("drop") && v.unitBytes === unitBytes)!;
    const record = Buffer.from(drop, "hex");
    record[0] = 1;
    const crcAt = 20 + Math.max(8, unitBytes);
    record.writeInt32LE(crc32(record, 0, crcAt) ^ 1, crcAt);
    record.set(Buffer.from(bytes, "hex"), record.length - (mark === "dead" ? 1 : 2) * unitBytes);
    const log = logWith(unitBytes, [0, logHeader(1, unitBytes)], [HEADER_BYTES, record]);
    t.true(log.read(1, 0));
    t.is(log.dead, mark === "dead");
    t.is(log.verified, mark === "verified" && reason === undefined);
  }
});
