/**
 * One process at a time has a gateway's database open.
 *
 * An exclusive lock of SQLite on a second file ensures this, and the system frees the lock when a process dies. A lock
 * on the database itself would not do, because a closed libsql database remains open as long as its statements exist.
 */
import { chmodSync, closeSync, existsSync, openSync } from "node:fs";
import Libsql from "libsql";
import { PRIVATE_MODE } from "../../machine/private-file.ts";
import { codeOf } from "./faults.ts";
import { DatabaseError, databaseError } from "./schema.ts";

export function lockFileOf(path: string): string {
  return `${path}.lock`;
}

/** Throws a DatabaseError when another process has the lock. */
export function lock(path: string): Libsql.Database {
  const file = lockFileOf(path);
  let held: Libsql.Database | undefined;
  try {
    // To open the file here would give up the lock that this process may hold on it already.
    if (existsSync(file)) chmodSync(file, PRIVATE_MODE);
    else closeSync(openSync(file, "a", PRIVATE_MODE));
    held = new Libsql(file);
    // Without a journal the lock needs no room on the disk.
    held.pragma("journal_mode = MEMORY");
    held.exec("BEGIN EXCLUSIVE");
    return held;
  } catch (error) {
    held?.close();
    if (codeOf(error) === "SQLITE_BUSY") {
      throw new DatabaseError(`The database ${path} is in use by another process; end the other gateway first.`);
    }
    throw databaseError(error, path);
  }
}

export function unlock(held: Libsql.Database): void {
  held.exec("ROLLBACK");
  held.close();
}
