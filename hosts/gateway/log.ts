/** The log of a gateway: lines of JSON that never keep the gateway waiting (hosts/machine/log-lines.ts). */
import { type Logger, pino } from "pino";
import { withEscapes } from "../machine/harmless.ts";
import { LogLines, type LogSink } from "../machine/log-lines.ts";

export interface GatewayLog {
  readonly logger: Logger;
  /** Resolves when every line is written, or soon. */
  close(): Promise<void>;
}

/** Opens a log on a file descriptor, or on another sink. `log-dropped` tells how many lines were lost before it. */
export function openLog(target: number | LogSink): GatewayLog {
  const lines = new LogLines(target, (count) => logger.warn({ event: "log-dropped", lines: count }));
  // pino escapes only what JSON must escape.
  const write = (line: string): void => lines.write(`${withEscapes(line.trimEnd())}\n`);
  const logger = pino({ base: null }, { write });
  return { logger, close: () => lines.close() };
}
