/**
 * One QUIC connection of the library @number0/iroh (iroh-transport.ts): its streams, and the deadlines of what arrives
 * on them.
 *
 * Invariant: every stream ends with an answer or a code. A message that stays incomplete costs its sender the
 * connection, because the library allows no second call on half of a stream while one is pending.
 */
import type { Connection as IrohConnection, RecvStream, SendStream } from "@number0/iroh";
import { SYSTEM_TIMERS } from "../../retry/timers.ts";
import { type NodeId, nodeIdOf } from "../node-id.ts";
import { ERROR_CODES, type ErrorName } from "../wire/error-codes.ts";
import {
  type Connection,
  INBOUND_MESSAGE_DEADLINE_MS,
  INBOUND_STREAMS_MAX,
  type MessageBounds,
  ProtocolError,
  type RequestOptions,
  TransportError,
  within,
} from "./transport.ts";

export type Answering = (from: NodeId, message: Uint8Array) => Promise<Uint8Array | ProtocolError>;

interface QuicConnectionOptions {
  iroh: IrohConnection;
  dialled: boolean;
  answer: Answering;
  bounds: MessageBounds;
}

export class QuicConnection implements Connection {
  readonly peer: NodeId;
  readonly dialled: boolean;
  readonly closed: Promise<number | undefined>;
  readonly #iroh: IrohConnection;
  readonly #answer: Answering;
  readonly #bounds: MessageBounds;
  #open = true;
  #inboundStreams = 0;
  #streamEnded: () => void = () => {};
  #closedHere!: (code: number | undefined) => void;

  constructor({ iroh, dialled, answer, bounds }: QuicConnectionOptions) {
    this.#iroh = iroh;
    this.dialled = dialled;
    this.#answer = answer;
    this.#bounds = bounds;
    this.peer = nodeIdOf(toBytes(iroh.remoteId().toBytes()));
    this.closed = new Promise((resolve) => {
      this.#closedHere = resolve;
    });
    iroh.closed().then(
      (reason) => this.#end(codeIn(reason, /^closed by peer: (?:.* \(code )?(\d+)\)?$/s)),
      () => this.#end(undefined),
    );
    iroh.setMaxConcurrentBiStreams(BigInt(INBOUND_STREAMS_MAX));
    iroh.setMaxConcurrentUniStreams(0n);
    void this.#serve();
  }

  async request(message: Uint8Array, { deadlineMs }: RequestOptions): Promise<Uint8Array> {
    if (message.length > this.#bounds.requestSizeBytesMax) throw new TransportError("too-large");
    if (!this.#open) throw new TransportError("closed");
    return within(SYSTEM_TIMERS, deadlineMs, this.#exchange(toNumbers(message)));
  }

  close(code: ErrorName): void {
    if (!this.#open) return;
    this.#iroh.close(BigInt(ERROR_CODES[code]), []);
    this.#end(ERROR_CODES[code]);
  }

  #end(code: number | undefined): void {
    this.#open = false;
    this.#streamEnded();
    this.#closedHere(code);
  }

  async #exchange(message: number[]): Promise<Uint8Array> {
    let receiving: RecvStream | undefined;
    try {
      const stream = await this.#iroh.openBi();
      const sending = stream.send;
      receiving = stream.recv;
      // A peer that refuses early stops the sending side. The reset of the receiving side then holds the code.
      const sent = sending.writeAll(message).then(() => sending.finish());
      sent.catch(() => {});
      return toBytes(await receiving.readToEnd(this.#bounds.answerSizeBytesMax));
    } catch (error) {
      const reason = firstLine(error);
      const code = codeIn(reason, /^Read\(Reset\((\d+)\)\)$/);
      if (code !== undefined) throw new ProtocolError(code);
      if (reason !== "TooLong") throw new TransportError("closed", reason);
      receiving?.stop(BigInt(ERROR_CODES["too-large"])).catch(() => {});
      throw new TransportError("too-large", "the answer");
    }
  }

  /** Accepts a stream only when there is room to serve it. QUIC makes the sender of any further stream wait. */
  async #serve(): Promise<void> {
    try {
      while (this.#open) {
        if (this.#inboundStreams >= INBOUND_STREAMS_MAX) {
          await new Promise<void>((resolve) => {
            this.#streamEnded = resolve;
          });
          continue;
        }
        const stream = await this.#iroh.acceptBi();
        this.#inboundStreams += 1;
        void this.#serveStream(stream.recv, stream.send);
      }
    } catch {
      // The connection is lost. The owner learns this from `closed`.
    }
  }

  async #serveStream(receiving: RecvStream, sending: SendStream): Promise<void> {
    try {
      const answer = await this.#read(receiving, sending);
      if (answer instanceof ProtocolError) {
        await sending.reset(BigInt(answer.code));
      } else if (answer !== undefined) {
        await sending.writeAll(toNumbers(answer));
        await sending.finish();
      }
    } catch {
      // The side that asked no longer wants the answer, or its connection is lost.
    } finally {
      this.#inboundStreams -= 1;
      this.#streamEnded();
    }
  }

  async #read(receiving: RecvStream, sending: SendStream): Promise<Uint8Array | ProtocolError | undefined> {
    let message: number[];
    try {
      const reading = receiving.readToEnd(this.#bounds.requestSizeBytesMax);
      message = await within(SYSTEM_TIMERS, INBOUND_MESSAGE_DEADLINE_MS, reading);
    } catch (error) {
      if (error instanceof TransportError) {
        this.close("too-slow");
        return undefined;
      }
      if (firstLine(error) !== "TooLong") {
        await sending.reset(BigInt(ERROR_CODES.malformed));
        return undefined;
      }
      receiving.stop(BigInt(ERROR_CODES["too-large"])).catch(() => {});
      return new ProtocolError("too-large");
    }
    return this.#answer(this.peer, toBytes(message));
  }
}

function codeIn(text: string, pattern: RegExp): number | undefined {
  const digits = pattern.exec(text)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Returns the message alone, without a stack trace. */
export function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0]!;
}

export function toNumbers(bytes: Uint8Array): number[] {
  const numbers = new Array<number>(bytes.length);
  for (let index = 0; index < bytes.length; index += 1) numbers[index] = bytes[index]!;
  return numbers;
}

function toBytes(numbers: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(numbers.length);
  for (let index = 0; index < numbers.length; index += 1) bytes[index] = numbers[index]!;
  return bytes;
}
