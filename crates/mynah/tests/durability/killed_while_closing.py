"""FILE AT_THE_SERVER BLOCKS: a child writes FILE and is killed while its close is sending the content."""

import os
import signal
import sys

from numbered import blocks

path, at_the_server, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
written_read, written = os.pipe()
child = os.fork()
if child == 0:
    fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
    os.write(fd, blocks(count))
    os.write(written, b"w")
    os.close(fd)
    os.write(written, b"c")
    signal.pause()
os.read(written_read, 1)
while os.stat(at_the_server).st_size == 0:
    os.sched_yield()
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
