/** Reads the one frame that the other end of a control connection sends. */
import type { Socket } from "node:net";
import { type ControlFrame, frameOf } from "./requests.ts";

/**
 * Resolves to the frame as soon as it is whole. "ended": the other end closed the connection before that. "late": the
 * frame is not whole after the deadline. The caller ends the connection in every case.
 */
export function receiveFrame(
  socket: Socket,
  deadlineMs: number,
): Promise<ControlFrame | "malformed" | "ended" | "late"> {
  return new Promise((resolve) => {
    let received = Buffer.alloc(0);
    const timer = setTimeout(() => resolve("late"), deadlineMs);
    const settle = (result: ControlFrame | "malformed" | "ended"): void => {
      clearTimeout(timer);
      resolve(result);
    };
    socket.on("data", (bytes) => {
      received = Buffer.concat([received, bytes]);
      const frame = frameOf(received);
      if (frame !== "partial") settle(frame);
    });
    socket.on("end", () => settle("ended"));
    socket.on("close", () => settle("ended"));
  });
}
