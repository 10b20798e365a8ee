/**
 * The types of frames, one row each (docs/protocol.md, "Frames", has the same table).
 *
 * Code that forgets a type takes its frames for frames of another type. So this table says everything that is said of a
 * type. Code that does different things for different types switches over them and ends in `unhandled`: the compiler
 * then refuses every such switch that does not handle a new type. A row also decides where the frames go: frames
 * without a session to the node (throwie.ts), whole frames of a session to the link (link.ts), messages to the contact
 * (contact.ts). Each of these takes frames of its own types only, so the compiler names the one place where a new type
 * is still to be handled.
 *
 * This file does not know the layout of frames: that is frame.ts.
 */

/** "I am here, and this is a fingerprint of my set", to every node in range. */
export const BEACON = 1;
/** The message that opens a contact, and brings the first message of the reconciliation. */
export const OPEN = 2;
/** Any later message of the reconciliation. */
export const RECONCILE = 3;
/** A Drop. */
export const DROP = 4;
/** Which fragments have arrived. */
export const ACK = 5;

interface FrameTypeRow {
  /** Bits 4 to 6 of type_ver: 1 to 7. */
  readonly code: number;
  readonly name: string;
  /** The frame belongs to the session of a contact. Other frames have session_id 0. */
  readonly session: boolean;
  /** The frame is a fragment of a message, which the link makes reliable. Other frames are whole. */
  readonly fragment: boolean;
  /**
   * The frame may begin a session. Its message is cut for ESP-NOW v1 bodies, since it agrees on how the others are cut.
   */
  readonly opens: boolean;
  /** The frame may go by broadcast, which no radio acknowledges or repeats. */
  readonly broadcast: boolean;
}

/** The row of each type, by its code; undefined where there is no type. */
export const FRAME_TYPES = [
  undefined,
  { code: BEACON, name: "BEACON", session: false, fragment: false, opens: false, broadcast: true },
  { code: OPEN, name: "OPEN", session: true, fragment: true, opens: true, broadcast: false },
  { code: RECONCILE, name: "RECONCILE", session: true, fragment: true, opens: false, broadcast: false },
  { code: DROP, name: "DROP", session: true, fragment: true, opens: false, broadcast: true },
  { code: ACK, name: "ACK", session: true, fragment: false, opens: false, broadcast: true },
] as const satisfies readonly (FrameTypeRow | undefined)[];

type Row = NonNullable<(typeof FRAME_TYPES)[number]>;
/** The code of a type. */
export type FrameType = Row["code"];
/** Types that belong to a session. */
export type SessionType = Extract<Row, { session: true }>["code"];
/** Types of messages. */
export type MessageType = Extract<Row, { fragment: true }>["code"];

/** The end of a switch over types: the compiler lets no type come here. */
export function unhandled(_type: never): never {
  throw new Error("glacier: a frame type that is not handled");
}
