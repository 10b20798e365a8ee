/** Replaces modules/espnow/espnow-binding.c: one radio, on the desk's air, with the refusals of the C. */
import type { Radio } from "../../../modules/throwie/ports.ts";

const ADDRESS_BYTES = 6;
const LABEL_BYTES = ADDRESS_BYTES + 1;
const FRAME_BYTES_MAX = 1_470;
const RECEIVED_RING_BYTES = 24 * 1024;
const RECORD_HEADER_BYTES = 9;
const COUNTERS = 8;
const SENT = 0;
const DELIVERED = 1;
const ABANDONED = 5;

/** The radio that the present life has opened. desk.ts forgets it when the life ends. */
export interface OpenRadio {
  owner: object;
  radio: Radio & { close(): void };
  heard: { frame: Uint8Array; label: Uint8Array }[];
  counters: Uint32Array;
}

function openedBy(owner: object): OpenRadio | undefined {
  const { espnow } = globalThis.desk;
  return espnow?.owner === owner ? espnow : undefined;
}

export const ESPNOW = {
  xs_espnow_open(
    this: object,
    ...[_channel, _rate, address, wake]: [number, number, Uint8Array, (room: boolean) => void]
  ): number {
    if (globalThis.desk.espnow !== undefined) throw new Error("espnow: the radio is open already; close it first");
    if (address.length !== ADDRESS_BYTES) throw new RangeError("espnow: an address is 6 bytes");
    const heard: OpenRadio["heard"] = [];
    const counters = new Uint32Array(COUNTERS);
    const radio = globalThis.desk.openRadio({
      onFrame(bytes, lengthBytes, from) {
        heard.push({ frame: bytes.slice(0, lengthBytes), label: Uint8Array.of(...from, globalThis.desk.rssiDbm) });
        wake(false);
      },
      onRoom() {
        counters[globalThis.desk.abandoning ? ABANDONED : DELIVERED]!++;
        wake(true);
      },
    });
    globalThis.desk.espnow = { owner: this, radio, heard, counters };
    address.set(radio.address);
    return radio.frameSizeBytesMax;
  },

  xs_espnow_close(this: object): void {
    openedBy(this)?.radio.close();
    if (openedBy(this) !== undefined) globalThis.desk.espnow = undefined;
  },

  xs_espnow_queue_frames(frameBytes: number): number {
    return Math.floor((RECEIVED_RING_BYTES - 1) / (RECORD_HEADER_BYTES + frameBytes));
  },

  xs_espnow_full(this: object): boolean {
    return openedBy(this)?.radio.full ?? true;
  },

  xs_espnow_send(this: object, frame: Uint8Array, lengthBytes: number, to: Uint8Array): boolean {
    const opened = openedBy(this);
    if (to.length !== ADDRESS_BYTES) throw new RangeError("espnow: an address is 6 bytes");
    if (
      !(
        lengthBytes >= 1 &&
        lengthBytes <= frame.length &&
        lengthBytes <= (opened?.radio.frameSizeBytesMax ?? lengthBytes)
      )
    )
      throw new RangeError("espnow: a frame is 1 to frameSizeBytesMax bytes");
    if (opened === undefined || !opened.radio.send(frame, lengthBytes, to)) return false;
    opened.counters[SENT]!++;
    return true;
  },

  xs_espnow_take(this: object, frame: Uint8Array, label: Uint8Array): number {
    if (frame.length < FRAME_BYTES_MAX || label.length !== LABEL_BYTES) throw new RangeError("espnow: buffers");
    const oldest = openedBy(this)?.heard.shift();
    if (oldest === undefined) return 0;
    frame.set(oldest.frame);
    label.set(oldest.label);
    return oldest.frame.length;
  },

  xs_espnow_count(this: object, numbers: ArrayBuffer): void {
    if (numbers.byteLength !== COUNTERS * 4) throw new RangeError("espnow: counters");
    const opened = openedBy(this);
    if (opened !== undefined) new Uint32Array(numbers).set(opened.counters);
  },

  xs_espnow_last_error(): undefined {},
};
