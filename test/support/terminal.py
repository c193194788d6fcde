"""Runs a command in a terminal of its own: standard input is what is typed, standard output what the terminal gets.

Arguments: columns, rows, command and its arguments. Ends with the command's exit code.
"""
import fcntl
import os
import pty
import select
import struct
import sys
import termios

columns, rows, *command = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))
    os.execvp(command[0], command)
typed = 0
while True:
    ready, _, _ = select.select([terminal] if typed is None else [terminal, typed], [], [])
    if typed is not None and typed in ready:
        keys = os.read(typed, 4096)
        if keys:
            os.write(terminal, keys)
        else:
            typed = None
    if terminal in ready:
        try:
            shown = os.read(terminal, 65536)
        except OSError:  # the command has gone
            break
        if not shown:
            break
        os.write(1, shown)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))
