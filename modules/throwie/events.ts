/**
 * What a node tells its host, for a log, a trace or a gateway. The host must not call the node from inside an event,
 * and must copy an address that it keeps.
 */
import type { MacAddress } from "./ports.ts";

/**
 * Why a contact ended: both had nothing more to send; the peer fell silent; the peer began another session, or woke
 * anew; the opening, or a reconciliation, was not answered in time; the peer's reconciliation broke the rules; our own
 * flash took no Drop; the contact gave its place to a peer that waits.
 */
export type CloseReason =
  | "done"
  | "silent"
  | "superseded"
  | "restarted"
  | "unanswered"
  | "refused"
  | "flash"
  | "yielded";

/**
 * What a node tells (docs/protocol.md, "Contacts"). Called inside the node's own calls. `peer` is six bytes that the
 * node uses again. A slot names a Drop in the node's store.
 */
export interface NodeEvents {
  /** A contact with the peer began; the session's id is 16 bits. */
  contactOpened(peer: MacAddress, sessionId: number): void;
  /** This node now knows which of its Drops the peer lacks; `offered` is their number. */
  reconciled(peer: MacAddress, offered: number): void;
  /** The peer keeps the Drop. */
  dropSent(slot: number, peer: MacAddress): void;
  /** A Drop is in flash; `peer` is undefined for one of the node's own or its wire's. It may not be verified yet. */
  dropStored(slot: number, peer: MacAddress | undefined): void;
  /** The Drop's hash is right: from now on it is served onward. */
  dropVerified(slot: number): void;
  /**
   * A Drop that was stored is gone: it died for another Drop, or its hash turned out wrong. The words are its ShortId.
   */
  dropLost(shortIdLow: number, shortIdHigh: number, cause: "evicted" | "corrupt"): void;
  /** The contact is over. */
  contactClosed(peer: MacAddress, sessionId: number, reason: CloseReason): void;
}

const nothing = (): void => {};

/** Events that nobody listens to: `{ ...SILENT, dropVerified }` listens to one. */
export const SILENT: NodeEvents = Object.freeze({
  contactOpened: nothing,
  reconciled: nothing,
  dropSent: nothing,
  dropStored: nothing,
  dropVerified: nothing,
  dropLost: nothing,
  contactClosed: nothing,
});
