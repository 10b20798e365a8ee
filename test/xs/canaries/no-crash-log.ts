/** A broken modules/board/crash.ts, which leaves every uncaught error uncaught. */
export function catchUncaught(): void {}
