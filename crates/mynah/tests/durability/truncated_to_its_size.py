"""FILE BLOCKS: one process writes blocks through its descriptor, another truncates the file to the size that it has."""

import os
import sys

from numbered import BLOCK, block

path, count = sys.argv[1], int(sys.argv[2])
fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
os.ftruncate(fd, count * BLOCK)
os.fsync(fd)
child = os.fork()
if child == 0:
    fd = os.open(path, os.O_RDWR)
    for number in range(count):
        os.pwrite(fd, block(number), number * BLOCK)
        if number % 4 == 0:
            os.sched_yield()
    os.close(fd)
    os._exit(0)
status = None
while status is None:
    os.truncate(path, count * BLOCK)
    pid, ended = os.waitpid(child, os.WNOHANG)
    if pid == child:
        status = ended
sys.exit(status != 0)
