/** Stands for modules/serial/serial.ts: a line that takes all and keeps it for the test. */
export class Serial {
  constructor(handlers: { onReadable(bytes: Uint8Array, lengthBytes: number): void; onWritable(): void }) {
    globalThis.desk.line = handlers;
  }

  write(bytes: Uint8Array, offset: number, lengthBytes: number): number {
    for (let i = 0; i < lengthBytes; i++) globalThis.desk.written.push(bytes[offset + i]!);
    return lengthBytes;
  }

  close(): void {}
}
