/**
 * What the SDK's linker makes of `native(name)` and `Native(name)`, for test/espnow/radio-end.c, which defines each C function
 * under its name: the function itself, and a class whose objects C can hold on to.
 */
const { new_host_object: newHostObject, ...functions } = globalThis as unknown as Record<string, () => object>;

class HostObject {
  constructor() {
    // biome-ignore lint/correctness/noConstructorReturn: only an object that C made can be held by C
    return Object.setPrototypeOf(newHostObject!(), new.target.prototype);
  }
}

Object.assign(globalThis, { native: (name: string) => functions[name], Native: () => HostObject });
