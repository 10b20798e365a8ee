/**
 * The sentence for a person whose serial port cannot be opened. The library gives only the system's own words, and no
 * code. `device` is what the person has plugged in.
 */
export function portSentence(path: string, device: string, { message }: Error): string {
  if (/No such (file|device)/.test(message)) return `There is no port ${path}: is the ${device} plugged in?`;
  if (/Permission denied/.test(message)) {
    return `You may not use ${path}: join the group that owns it (on Debian, dialout), then log in again.`;
  }
  if (/lock|busy/i.test(message)) return `${path} is in use by another program: stop that one first.`;
  if (/Inappropriate ioctl|Not a|directory/i.test(message)) return `${path} is not a serial port.`;
  return `The port ${path} cannot be opened (${message}).`;
}
