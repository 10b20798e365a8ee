/** The number and the noun, like "1 Drop" or "2 Drops". */
export function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
