/** Stands for `mc/config`. */
export default globalThis.desk.config;
