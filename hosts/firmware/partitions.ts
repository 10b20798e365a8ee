/**
 * The partition tables of targets/: their rows, and the table for 8 MB of flash or more.
 *
 * A table for 4 MB has one app partition. `drops` must stay where it was released, and leaves room for two images of
 * 1,088 KB; an image has more. 8 MB have room for a second app partition above `drops`. No released partition moves:
 * the first app partition takes the place of `factory`, so a board that is flashed anew keeps its Drops and its
 * crashes.
 */

export interface TableRow {
  name: string;
  type: string;
  subtype: string;
  offset: number;
  sizeBytes: number;
}

/** Where the two sectors lie in which the boot loader finds the app partition to start. Free on 4 MB. */
const OTADATA_AT = 0x234000;
const OTADATA_BYTES = 0x2000;
/** The first byte that 4 MB do not have. */
const SECOND_APP_AT = 0x400000;

export function partitionsOf(csv: string): TableRow[] {
  return csv
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .map((line) => {
      const [name, type, subtype, offset, size] = line.split(",").map((cell) => cell.trim());
      return { name: name!, type: type!, subtype: subtype!, offset: Number(offset), sizeBytes: Number(size) };
    });
}

export function partitionNamed(table: TableRow[], name: string): TableRow {
  const found = table.find((partition) => partition.name === name);
  if (found === undefined) throw new Error(`The partition table has no partition ${name}.`);
  return found;
}

/** The app partition that a cable writes: the only one, or the first of two. */
export function appPartition(table: TableRow[]): TableRow {
  const found = table.find(({ type }) => type === "app");
  if (found === undefined) throw new Error("The partition table has no app partition.");
  return found;
}

/** A table in a chip's flash. Each of its rows begins with a mark. */
export const TABLE_AT = 0x8000;
export const TABLE_BYTES = 0xc00;
const ROW_BYTES = 32;
const ROW_MARK = 0x50aa;
const NAME_AT = 12;
const NAME_BYTES = 16;

/** The names in a table as it lies in flash. Empty: there is no table. */
export function namesInFlash(table: Buffer): string[] {
  const names: string[] = [];
  for (let at = 0; at + ROW_BYTES <= table.length && table.readUInt16LE(at) === ROW_MARK; at += ROW_BYTES) {
    names.push(table.toString("latin1", at + NAME_AT, at + NAME_AT + NAME_BYTES).replace(/\0.*$/s, ""));
  }
  return names;
}

/** The table of a board with 8 MB or more, from the table of that board with 4 MB. */
export function withTwoApps(csv: string): string {
  const table = partitionsOf(csv);
  const { offset, sizeBytes } = appPartition(table);
  const rows: TableRow[] = table.map((row) => (row.type === "app" ? { ...row, name: "ota_0", subtype: "ota_0" } : row));
  rows.push({ name: "otadata", type: "data", subtype: "ota", offset: OTADATA_AT, sizeBytes: OTADATA_BYTES });
  rows.push({ name: "ota_1", type: "app", subtype: "ota_1", offset: SECOND_APP_AT, sizeBytes });
  rows.sort((a, b) => a.offset - b.offset);
  const line = (row: TableRow): string =>
    [row.name, row.type, row.subtype, hex(row.offset), hex(row.sizeBytes)].join(", ");
  return `# Made by hosts/firmware/partitions.ts; the app at ${hex(offset)} stands twice.\n${rows.map(line).join("\n")}\n`;
}

/** As esptool and a partition table write an address or a size. */
export function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
