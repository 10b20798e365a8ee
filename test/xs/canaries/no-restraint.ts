/** A broken modules/board/crash-loop.ts, which starts every life at once. */
export function restrain(): void {}
