/**
 * The memory of an image, from the map that GNU ld writes: the sizes of the output sections, and how much of the data
 * RAM they leave free.
 *
 * The map begins with what the linker discarded and with the memory regions. Then come the output sections, each at the
 * start of a line: name, address, size. A long name has a line of its own. What a section is made of stands below it,
 * behind a space. ESP-IDF puts a placeholder section into the data RAM where code lies in the same RAM, so whatever
 * lies in the region of the data RAM is taken.
 *
 * Throws an Error of one sentence when a text is no such map: a limit that cannot be checked is not kept.
 */

interface Range {
  name: string;
  at: number;
  sizeBytes: number;
}

export interface LinkedMemory {
  codeInFlashBytes: number;
  constantsInFlashBytes: number;
  codeInRamBytes: number;
  dataBytes: number;
  bssBytes: number;
  /** What the image leaves of the linker's data RAM; the heap has this and some RAM that no linker script names. */
  freeDramBytes: number;
}

const DRAM = "dram0_0_seg";

export function linkedMemory(map: string): LinkedMemory {
  const dram = regionsOf(map).find(({ name }) => name === DRAM);
  if (dram === undefined) throw new Error(`The link map names no memory region ${DRAM}: is it a map of ESP-IDF?`);
  const sections = sectionsOf(map);
  const end = dram.at + dram.sizeBytes;
  let taken = dram.at;
  for (const { at, sizeBytes } of sections) {
    if (sizeBytes > 0 && at >= dram.at && at < end) taken = Math.max(taken, at + sizeBytes);
  }
  const sum = (pattern: RegExp): number =>
    sections.filter(({ name }) => pattern.test(name)).reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  const dataBytes = sum(/^\.dram0\.data$/);
  if (dataBytes === 0) throw new Error("The link map has no section .dram0.data: the link did not end.");
  return {
    codeInFlashBytes: sum(/^\.flash\.text$/),
    constantsInFlashBytes: sum(/^\.flash\.(rodata|appdesc)$/),
    codeInRamBytes: sum(/^\.iram0\.(vectors|text)$/),
    dataBytes,
    bssBytes: sum(/^\.dram0\.bss$/),
    freeDramBytes: end - taken,
  };
}

function regionsOf(map: string): Range[] {
  const table = /^Memory Configuration\n([\s\S]*?)^Linker script and memory map$/m.exec(map)?.[1] ?? "";
  return [...table.matchAll(/^(\S+)\s+(0x[0-9a-f]+)\s+(0x[0-9a-f]+)/gm)].map(ranged);
}

function sectionsOf(map: string): Range[] {
  const body = map.slice(map.indexOf("Linker script and memory map"));
  return [...body.matchAll(/^(\.\S+)\s+(0x[0-9a-f]+)\s+(0x[0-9a-f]+)/gm)].map(ranged);
}

function ranged([, name, at, size]: RegExpMatchArray): Range {
  return { name: name!, at: Number(at), sizeBytes: Number(size) };
}
