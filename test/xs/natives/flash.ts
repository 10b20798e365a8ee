/** Replaces ECMA-419's `embedded:storage/flash`. */
export default {
  open({ path }: { path: string }) {
    return globalThis.desk.part(path);
  },
};
