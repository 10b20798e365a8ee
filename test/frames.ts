/** Frames that a test makes or looks at by hand. */
import { FrameHeader } from "../modules/glacier/frame.ts";

/** A header with these fields; the others are 0. */
export function headerOf(fields: Partial<FrameHeader>): FrameHeader {
  return Object.assign(new FrameHeader(), fields);
}
