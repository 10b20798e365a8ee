/** Images of the tests' own making, in the form that hosts/firmware/image.ts describes. No chip could run them. */
import { createHash } from "node:crypto";

export interface ImageParts {
  chip?: number;
  /** The sizes of the segments, in bytes. */
  segments?: number[];
  /** What the segments are filled with. */
  fill?: number;
}

export function firmwareImage({ chip = 5, segments = [1_000, 24], fill = 0x5a }: ImageParts = {}): Uint8Array {
  const header = Buffer.alloc(24);
  header.set([0xe9, segments.length, 2, 0x2f]);
  header.writeUInt16LE(chip, 12);
  header[23] = 1;
  const parts: Buffer[] = [header];
  for (const sizeBytes of segments) {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(0x3c000020, 0);
    head.writeUInt32LE(sizeBytes, 4);
    parts.push(head, Buffer.alloc(sizeBytes, fill));
  }
  const body = Buffer.concat(parts);
  const padded = Buffer.concat([body, Buffer.alloc(16 - (body.length % 16), 0x11)]);
  return Uint8Array.from(Buffer.concat([padded, createHash("sha256").update(padded).digest()]));
}
