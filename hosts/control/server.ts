/**
 * The socket of a running node (docs/control.md). Commands on the same machine and of the same user ask the node there,
 * because the node alone may write to its store.
 *
 * The caller holds the store's lock before it opens this server, and closes this server before it lets the lock go. So
 * a place of the same store that is there already belongs to a process that was killed, and is removed.
 *
 * Refuses more than CONNECTIONS_MAX connections at a time, a request that is not whole in time, and bytes that are no
 * request: each costs its sender the connection, and the node nothing else.
 */
import { chmodSync, rmdirSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import process from "node:process";
import { receiveFrame } from "./connection.ts";
import { leftPlaces, makePlaces, type Place } from "./places.ts";
import { answerRequest, type ControlHandlers } from "./requests.ts";

/** More than a script starts at a time. A connection that is waiting takes at most 70 KB. */
export const CONNECTIONS_MAX = 32;
/** A command sends its request at once, so a connection that stays silent is none of ours. */
export const REQUEST_DEADLINE_MS = 5_000;

export class ControlServer {
  readonly #served: { server: Server; place: Place }[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #handlers: ControlHandlers;
  readonly #requestDeadlineMs: number;
  readonly #atExit = (): void => this.close();

  private constructor(handlers: ControlHandlers, requestDeadlineMs: number) {
    this.#handlers = handlers;
    this.#requestDeadlineMs = requestDeadlineMs;
  }

  /** Serves the store at new places, one in each folder that can hold places. */
  static async open(
    storePath: string,
    handlers: ControlHandlers,
    requestDeadlineMs = REQUEST_DEADLINE_MS,
  ): Promise<ControlServer> {
    const control = new ControlServer(handlers, requestDeadlineMs);
    const left = leftPlaces(storePath, Date.now());
    for (const place of left.ofStore) remove(place);
    for (const place of makePlaces(storePath)) await control.#listen(place);
    await removeDead(left.others);
    // A failure may end the process from anywhere.
    process.on("exit", control.#atExit);
    return control;
  }

  /** False when no place can be used. Then commands find the store in use. */
  get serves(): boolean {
    return this.#served.length > 0;
  }

  /** Ends all connections and removes the sockets. */
  close(): void {
    process.off("exit", this.#atExit);
    for (const socket of this.#sockets) socket.destroy();
    for (const { server, place } of this.#served.splice(0)) {
      // The library removes the socket when it closes.
      server.close();
      remove(place);
    }
  }

  async #listen(place: Place): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (socket) => void this.#serve(socket));
    server.maxConnections = CONNECTIONS_MAX;
    try {
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(place.socket, resolve);
      });
      chmodSync(place.socket, 0o600);
    } catch {
      server.close();
      remove(place);
      return;
    }
    // A connection that cannot be taken is lost, and its command tries again.
    server.on("error", () => {});
    this.#served.push({ server, place });
  }

  async #serve(socket: Socket): Promise<void> {
    this.#sockets.add(socket);
    // A command that has gone needs no answer.
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
    const frame = await receiveFrame(socket, this.#requestDeadlineMs);
    try {
      const answer = typeof frame === "string" || socket.destroyed ? "malformed" : answerRequest(frame, this.#handlers);
      if (typeof answer === "string") return;
      await new Promise<void>((resolve) => {
        socket.on("close", resolve);
        socket.setTimeout(this.#requestDeadlineMs, resolve);
        socket.end(answer, resolve);
      });
    } finally {
      socket.destroy();
    }
  }
}

/** Removes those of the places where nobody listens: their nodes were killed. */
async function removeDead(places: Place[]): Promise<void> {
  for (const place of places) {
    const code = await new Promise<string | undefined>((resolve) => {
      const socket = connect(place.socket, () => resolve(socket.destroy() && undefined));
      socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code));
    });
    if (code === "ECONNREFUSED" || code === "ENOENT") remove(place);
  }
}

/** Something else may lie there. Then the folder stays. */
function remove(place: Place): void {
  try {
    rmSync(place.socket, { force: true });
    rmdirSync(place.folder);
  } catch {}
}
