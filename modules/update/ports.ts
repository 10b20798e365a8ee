/**
 * The app partition that does not run, as an update needs it. A board has modules/board/next-image.ts; the tests have
 * flash of their own. Nothing here touches another partition.
 */
export interface NextImage {
  readonly sizeBytes: number;
  /** The chip's number in the header of an image. */
  readonly chip: number;
  /** The firmware that runs has not proved itself yet. The image beside it is the one to go back to. */
  readonly trial: boolean;
  /**
   * Writes `bytes[offset .. offset + lengthBytes)`, and erases each sector that begins there first. False when the
   * flash failed.
   */
  write(address: number, bytes: Uint8Array, offset: number, lengthBytes: number): boolean;
  /** Whether the partition holds a whole image that ends with this SHA-256, read from flash and computed anew. */
  holds(digest: Uint8Array): boolean;
  /**
   * From the next start on, the boot loader tries this image, and goes back if the image does not prove itself. False
   * when the boot loader refuses the image; then nothing changed.
   */
  choose(): boolean;
}
