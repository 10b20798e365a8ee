/**
 * `embedded:storage/flash` for a desk: partitions as files in the folder THROWIE_BOARD. The SDK has this module for
 * boards only.
 *
 * As on a board, a write that would set a bit fails, because the bytes read back differ from the bytes written. The
 * sizes are the sizes in `targets/`. A partition of another name is an error, as on a board without that partition.
 */
export class Flash extends Native("xs_flash_destructor") {
  constructor(path: string) {
    super();
    native("xs_flash").call(this, path);
  }

  read(lengthBytes: number, address: number): ArrayBuffer;
  read(into: Uint8Array, address: number): number;
  read(target: number | Uint8Array, address: number): ArrayBuffer | number {
    return native("xs_flash_read").call(this, target, address);
  }

  write(bytes: Uint8Array, address: number): void {
    native("xs_flash_write").call(this, bytes, address);
  }

  eraseBlock(block: number): void {
    native("xs_flash_erase_block").call(this, block);
  }

  status(): { size: number; blockLength: number } {
    return { size: this.size(), blockLength: 4096 };
  }

  private size(): number {
    return native("xs_flash_size").call(this);
  }
}

export default {
  open({ path }: { path: string; mode: "r+" }): Flash {
    return new Flash(path);
  },
};
