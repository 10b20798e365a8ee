/** Replaces the SDK's `mc/config`. */
export default globalThis.desk.config;
