/**
 * Events: what a node tells its host, for a log, a trace or a gateway.
 *
 * The node calls the host in the middle of its own work. So the host must not call the node from inside an event, and
 * must copy an address that it keeps.
 */
import type { MacAddress } from "./ports.ts";

/**
 * Why a contact ended:
 * - done: neither node had anything more to send.
 * - silent: nothing was heard of the peer for too long, or nothing came of the contact for too long.
 * - superseded: the peer began another session, or this node's own opening gave way to an opening by another peer.
 * - restarted: a beacon showed that the peer woke anew.
 * - unanswered: an opening or a reconciliation was not answered in time.
 * - refused: the peer's reconciliation broke the rules, or the peer brought false Drops again and again.
 * - flash: this node's own flash took no Drop.
 * - yielded: the contact gave its place to a peer that waits.
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
 * The events of a node (docs/protocol.md, "Contacts"). The node calls them inside its own calls. `peer` is a buffer of
 * six bytes that the node uses again. A slot names a Drop in the node's store.
 */
export interface NodeEvents {
  /** A contact with the peer began. The session's id has 16 bits. */
  contactOpened(peer: MacAddress, sessionId: number): void;
  /** This node now knows which of its Drops the peer lacks; `offered` is their number. */
  reconciled(peer: MacAddress, offered: number): void;
  /** This node sent the Drop, and the peer keeps it. */
  dropSent(slot: number, peer: MacAddress): void;
  /**
   * A Drop is in flash. `peer` is undefined for a Drop that was written at this node or came by wire. The Drop may not
   * be verified yet.
   */
  dropStored(slot: number, peer: MacAddress | undefined): void;
  /** The Drop's hash is right: from now on the node serves the Drop to peers. */
  dropVerified(slot: number): void;
  /**
   * A Drop is gone from the store: it died for another Drop, its hash turned out wrong, or its owner removed it. The
   * two words are its ShortId.
   */
  dropLost(shortIdLow: number, shortIdHigh: number, cause: "evicted" | "corrupt" | "removed"): void;
  /** An own Drop gave way to a newer one: it stays in the store, but is protected no longer. */
  dropGaveWay(shortIdLow: number, shortIdHigh: number): void;
  /** The contact is over. */
  contactClosed(peer: MacAddress, sessionId: number, reason: CloseReason): void;
}

const nothing = (): void => {};

/** Events that do nothing. `{ ...SILENT, dropVerified }` listens to one event. */
export const SILENT: NodeEvents = Object.freeze({
  contactOpened: nothing,
  reconciled: nothing,
  dropSent: nothing,
  dropStored: nothing,
  dropVerified: nothing,
  dropLost: nothing,
  dropGaveWay: nothing,
  contactClosed: nothing,
});
