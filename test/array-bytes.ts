/**
 * On XS each typed array is a chunk, and a board has little memory for chunks. This file counts the typed arrays that a
 * function makes, and their bytes.
 */
const ARRAYS = [
  "Uint8Array",
  "Int8Array",
  "Uint16Array",
  "Int16Array",
  "Uint32Array",
  "Int32Array",
  "Float64Array",
] as const;

export interface Arrays {
  count: number;
  bytes: number;
}

/** Counts the typed arrays that `make` makes. A view of an existing buffer takes no memory, so it does not count. */
export function arraysOf(make: () => void): Arrays {
  let bytes = 0;
  let count = 0;
  const engine = globalThis as unknown as Record<string, Uint8ArrayConstructor>;
  const plain = ARRAYS.map((name) => engine[name]!);
  for (const [i, name] of ARRAYS.entries()) {
    engine[name] = new Proxy(plain[i]!, {
      construct(target, [first, ...rest], newTarget) {
        const made = Reflect.construct(target, [first, ...rest], newTarget) as Uint8Array;
        if (!(first instanceof ArrayBuffer)) {
          bytes += made.byteLength;
          count++;
        }
        return made;
      },
    });
  }
  try {
    make();
  } finally {
    for (const [i, name] of ARRAYS.entries()) engine[name] = plain[i]!;
  }
  return { count, bytes };
}
