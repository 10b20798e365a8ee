/**
 * How long a contact waits for its peer (docs/protocol.md, "Contacts").
 *
 * A peer walks away without notice, or is there and slow. A contact that waits for too long keeps a place, or the
 * workspace of reconciliation, from other peers. A contact that gives up too soon begins anew for nothing. So the
 * contact keeps when the peer last beaconed, when a Drop last moved, and when it last asked the peer, and this class
 * says what follows from these times.
 *
 * This class refuses to close a contact (meetings.ts).
 */
import type { Link } from "../glacier/link.ts";
import { TOKEN_INTERVAL_MS } from "./admission.ts";

/** An opening is given up after so long without an answer. The link has repeated it half a dozen times by then. */
const OPENING_TIMEOUT_MS = 1_500;
/** When not even a beacon was heard for so long, the peer has walked away. Two beacon intervals and a half. */
const SILENT_TIMEOUT_MS = 2_500;
/** In so long a peer answers an OPEN. A board of 750 Drops needs half of this to salt its set and to summarise it. */
const ANSWER_MS = 300;
/** In so long a peer goes on with a reconciliation that it has begun: several round trips. */
const STEP_MS = 150;
/** However well a reconciliation goes on, after so long other peers may have the workspace. */
const SHARE_MS = 750;
/** A peer with which contacts came to nothing gets these times doubled, up to so often: it may be far away by line. */
const PATIENCE_DOUBLINGS_MAX = 2;
/**
 * The same as SILENT_TIMEOUT_MS while one of the two waits for room at the other. Then they exchange a frame every 4 s,
 * and beacons may be lost. The contact yields its place meanwhile to whoever wants it.
 */
const WAITING_TIMEOUT_MS = 6_000;
/** For so long a frame of the session outweighs a beacon that says that the peer woke anew. */
const SESSION_OUTWEIGHS_MS = 500;
/** A Drop that takes longer to come is brought on purpose, or from the edge of range: ten frames are 30 ms of air. */
const TRICKLE_MS = 3_000;
/** After so long a silence, a contact yields its place if another node wants it. A beacon interval and a half. */
const QUIET_MS = 1_500;
/** After so long without progress, though frames or beacons come, the peer has closed the session or plays for time. */
const IDLE_TIMEOUT_MS = 10_000;
/**
 * A reconciliation is given up after so long, because other contacts need the workspace. This is many times the tenth
 * of a second that a reconciliation takes.
 */
const RECONCILING_TIMEOUT_MS = 3_000;
const NOTHING = -1;

export class Patience {
  /** When the peer's beacon was last heard, in clock milliseconds, as all times here. */
  beaconMs = 0;
  /** When a Drop last moved, or could first have begun to move. */
  movedMs = 0;
  /** When a message of the reconciliation was last given to the link. */
  askedMs = 0;
  readonly #link: Link;
  /** When the Drop began to come that is not whole yet; NOTHING if none comes. */
  #comingSinceMs = NOTHING;

  constructor(link: Link) {
    this.#link = link;
  }

  begin(now: number): void {
    this.beaconMs = now;
    this.movedMs = now;
    this.askedMs = now;
    this.#comingSinceMs = NOTHING;
  }

  /** A Drop comes that is not whole yet. */
  comes(now: number): void {
    if (this.#comingSinceMs === NOTHING) this.#comingSinceMs = now;
  }

  /** The Drop is whole. */
  came(): void {
    this.#comingSinceMs = NOTHING;
  }

  /** When the peer was last heard. */
  get peerHeardMs(): number {
    return Math.max(this.#link.heardMs, this.beaconMs);
  }

  /** Whether a frame of the session came so lately that nobody else speaks for the peer. */
  outweighs(now: number): boolean {
    return now - this.#link.heardMs < SESSION_OUTWEIGHS_MS;
  }

  /**
   * Whether the peer had the time that its next step of the reconciliation takes. `opening`: this step is the answer to
   * an OPEN. `failures`: how often in a row contacts with the peer came to nothing.
   */
  late(opening: boolean, failures: number, now: number): boolean {
    const patienceMs = opening ? ANSWER_MS : STEP_MS;
    return now - Math.max(this.askedMs, this.#link.progressMs) >= patienceMs << doublings(failures);
  }

  /** Whether the contact has had the workspace for as long as one contact may have it while others wait. */
  hadItsShare(failures: number, now: number): boolean {
    return now - this.#link.begunMs >= SHARE_MS << doublings(failures);
  }

  /**
   * Whether the contact has stalled so far that it yields its place: its peer is not heard, or no Drop moved for longer
   * than a token's interval, or a Drop has been coming for long and is not whole.
   */
  stagnates(now: number): boolean {
    // A peer at which this node waits for room says little.
    if (now - this.peerHeardMs >= (this.#link.sender.room.none ? WAITING_TIMEOUT_MS : QUIET_MS)) return true;
    if (now - this.movedMs >= TOKEN_INTERVAL_MS + QUIET_MS) return true;
    return this.#comingSinceMs !== NOTHING && now - this.#comingSinceMs >= TRICKLE_MS;
  }

  /** Whether there was progress so lately that the end need not be computed for each frame. */
  safe(untilMs: number): boolean {
    return untilMs < this.#link.progressMs + SILENT_TIMEOUT_MS;
  }

  /** When the contact is given up if nothing happens. */
  get endMs(): number {
    const link = this.#link;
    // A beacon says that the peer is near. It does not say that the peer still knows this session. So while messages
    // wait for an answer, only frames of the session count. A peer without room has answered.
    const { sender } = link;
    const { none } = sender.room;
    const heardMs = none || sender.idle ? this.peerHeardMs : link.heardMs;
    const silentMs = heardMs + (none || (link.roomless && !link.peerDone) ? WAITING_TIMEOUT_MS : SILENT_TIMEOUT_MS);
    return Math.min(silentMs, link.progressMs + IDLE_TIMEOUT_MS);
  }

  /** When the reconciliation is given up at the latest. */
  reconciliationEndMs(opening: boolean): number {
    return this.#link.begunMs + (opening ? OPENING_TIMEOUT_MS : RECONCILING_TIMEOUT_MS);
  }
}

function doublings(failures: number): number {
  return Math.min(failures, PATIENCE_DOUBLINGS_MAX);
}
