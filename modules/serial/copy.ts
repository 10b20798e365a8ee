/** modules/dongle/copy.ts on a board. The manifest maps the one to the other. */
declare function Native(destructor: string): new () => object;
declare function native(name: string): { call(library: object, ...parameters: unknown[]): never };

class Library extends Native("xs_copy_destructor") {
  copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, lengthBytes: number): void {
    native("xs_copy").call(this, from, fromAt, to, toAt, lengthBytes);
  }
}

const library = /* @__PURE__ */ new Library();

export function copy(from: Uint8Array, fromAt: number, to: Uint8Array, toAt: number, lengthBytes: number): void {
  library.copy(from, fromAt, to, toAt, lengthBytes);
}
