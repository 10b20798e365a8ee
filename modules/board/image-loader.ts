/**
 * What ESP-IDF's boot loader and its record of images do for an update: `image-loader-esp32.c` on an ESP32,
 * `image-loader-lin.c` on a desk.
 *
 * Each method is one native call. Only for a board that has two app partitions.
 */
declare function native(name: string): { call(loader: object, ...parameters: unknown[]): never };

class ImageLoader {
  /** The chip's number in the header of an image. */
  chip(): number {
    return native("xs_board_image_chip").call(this);
  }

  /** Whether the boot loader would go back to the other image at the next start. */
  onTrial(): boolean {
    return native("xs_board_image_on_trial").call(this);
  }

  /** The running image stays. */
  confirm(): void {
    native("xs_board_image_confirm").call(this);
  }

  /** Fills in the SHA-256 of the image that does not run, computed from flash. False when that is no whole image. */
  digest(into: Uint8Array): boolean {
    return native("xs_board_image_digest").call(this, into);
  }

  /** The other image is tried at the next start. False when the boot loader refuses it. */
  choose(): boolean {
    return native("xs_board_image_choose").call(this);
  }
}

export const imageLoader = new ImageLoader();
