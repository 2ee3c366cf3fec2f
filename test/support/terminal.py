"""Runs a command in a terminal, and does to it what it is told.

    terminal.py COLUMNS STEPS COMMAND ...

STEPS is a JSON list of ["await", REGEX] (of what was shown since the last one), ["type", TEXT] and ["signal", NUMBER].
Prints JSON: what was shown, whether the terminal was raw at each "await", whether it is when the command has ended, and
how that was: its exit code, or minus the signal's number.
"""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

LIMIT = 20


def raw(terminal):
    return not termios.tcgetattr(terminal)[3] & (termios.ICANON | termios.ECHO)


def read(controller, until):
    if not select.select([controller], [], [], max(0, until - time.monotonic()))[0]:
        raise TimeoutError
    return os.read(controller, 65536).decode("utf-8", "replace")


def main():
    columns, steps, command = int(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3:]
    until = time.monotonic() + LIMIT
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        command, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    )
    shown, seen, modes = "", 0, []
    try:
        for what, value in steps:
            if what == "type":
                os.write(controller, value.encode())
            elif what == "signal":
                process.send_signal(value)
            else:
                while not (found := re.compile(value, re.DOTALL).search(shown, seen)):
                    shown += read(controller, until)
                seen = found.end()
                modes.append(raw(terminal))
        while process.poll() is None:
            if select.select([controller], [], [], 0.05)[0]:
                shown += read(controller, until)
            if time.monotonic() > until:
                raise TimeoutError
        while select.select([controller], [], [], 0.05)[0]:
            shown += read(controller, until)
    except TimeoutError:
        sys.exit(f"it waited in vain; shown was: {shown[seen:]!r}")
    finally:
        process.kill()
        process.wait()
    print(json.dumps({"shown": shown, "raw": modes, "rawAtEnd": raw(terminal), "status": process.returncode}))


main()
