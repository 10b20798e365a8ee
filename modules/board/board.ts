/**
 * The board itself, behind the interface of ports.ts: `board-esp32.c` on an ESP32, `board-lin.c` on a desk.
 *
 * Each method is one native call, so that XS makes no function and no garbage for it. This module must not be
 * preloaded: when it is loaded, it reads state of this board and this life.
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

  /** Starts the clock and the watchdog. Never throws, because it runs at import, before any handler exists. */
  private begin(): WakeCause {
    return native("xs_board_begin").call(this);
  }

  now(): number {
    return native("xs_board_now").call(this);
  }

  fill(bytes: Uint8Array): void {
    native("xs_board_fill").call(this, bytes);
  }

  setClock(mhz: number): void {
    native("xs_board_set_clock").call(this, mhz);
  }

  retain(from: Uint8Array): void {
    native("xs_board_retain").call(this, from);
  }

  recall(into: Uint8Array): void {
    native("xs_board_recall").call(this, into);
  }

  sleep(ms: number): never {
    return native("xs_board_sleep").call(this, ms) as never;
  }

  lightSleepMsMax(): number {
    return native("xs_board_light_sleep_ms_max").call(this);
  }

  lightSleep(ms: number): boolean {
    return native("xs_board_light_sleep").call(this, ms);
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
