declare module "fs-native-extensions" {
  /** False: another open file has the lock. Throws an Error with a `code` when the file system has no locks. */
  export function tryLock(file: number, offset?: number, lengthBytes?: number): boolean;
}
