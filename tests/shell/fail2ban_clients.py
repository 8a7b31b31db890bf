"""fail2ban's own client, run again and again; fail2ban must be among what Python finds.

Each line of input is a command as JSON; the answer, a line as well, is what it printed on both outputs and its exit code.
Each runs in a process of its own as ever, but that is forked when Python is up and fail2ban imported: a tenth of the time.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile

import fail2ban.client.configurator  # noqa: F401  the client does it as soon as it runs
from fail2ban.client.fail2banclient import exec_command_line


def run(command: list[str]) -> tuple[str, str, int]:
    with open(os.devnull) as quiet, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        child = os.fork()
        if child == 0:
            for number, stream in ((0, quiet), (1, out), (2, errors)):
                os.dup2(stream.fileno(), number)
            exec_command_line(command)  # ends the process
        _, status = os.waitpid(child, 0)
        out.seek(0)
        errors.seek(0)
        return out.read().decode(), errors.read().decode(), os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
