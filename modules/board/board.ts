/**
 * The board itself: `board.c` on an ESP32, `board-lin.c` on a desk, behind one face (ports.ts).
 *
 * Each method is a native call and nothing else, so that XS makes no function and no garbage when it is called. Not to
 * be preloaded: what it reads when it is loaded is this board's and this life's.
 */
import type { Board, Memory, WakeCause } from "./ports.ts";

class NativeMemory implements Memory {
  read(into: Uint8Array): void {
    native("xs_board_memory_read").call(this, into);
  }

  write(from: Uint8Array): void {
    native("xs_board_memory_write").call(this, from);
  }
}

class NativeBoard implements Board {
  readonly wakeCause: WakeCause = this.begin();
  readonly memory = new NativeMemory();

  /** Starts the clock and the watchdog. Never throws: it runs when this is imported, before anyone catches. */
  private begin(): WakeCause {
    return native("xs_board_begin").call(this);
  }

  now(): number {
    return native("xs_board_now").call(this);
  }

  fill(bytes: Uint8Array): void {
    native("xs_board_fill").call(this, bytes);
  }

  sleep(ms: number): never {
    return native("xs_board_sleep").call(this, ms) as never;
  }

  restart(): never {
    return native("xs_board_restart").call(this) as never;
  }

  feedWatchdog(): void {
    native("xs_board_feed_watchdog").call(this);
  }

  log(line: string): void {
    native("xs_board_log").call(this, line);
  }
}

export const board: Board = new NativeBoard();
