/**
 * How many strangers may begin a handshake (docs/distsoc.md, "Strangers").
 *
 * The problem: a handshake costs a millisecond of the processor, and the QUIC library keeps some 25 KB for each NodeId
 * for a minute after its last connection. So nodes that connect and leave as fast as they can would fill the memory.
 * Before the handshake only the address of a node is known, and an address can be forged.
 *
 * The rule: each handshake takes a token out of three buckets: of its socket, of its host, and of all. One socket
 * or one host that asks too often uses up only its own tokens, so others still find some. A socket that was refused
 * and asks again after a moment may take a token of a further bucket instead of those of its host and of all: nodes
 * that come from ever new sockets do not ask twice. The named peers are preferred: their hosts share a bucket of
 * their own instead of that of all, and each of their sockets needs only a token of its own. A socket is a named
 * peer's when the peer is named by it, or when a handshake from it proved the NodeId of the peer. When a shared
 * bucket is less than half full, an address that is not proven must prove itself first (QUIC's Retry), which costs
 * no memory here.
 *
 * Invariant: memory is bounded by SOURCES_MAX, however many addresses ask.
 */
import type { Timers } from "../../retry/timers.ts";

/** A node that lost its connection dials a few times in the first seconds. */
const SOCKET_TOKENS = { burst: 16, perSecond: 0.05 };
const PREFERRED_SOCKET_TOKENS = { burst: 32, perSecond: 4 };
/** A host may stand for a house or a street behind one address. */
const HOST_TOKENS = { burst: 128, perSecond: 8 };
/** At the rates of these three together the library keeps 1,440 NodeIds, some 40 MB. */
const ALL_TOKENS = { burst: 192, perSecond: 8 };
const NAMED_TOKENS = { burst: 128, perSecond: 8 };
const PERSISTENT_TOKENS = { burst: 32, perSecond: 8 };
/** A node that is refused waits at least this long before it dials again. */
const PERSISTENT_AFTER_MS = 100;
/** A socket that asks again must have this many of its own tokens: it had few handshakes lately. */
const PERSISTENT_OWN_TOKENS = 14;
/** The most sockets and hosts whose buckets are remembered, some 2 MB. The ones that asked first are forgotten. */
const SOURCES_MAX = 4096;
/** The most sockets that are remembered because a named peer came from them. */
const LEARNED_MAX = 256;

interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

interface Bucket {
  readonly rate: Rate;
  tokens: number;
  sinceMs: number;
  /** Of a socket: when it was refused first since its last handshake. */
  refusedMs?: number | undefined;
}

/**
 * - accept: the handshake may begin.
 * - prove: the node must prove its address first.
 * - refuse: there is no token.
 */
export type GateAnswer = "accept" | "prove" | "refuse";

export class Gate {
  readonly #timers: Timers;
  /** The buckets of the sockets of named peers. */
  readonly #preferred = new Map<string, Bucket>();
  readonly #namedHosts = new Set<string>();
  readonly #learned = new Set<string>();
  readonly #all: Bucket;
  readonly #named: Bucket;
  readonly #persistent: Bucket;
  /** The buckets of sockets and hosts. A bucket that was used last is the last one. */
  readonly #sources = new Map<string, Bucket>();

  constructor(timers: Timers) {
    this.#timers = timers;
    this.#all = this.#filled(ALL_TOKENS);
    this.#named = this.#filled(NAMED_TOKENS);
    this.#persistent = this.#filled(PERSISTENT_TOKENS);
  }

  /** A peer is named by this socket. */
  prefer(socket: string): void {
    this.#preferred.set(socket, this.#filled(PREFERRED_SOCKET_TOKENS));
    this.#namedHosts.add(ipOf(socket));
  }

  /** A handshake from this socket proved the NodeId of a named peer. */
  learn(socket: string): void {
    if (this.#preferred.has(socket)) return;
    this.#preferred.set(socket, this.#filled(PREFERRED_SOCKET_TOKENS));
    this.#learned.add(socket);
    if (this.#learned.size <= LEARNED_MAX) return;
    const [oldest] = this.#learned;
    this.#learned.delete(oldest!);
    this.#preferred.delete(oldest!);
  }

  /** Judges one handshake that comes from this socket, `ip:port` or `[ip]:port`. */
  admit(socket: string, proven: boolean): GateAnswer {
    const ip = ipOf(socket);
    const preferred = this.#preferred.get(socket);
    const shared = preferred ?? (this.#namedHosts.has(ip) ? this.#named : this.#all);
    if (!proven && this.#level(shared) < shared.rate.burst / 2) return "prove";
    if (preferred !== undefined) return this.#take([preferred]) ? "accept" : "refuse";
    const own = this.#source(socket, SOCKET_TOKENS);
    const host = this.#source(hostOf(ip), HOST_TOKENS);
    const nowMs = this.#timers.now();
    const again = nowMs - (own.refusedMs ?? nowMs) >= PERSISTENT_AFTER_MS;
    const persistent = again && this.#level(own) >= PERSISTENT_OWN_TOKENS;
    if (this.#take([shared, host, own]) || (persistent && this.#take([this.#persistent, own]))) {
      own.refusedMs = undefined;
      return "accept";
    }
    own.refusedMs ??= nowMs;
    return "refuse";
  }

  /** Takes a token out of each of the buckets, or none. */
  #take(buckets: readonly Bucket[]): boolean {
    if (buckets.some((bucket) => this.#level(bucket) < 1)) return false;
    for (const bucket of buckets) bucket.tokens -= 1;
    return true;
  }

  #source(name: string, rate: Rate): Bucket {
    const bucket = this.#sources.get(name) ?? this.#filled(rate);
    this.#sources.delete(name);
    this.#sources.set(name, bucket);
    if (this.#sources.size > SOURCES_MAX) {
      const [oldest] = this.#sources.keys();
      this.#sources.delete(oldest!);
    }
    return bucket;
  }

  #filled(rate: Rate): Bucket {
    return { rate, tokens: rate.burst, sinceMs: this.#timers.now() };
  }

  #level(bucket: Bucket): number {
    const nowMs = this.#timers.now();
    const { burst, perSecond } = bucket.rate;
    bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.sinceMs) / 1000) * perSecond);
    bucket.sinceMs = nowMs;
    return bucket.tokens;
  }
}

function ipOf(socket: string): string {
  return socket.slice(0, socket.lastIndexOf(":"));
}

/** Whoever has an IPv6 address usually has the whole /64 of it, so these count as one host. */
function hostOf(ip: string): string {
  if (!ip.startsWith("[")) return ip;
  const groups = ip.slice(1, -1).split(":");
  const gap = groups.indexOf("");
  const full = gap < 0 ? groups : [...groups.slice(0, gap), ...new Array<string>(8).fill("0")];
  return full.slice(0, 4).join(":");
}
