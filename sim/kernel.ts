/**
 * The discrete-event kernel: simulated time, and the queue of events.
 *
 * Time is whole microseconds from 0. It moves only from one event to the next, so an hour costs only its events. The
 * queue is a binary heap ordered by time and then by the order of scheduling. So events at the same instant run in the
 * order in which they were scheduled, on every engine.
 *
 * A host that wants simulated time to follow its own clock runs to a time, waits, and runs on: `run(untilUs)` can be
 * called any number of times. An event that the host schedules between two runs happens at the end of the first run, or
 * later.
 *
 * Invariant: `nowUs` never goes back. The kernel refuses to schedule into the past or between two microseconds, and to
 * hold more than EVENTS_MAX events. Each of these is a bug of the caller, so it throws.
 */

/** Ten thousand nodes with a hundred events each. More than that is a loop that schedules itself without end. */
const EVENTS_MAX = 1_000_000;
const NOT_QUEUED = -1;

export class Timer {
  readonly timeUs: number;
  /** Rank among the events of one instant. */
  readonly order: number;
  readonly action: () => void;
  /** Position in the heap. -1 when the event has happened or was cancelled. */
  position = NOT_QUEUED;

  constructor(timeUs: number, order: number, action: () => void) {
    this.timeUs = timeUs;
    this.order = order;
    this.action = action;
  }
}

export class Kernel {
  #nowUs = 0;
  #order = 0;
  readonly #heap: Timer[] = [];

  get nowUs(): number {
    return this.#nowUs;
  }

  /** The number of events that have not happened yet. */
  get pending(): number {
    return this.#heap.length;
  }

  /** The time of the next event. Infinity when there is none. */
  get nextUs(): number {
    return this.#heap.length > 0 ? this.#heap[0]!.timeUs : Infinity;
  }

  at(timeUs: number, action: () => void): Timer {
    if (!(timeUs >= this.#nowUs && timeUs < 2 ** 53 && Math.floor(timeUs) === timeUs)) {
      throw new Error("kernel: an event is at a whole microsecond, now or later");
    }
    if (this.#heap.length >= EVENTS_MAX) throw new Error("kernel: more events than EVENTS_MAX");
    const timer = new Timer(timeUs, this.#order++, action);
    this.#heap.push(timer);
    this.#rise(this.#heap.length - 1);
    return timer;
  }

  after(delayUs: number, action: () => void): Timer {
    return this.at(this.#nowUs + delayUs, action);
  }

  /** Cancels an event. Does nothing when it has happened, was cancelled already, or is undefined. */
  cancel(timer: Timer | undefined): void {
    if (timer !== undefined && timer.position !== NOT_QUEUED) this.#remove(timer.position);
  }

  /** Runs the next event. False when there is none. */
  step(): boolean {
    if (this.#heap.length === 0) return false;
    const timer = this.#heap[0]!;
    this.#remove(0);
    this.#nowUs = timer.timeUs;
    timer.action();
    return true;
  }

  /** Runs all events up to and including `untilUs`, with those that they schedule. Then the time is `untilUs`. */
  run(untilUs: number): void {
    if (!(untilUs >= this.#nowUs && untilUs < 2 ** 53 && Math.floor(untilUs) === untilUs)) {
      throw new Error("kernel: runs to a whole microsecond, now or later");
    }
    while (this.nextUs <= untilUs) this.step();
    this.#nowUs = untilUs;
  }

  #remove(position: number): void {
    const heap = this.#heap;
    const removed = heap[position]!;
    const last = heap.pop()!;
    removed.position = NOT_QUEUED;
    if (last === removed) return;
    heap[position] = last;
    last.position = position;
    this.#sink(position);
    this.#rise(last.position);
  }

  #rise(from: number): void {
    const heap = this.#heap;
    const timer = heap[from]!;
    let position = from;
    while (position > 0) {
      const parent = (position - 1) >>> 1;
      if (!earlier(timer, heap[parent]!)) break;
      heap[position] = heap[parent]!;
      heap[position]!.position = position;
      position = parent;
    }
    heap[position] = timer;
    timer.position = position;
  }

  #sink(from: number): void {
    const heap = this.#heap;
    const timer = heap[from]!;
    let position = from;
    for (;;) {
      let child = 2 * position + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && earlier(heap[child + 1]!, heap[child]!)) child++;
      if (!earlier(heap[child]!, timer)) break;
      heap[position] = heap[child]!;
      heap[position]!.position = position;
      position = child;
    }
    heap[position] = timer;
    timer.position = position;
  }
}

function earlier(a: Timer, b: Timer): boolean {
  return a.timeUs !== b.timeUs ? a.timeUs < b.timeUs : a.order < b.order;
}
