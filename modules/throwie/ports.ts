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
 * A radio that sends and receives datagrams (docs/protocol.md, "Frames"). It may lose, repeat and re-order them; it
 * delivers a frame whole or not at all.
 */
export interface Radio {
  /** This radio's own address. */
  readonly address: MacAddress;
  /** Largest frame in bytes, sent or received: 250 for ESP-NOW v1, 1,470 for v2. */
  readonly frameSizeBytesMax: number;
  /** Received frames that can wait for the node. Peers are asked to have no more in flight. */
  readonly receiveQueueFrames: number;
  /** `send` would refuse now: it saves building the frame. */
  readonly full: boolean;
  /**
   * Queue one frame. The radio copies it before it returns. False: the queue is full, nothing was taken; the host calls
   * `turn()` again when there is room. True promises transmission, not reception.
   */
  send(frame: Uint8Array, lengthBytes: number, to: MacAddress): boolean;
}

/** What every radio calls, between two runs of the node and never from inside `send`. */
export interface RadioHandlers {
  /**
   * The radio `from` sent the frame `bytes[0 .. lengthBytes)` to this radio or to every node in range. Both buffers belong
   * to the radio, which uses them again: the handler only reads them, and only during the call. `bytes` may be longer than
   * the frame.
   */
  onFrame(bytes: Uint8Array, lengthBytes: number, from: MacAddress): void;
  /** A place in the send queue came free. */
  onRoom(): void;
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
