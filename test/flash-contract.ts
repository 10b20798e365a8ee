/**
 * A simulation proves something only if its flash behaves like real flash. So these tests say what every Flash must do,
 * and each implementation runs them: the one of the simulator and the real ones.
 */
import type { ExecutionContext, TestFn } from "ava";
import type { Flash } from "../modules/store/flash.ts";

export interface FlashSubject {
  flash: Flash;
  /** The same memory, opened again after a restart of its driver. */
  reopen(): Flash;
  end(): void;
}

export function flashContract(test: TestFn, name: string, make: () => FlashSubject): void {
  const check = (title: string, body: (t: ExecutionContext, subject: FlashSubject) => void): void => {
    test(`${name}: ${title}`, (t) => {
      const subject = make();
      try {
        body(t, subject);
      } finally {
        subject.end();
      }
    });
  };

  check("consists of whole sectors of whole program units, and new memory is all ones", (t, { flash }) => {
    t.is(flash.sizeBytes % flash.sectorSizeBytes, 0);
    t.is(flash.sectorSizeBytes % flash.programSizeBytes, 0);
    t.true(bytesOf(flash, 0, flash.sizeBytes).every((byte) => byte === 0xff));
  });

  check("reads back what was programmed, and no other byte changes", (t, { flash, reopen }) => {
    const size = 4 * flash.programSizeBytes;
    const address = flash.sectorSizeBytes + 2 * flash.programSizeBytes;
    const bytes = Uint8Array.from({ length: size + 7 }, (_, i) => (i * 37) & 0xff);
    t.true(flash.program(address, bytes, 7, size));
    t.deepEqual(bytesOf(flash, address, size), bytes.slice(7));
    const around = bytesOf(flash, 0, 3 * flash.sectorSizeBytes);
    around.fill(0xff, address, address + size);
    t.true(around.every((byte) => byte === 0xff));
    flash.sync();
    t.deepEqual(bytesOf(reopen(), address, size), bytes.slice(7));
  });

  check("reads any length from any address into the middle of a buffer", (t, { flash }) => {
    const bytes = Uint8Array.from({ length: 64 }, (_, i) => i);
    flash.program(flash.sectorSizeBytes - 64, bytes, 0, 64);
    flash.program(flash.sectorSizeBytes, bytes, 0, 64);
    const into = new Uint8Array(20).fill(0xaa);
    flash.read(flash.sectorSizeBytes - 5, into, 3, 11);
    t.deepEqual([...into], [...[170, 170, 170], ...[59, 60, 61, 62, 63], ...[0, 1, 2, 3, 4, 5], ...Array(6).fill(170)]);
    flash.read(0, into, 0, 0);
    t.is(into[0], 170);
  });

  check("keeps no buffer of the caller", (t, { flash }) => {
    const bytes = new Uint8Array(flash.programSizeBytes).fill(0x5a);
    flash.program(0, bytes, 0, bytes.length);
    bytes.fill(0);
    t.is(bytesOf(flash, 0, 1)[0], 0x5a);
  });

  check("erases one sector to ones and no other, and the sector can be programmed again", (t, { flash }) => {
    const { sectorSizeBytes } = flash;
    const zeros = new Uint8Array(sectorSizeBytes);
    for (const sector of [0, 1, 2]) t.true(flash.program(sector * sectorSizeBytes, zeros, 0, sectorSizeBytes));
    t.true(flash.eraseSector(1));
    t.true(bytesOf(flash, sectorSizeBytes, sectorSizeBytes).every((byte) => byte === 0xff));
    t.true(bytesOf(flash, 0, sectorSizeBytes).every((byte) => byte === 0));
    t.true(bytesOf(flash, 2 * sectorSizeBytes, sectorSizeBytes).every((byte) => byte === 0));
    t.true(flash.program(sectorSizeBytes, zeros, 0, sectorSizeBytes));
  });

  check("refuses to set bits, and refuses addresses that are unaligned or out of range", (t, { flash }) => {
    const unit = flash.programSizeBytes;
    const bytes = new Uint8Array(4 * unit);
    flash.program(0, bytes, 0, unit);
    bytes.fill(0xff);
    // A board cannot tell a caller's bug from a worn cell. So it may report a failure instead of throwing.
    t.true(
      isRefused(() => flash.program(0, bytes, 0, unit)),
      "a program that sets bits",
    );
    t.true(bytesOf(flash, 0, unit).every((byte) => byte === 0));
    t.throws(() => flash.program(unit + 1, bytes, 0, unit));
    t.throws(() => flash.program(unit, bytes, 0, unit - 1));
    t.throws(() => flash.program(flash.sizeBytes, bytes, 0, unit));
    t.throws(() => flash.program(unit, bytes, 3 * unit, 2 * unit));
    t.throws(() => flash.program(-unit, bytes, 0, unit));
    t.throws(() => flash.read(flash.sizeBytes - 1, bytes, 0, 2));
    t.throws(() => flash.read(0, bytes, bytes.length, 1));
    t.throws(() => flash.eraseSector(flash.sizeBytes / flash.sectorSizeBytes));
    t.throws(() => flash.eraseSector(-1));
  });
}

function isRefused(program: () => boolean): boolean {
  try {
    return !program();
  } catch {
    return true;
  }
}

function bytesOf(flash: Flash, address: number, lengthBytes: number): Uint8Array {
  const into = new Uint8Array(lengthBytes);
  flash.read(address, into, 0, lengthBytes);
  return into;
}
