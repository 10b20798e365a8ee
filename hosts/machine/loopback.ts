/**
 * Runs a command on a network that has nothing but loopback:
 *
 *     node build/hosts/machine/loopback.js <command> [arguments]
 *
 * The QUIC library sends a UPnP discovery packet to a multicast address at every bind, and no option prevents that
 * (docs/distsoc.md). So the demo and the tests run in a Linux network namespace of their own, where that packet reaches
 * nothing.
 *
 * Where the kernel refuses a namespace, this program says so and runs the command without one. THROWIE_LOOPBACK_ONLY is
 * 1 only inside a namespace, so the command can tell.
 *
 * The tools are `unshare` (util-linux) and `perl` (perl-base), because every Debian has both. Some systems have no
 * `ip`.
 */
import { spawn, spawnSync } from "node:child_process";
import { constants } from "node:os";
import process from "node:process";

// Sets IFF_UP | IFF_LOOPBACK | IFF_RUNNING on "lo" by SIOCSIFFLAGS, then becomes the command.
const LOOPBACK_UP = `my $flags = pack("a16s", "lo", 0x49);
  socket(S, 2, 2, 0) && ioctl(S, 0x8914, $flags) or die "loopback: $!"; exec @ARGV or die "$ARGV[0]: $!";`;

const command = process.argv.slice(2);
if (command.length === 0) {
  console.error("loopback: name the command to run, for example: loopback.js ava");
  process.exit(2);
}

const alreadyInside = process.env.THROWIE_LOOPBACK_ONLY === "1";
const wrapper = ["-rn", "perl", "-e", LOOPBACK_UP];
const allowed = alreadyInside || spawnSync("unshare", [...wrapper, "true"], { stdio: "ignore" }).status === 0;
if (!allowed) {
  console.error(
    "loopback: this system refuses a network namespace, so the QUIC library's UPnP discovery packet can leave this machine.",
  );
}

const child =
  alreadyInside || !allowed
    ? spawn(command[0]!, command.slice(1), { stdio: "inherit" })
    : spawn("unshare", [...wrapper, ...command], {
        stdio: "inherit",
        env: { ...process.env, THROWIE_LOOPBACK_ONLY: "1" },
      });
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => child.kill(signal));
// npm passes on SIGINT and SIGTERM, but when it ends in another way, nothing else tells its scripts.
const PARENT_CHECK_MS = 250;
const parent = process.ppid;
const gone = (): boolean => process.ppid !== parent && child.kill("SIGHUP");
if (process.env.npm_lifecycle_event !== undefined) setInterval(gone, PARENT_CHECK_MS).unref();

child.on("error", (error) => {
  console.error(`loopback: ${command[0]} did not start: ${error.message}`);
  process.exit(127);
});
child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal!]));
