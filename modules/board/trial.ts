/**
 * A new image is on trial until its first beacon (docs/update.md). Whatever ends its life before then lets the boot
 * loader go back to the image before: a crash, a stuck loop, a sleep, the power. A life that goes on without a beacon
 * ends here.
 *
 * A dongle sends no beacons of its own; it has proved itself when it has heard the HELLO of a host. Whoever updates a
 * dongle greets it.
 */
import Timer from "timer";
import { imageLoader } from "./image-loader.ts";
import type { Board } from "./ports.ts";

/** Mounting a large store that power was cut from takes some seconds; a beacon follows within two. */
const TRIAL_MS = 60_000;

export class Trial {
  #over = false;

  constructor(board: Board) {
    // The timer repeats, because the SDK frees a timer that does not repeat.
    Timer.set(
      () => {
        if (!this.#over) board.restart();
      },
      TRIAL_MS,
      TRIAL_MS,
    );
  }

  /** The first beacon is out: the image stays. Idempotent. */
  passed(): void {
    if (this.#over) return;
    this.#over = true;
    imageLoader.confirm();
  }
}
