/** ShortIds as a person sees them: in hexadecimal, the first 16 digits of the DropId. */
import { SHORT_ID_BYTES } from "../../modules/drop/drop.ts";

/** The eight bytes of a ShortId. */
export function shortIdBytes(low: number, high: number): Uint8Array {
  const bytes = Buffer.alloc(SHORT_ID_BYTES);
  bytes.writeUInt32LE(low, 0);
  bytes.writeUInt32LE(high, 4);
  return bytes;
}

export function shortIdText(low: number, high: number): string {
  return Buffer.from(shortIdBytes(low, high)).toString("hex");
}

/** The ShortIds in `bytes`, which has one after another. */
export function shortIdsIn(bytes: Uint8Array): string[] {
  return Array.from({ length: bytes.length / SHORT_ID_BYTES }, (_, at) =>
    Buffer.from(bytes.subarray(SHORT_ID_BYTES * at, SHORT_ID_BYTES * (at + 1))).toString("hex"),
  );
}
