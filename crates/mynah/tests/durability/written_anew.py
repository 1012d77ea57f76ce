"""FILE AT_THE_SERVER BLOCKS WHEN: FILE is written anew, and short, after the one who wrote a long one was killed: at once, or
when its content is on its way."""

import os
import signal
import sys

from numbered import blocks

path, at_the_server, count, when = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
written_read, written = os.pipe()
child = os.fork()
if child == 0:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
    os.write(fd, blocks(count))
    os.write(written, b"w")
    signal.pause()
os.read(written_read, 1)
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
while when == "on-its-way" and os.stat(at_the_server).st_size == 0:
    os.sched_yield()
with open(path, "w") as short:
    short.write("short\n")
print(os.stat(path).st_size)
