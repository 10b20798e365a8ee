/**
 * `embedded:storage/flash` for a desk, which the SDK has for boards only: partitions as files in the folder THROWIE_BOARD.
 *
 * As on a board, a write that would set a bit fails, because what is read back is not what was written. The sizes are
 * those of `targets/`; a partition of another name is an error, as on a board that has none.
 */
class Part extends Native("xs_flash_destructor") {
  constructor(path: string) {
    super();
    native("xs_flash").call(this, path);
  }

  read(into: Uint8Array | number, address: number): ArrayBuffer | number {
    return native("xs_flash_read").call(this, into, address);
  }

  write(bytes: Uint8Array, address: number): void {
    native("xs_flash_write").call(this, bytes, address);
  }

  eraseBlock(block: number): void {
    native("xs_flash_erase_block").call(this, block);
  }

  status(): { size: number; blockLength: number; blocks: number } {
    const size = this.size();
    return { size, blockLength: 4096, blocks: size / 4096 };
  }

  private size(): number {
    return native("xs_flash_size").call(this);
  }
}

export default {
  open({ path }: { path: string }): Part {
    return new Part(path);
  },
};
