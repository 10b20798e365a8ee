/**
 * The SDK's linker replaces `native(name)` by a C function and `Native(name)` by a class whose objects can hold data of
 * the C. test/espnow/radio-end.c is built without that linker. It defines each C function as a global of that name, and
 * this file makes `native` and `Native` from the globals.
 */
const { new_host_object: newHostObject, ...functions } = globalThis as unknown as Record<string, () => object>;

class HostObject {
  constructor() {
    // biome-ignore lint/correctness/noConstructorReturn: the C can keep its data only in an object that it made
    return Object.setPrototypeOf(newHostObject!(), new.target.prototype);
  }
}

Object.assign(globalThis, { native: (name: string) => functions[name], Native: () => HostObject });
