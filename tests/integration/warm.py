"""Loads `runner.py` once and forks for each command, so that not every command of a story pays its second of imports.

A command is a process as any other: it runs the file `runner.py` as `__main__` with its own arguments, environment and
output. Only what `import runner` loads is there already. Whoever is to be killed is started in earnest
(`Terminal.start`).

`python -m tests.integration.warm FD`: the descriptor is a listening socket; the end of standard input ends the process.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import socket
import sys


def serve(listener: socket.socket) -> list[str]:
    """Fork for every command; return in the child that is to run one, with its arguments."""
    before = set(os.environ)
    import runner  # noqa: F401, PLC0415 - what the children find loaded

    by_imports = {name: value for name, value in os.environ.items() if name not in before}
    gc.freeze()
    children: set[int] = set()
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if listener not in ready:
            os._exit(0)
        connection, _ = listener.accept()
        child = os.fork()
        if child == 0:
            return _command(connection, by_imports)
        connection.close()
        children = {child, *(one for one in children if os.waitpid(one, os.WNOHANG) == (0, 0))}


def _command(connection: socket.socket, by_imports: dict[str, str]) -> list[str]:
    """Fork once more: the parent tells the process id and, at the end, the exit code; the child becomes the command."""
    message, files, _, _ = socket.recv_fds(connection, 1 << 20, 2)
    command = os.fork()
    if command:
        connection.send(str(command).encode())
        _, status = os.waitpid(command, 0)
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    asked = json.loads(message)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, source in enumerate((nothing, *files)):
        os.dup2(source, number)
        os.close(source)
    connection.close()
    os.environ.clear()
    os.environ.update(by_imports | asked["environment"])
    return list(map(str, asked["arguments"]))


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as waiting:
        sys.argv = ["runner.py", *serve(waiting)]
    runpy.run_path("runner.py", run_name="__main__")
