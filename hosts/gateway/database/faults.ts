/**
 * What a failure of the database means for an operator.
 *
 * The library reports a failure as an Error with a code of SQLite, like SQLITE_IOERR_WRITE. This file turns the code
 * into one sentence: what is wrong, with which file, and what to do.
 */
const SENTENCES: readonly (readonly [prefix: string, sentence: (path: string) => string])[] = [
  ["SQLITE_FULL", (path) => `The disk that holds ${path} is full: make room.`],
  ["SQLITE_IOERR_SHM", (path) => `The disk that holds ${path} is full: make room.`],
  ["SQLITE_IOERR", (path) => `The device that holds ${path} fails: save what you need from it, and check the device.`],
  ["SQLITE_CORRUPT", (path) => `The database ${path} is damaged: move it away, or put a copy of it back.`],
  ["SQLITE_NOTADB", (path) => `The file ${path} is not a database: move it away, or name another folder.`],
  ["SQLITE_READONLY", (path) => `The database ${path} cannot be written: check its permissions and its file system.`],
  ["SQLITE_PERM", (path) => `The database ${path} cannot be written: check its permissions and its file system.`],
  ["SQLITE_CANTOPEN", (path) => `The database ${path} cannot be opened: check the path and its permissions.`],
  ["SQLITE_BUSY", (path) => `Another program has locked the database ${path}: end that program.`],
  ["SQLITE_LOCKED", (path) => `Another program has locked the database ${path}: end that program.`],
];

/** The code of SQLite in an error of the library. The library has none when it could not open a file. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as { code?: unknown };
  if (typeof code === "string" && code.startsWith("SQLITE_")) return code;
  return /^ConnectionFailed/.test(error.message) ? "SQLITE_CANTOPEN" : undefined;
}

/** One sentence about a failure of the database. Undefined when the error is none. */
export function sentenceOf(error: unknown, path: string): string | undefined {
  const code = codeOf(error);
  const entry = code === undefined ? undefined : SENTENCES.find(([prefix]) => code.startsWith(prefix));
  return entry?.[1](path);
}
