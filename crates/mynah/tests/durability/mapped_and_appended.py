"""FILE AT_THE_SERVER: a descriptor comes and goes beside a shared writable mapping; what is stored after that is at the server
when fsync returns."""

import mmap
import os
import sys

path, at_the_server = sys.argv[1:]
fd = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
os.write(fd, b"." * 8192)
os.fsync(fd)
mapping = mmap.mmap(fd, 8192)
mapping[:5] = b"first"
other = os.open(path, os.O_WRONLY | os.O_APPEND)
os.write(other, b"+")
os.close(other)
while os.stat(at_the_server).st_size < 8193:
    os.sched_yield()
mapping[4096:4102] = b"second"
mapping.flush()
os.fsync(fd)
with open(at_the_server, "rb") as home:
    assert home.read() == b"first" + b"." * 4091 + b"second" + b"." * 4090 + b"+", "fsync was too early"
mapping[8000:8005] = b"third"
mapping.close()
os.close(fd)
