/**
 * What a node asks of the machine it runs on (design section 3). Each port is owned here, by its consumer; a board,
 * a Linux host and the simulator each bring their own.
 */

/** Six bytes; all ones is every node in range. */
export type MacAddress = Uint8Array;
/** The size of a MAC address. */
export const ADDRESS_BYTES = 6;

/** Whether two addresses are equal in all six bytes. */
export function sameAddress(a: MacAddress, b: MacAddress): boolean {
  for (let i = 0; i < ADDRESS_BYTES; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * A radio that sends and receives datagrams (docs/protocol.md, "Frames"). A frame arrives with all its bytes or not at
 * all. A disturbed air may lose, repeat and re-order frames, and change bits of them. test/radio-contract.ts tests every
 * rule that stands here, for every radio.
 */
export interface Radio {
  /** This radio's own address. */
  readonly address: MacAddress;
  /** Largest frame in bytes, sent or received, at least 1: 250 for ESP-NOW v1, 1,470 for v2. */
  readonly frameSizeBytesMax: number;
  /** Received frames that can wait for the node, at least 1. Peers are asked to have no more in flight. */
  readonly receiveQueueFrames: number;
  /** `send` would refuse now: it saves building the frame. A closed radio is full. */
  readonly full: boolean;
  /**
   * Queue `frame[0 .. lengthBytes)`, which the radio copies before this returns. False when the radio is full, and only
   * then: nothing was taken, and the radio calls `onRoom` when it has room.
   *
   * True promises transmission, not reception. Only the radio with the address `to` hands the frame over; every radio in
   * range does if all bytes of `to` are ones, but never the sender. On an undisturbed air the frames of one sender arrive in
   * the order in which they were sent.
   *
   * Throws a RangeError, and takes nothing, if `lengthBytes` is not 1 to `frameSizeBytesMax` or the buffer is shorter: that
   * is a bug of the caller.
   */
  send(frame: Uint8Array, lengthBytes: number, to: MacAddress): boolean;
}

/** What a radio calls: one handler at a time, never from inside `send`, and none after the radio was closed. */
export interface RadioHandlers {
  /**
   * The radio `from` sent the frame `bytes[0 .. lengthBytes)`. Both buffers belong to the radio, which uses them again: they
   * stay as they are during the call, and a handler only reads them, and only during the call. `bytes` may be longer than
   * the frame.
   */
  onFrame(bytes: Uint8Array, lengthBytes: number, from: MacAddress): void;
  /** A place in the send queue came free: at least once after the radio was full. */
  onRoom(): void;
}

/** Throws the RangeError that `Radio.send` has to throw. */
export function checkFrame(radio: Radio, frame: Uint8Array, lengthBytes: number): void {
  if (!(lengthBytes >= 1 && lengthBytes <= radio.frameSizeBytesMax && lengthBytes <= frame.length)) {
    throw new RangeError("radio: a frame is 1 to frameSizeBytesMax bytes, all of them in its buffer");
  }
}

/** The node's clock. The node takes no time from anywhere else. */
export interface Clock {
  /** Whole milliseconds since boot, monotonic across deep sleep. */
  now(): number;
}

/** The node's source of chance: nonces, salts and the phase of its beacons. */
export interface Random {
  /** Fill all of `bytes` with unpredictable bits. */
  fill(bytes: Uint8Array): void;
}
