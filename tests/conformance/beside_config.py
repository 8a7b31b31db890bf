"""Run by fail2ban's own Python path: what its readers make of configurations. Jobs come as JSON lines on stdin, and for
each the commands that fail2ban would send to its server go to stdout, or as text why there are none.

A job is ["jails", BASE]: all jails, as if each were enabled; or ["filter", BASE, NAME, {parameters}, BACKEND].
The first argument is the version that fail2ban is to think it has.
"""

from __future__ import annotations

import json
import logging
import resource
import sys

from fail2ban import version

version.version = sys.argv[1]

from fail2ban.client.configurator import Configurator  # noqa: E402
from fail2ban.client.filterreader import FilterReader  # noqa: E402

logging.getLogger("fail2ban").setLevel(logging.CRITICAL + 1)
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))  # tags that double each other's text know no end there


def jails(base):
    configurator = Configurator(force_enable=True)
    configurator.setBaseDir(base)
    configurator.readAll()
    configurator.getOptions()
    configurator.convertToProtocol(allow_no_files=True)
    return configurator.getConfigStream()


def filter(base, name, parameters, backend):
    reader = FilterReader(name, "it", dict(parameters), basedir=base)
    if not reader.read():
        raise ValueError("no such filter")
    reader.applyAutoOptions(backend)
    reader.getOptions(None)
    return reader.convert()


for line in sys.stdin:
    kind, *arguments = json.loads(line)
    try:
        answer = {"jails": jails, "filter": filter}[kind](*arguments)
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    print(json.dumps(answer))
