/** A broken modules/board/crash-loop.ts: every life starts at once. */
export function restrain(): void {}
