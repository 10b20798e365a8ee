/**
 * The input of a fuzz target has two parts: a few bytes of choices (which state, which sets, how long between packets),
 * and the packets that a hostile peer sends one after another. The text of an input is hexadecimal, its parts joined by
 * dots, so a finding can be replayed.
 *
 * Mutations are the changes that wire formats are sensitive to: bits; bytes; integers at their edges; runs of bytes
 * removed, doubled and inserted; a count raised together with a doubled element; packets repeated, exchanged, dropped
 * and spliced with those of another input.
 */
import type { SeededRandom } from "../../sim/random.ts";

export interface Input {
  choices: Uint8Array;
  packets: Uint8Array[];
}

export const CHOICES_BYTES = 4;
const PACKETS_MAX = 64;
const HEAD_BYTES = 16;
const EDGES = [0, 1, 2, 3, 0x7f, 0x80, 0x81, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];
/** Sizes in bytes of the elements that formats repeat: words, mixes, summaries. */
const ELEMENT_SIZES = [1, 2, 4, 8, 9];

export function inputText({ choices, packets }: Input): string {
  return [choices, ...packets].map((bytes) => Buffer.from(bytes).toString("hex")).join(".");
}

export function inputOf(text: string): Input {
  const [choices, ...packets] = text.split(".").map((hex) => new Uint8Array(Buffer.from(hex, "hex")));
  return { choices: choices!, packets };
}

/** An input of plain random bytes, without any knowledge of a format. */
export function randomInput(random: SeededRandom, packetBytesMax: number): Input {
  const choices = new Uint8Array(CHOICES_BYTES);
  random.fill(choices);
  const packets = Array.from({ length: 1 + random.below(4) }, () => {
    const packet = new Uint8Array(random.below(packetBytesMax + 1));
    random.fill(packet);
    return packet;
  });
  return { choices, packets };
}

/** A changed copy of `input`. Packets of `other` may be spliced into it. */
export function mutated(input: Input, other: Input, random: SeededRandom, packetBytesMax: number): Input {
  const choices = input.choices.slice();
  const packets = input.packets.map((packet) => packet.slice());
  for (let change = 1 + random.below(4); change > 0; change -= 1) {
    const chance = random.below(16);
    if (chance === 0 || packets.length === 0) choices[random.below(choices.length)] = random.below(256);
    else if (chance <= 3) mutatePackets(packets, other.packets, random);
    else {
      const at = random.below(packets.length);
      packets[at] = mutatePacket(packets[at]!, random).slice(0, packetBytesMax);
    }
  }
  return { choices, packets: packets.slice(0, PACKETS_MAX) };
}

function mutatePackets(packets: Uint8Array[], others: Uint8Array[], random: SeededRandom): void {
  const at = random.below(packets.length);
  const to = random.below(packets.length);
  switch (random.below(6)) {
    case 0:
      packets.splice(to, 0, packets[at]!.slice());
      break;
    case 1:
      [packets[at], packets[to]] = [packets[to]!, packets[at]!];
      break;
    case 2:
      if (packets.length > 1) packets.splice(at, 1);
      break;
    case 3:
      if (others.length > 0) packets.splice(at, 0, others[random.below(others.length)]!.slice());
      break;
    case 4:
      packets.splice(
        at + 1,
        packets.length,
        ...others.slice(random.below(others.length + 1)).map((other) => other.slice()),
      );
      break;
    default: {
      const fresh = Array.from({ length: random.below(9) }, () => random.below(random.below(2) ? 4 : 256));
      packets.push(Uint8Array.from(fresh));
    }
  }
}

function mutatePacket(packet: Uint8Array, random: SeededRandom): Uint8Array {
  if (packet.length === 0) return Uint8Array.of(random.below(256));
  // Half of the changes go to the head of the packet, because the meaning of the rest depends on the head.
  const at = random.below(random.below(2) ? packet.length : Math.min(packet.length, HEAD_BYTES));
  const run = 1 + random.below(Math.min(packet.length - at, 16));
  switch (random.below(8)) {
    case 0:
      packet[at]! ^= 1 << random.below(8);
      return packet;
    case 1:
      packet[at] = random.below(256);
      return packet;
    case 2:
      packet[at]! += random.below(2) ? 1 : -1;
      return packet;
    case 3: {
      const edge = EDGES[random.below(EDGES.length)]!;
      for (let byte = 0; byte < 1 << random.below(3) && at + byte < packet.length; byte += 1) {
        packet[at + byte] = edge >>> (8 * byte);
      }
      return packet;
    }
    case 4:
      return joined(packet.subarray(0, at), packet.subarray(at + run));
    case 5:
      return joined(packet.subarray(0, at + run), packet.subarray(at));
    case 6: {
      const fresh = new Uint8Array(run);
      random.fill(fresh);
      return random.below(2)
        ? joined(packet.subarray(0, at), fresh)
        : joined(packet.subarray(0, at), fresh, packet.subarray(at));
    }
    default:
      return oneMore(packet, at, random);
  }
}

/** Raises the count at `at`, and doubles one of the elements behind it. */
function oneMore(packet: Uint8Array, at: number, random: SeededRandom): Uint8Array {
  const size = ELEMENT_SIZES[random.below(ELEMENT_SIZES.length)]!;
  const elements = Math.floor((packet.length - at - 1) / size);
  if (elements === 0) return packet;
  packet[at]! += 1;
  const end = at + 1 + size * (1 + random.below(elements));
  return joined(packet.subarray(0, end), packet.subarray(end - size));
}

function joined(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
