/** A broken modules/board/crash.ts: errors that nobody catches stay uncaught. */
export function catchUncaught(): void {}
