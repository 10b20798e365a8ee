/**
 * Declarations of the SDK that the firmware uses and that `@moddable/typings` 5.6.0, the newest on npm, lacks. The
 * SDK's own build does not read this file. It has its own declarations, and so checks the same code against them.
 */
declare function Native(name: string): new (...parameters: unknown[]) => object;
// biome-ignore lint/suspicious/noExplicitAny: native code returns what its caller declares
declare function native(name: string): (...parameters: unknown[]) => any;

declare module "embedded:storage/flash" {
  export class Flash {
    private constructor();
    read(lengthBytes: number, address: number): ArrayBuffer;
    read(into: Uint8Array, address: number): number;
    write(bytes: Uint8Array, address: number): void;
    eraseBlock(block: number): void;
    status(): { size: number; blockLength: number };
  }
  const partitions: { open(options: { path: string; mode: "r+" }): Flash };
  export default partitions;
}
