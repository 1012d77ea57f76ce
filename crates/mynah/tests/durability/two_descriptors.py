"""FILE AT_THE_SERVER: one of two descriptors is closed; the other writes on, also when the file's mode forbids new ones."""

import os
import sys

path, at_the_server = sys.argv[1:]
one = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
two = os.open(path, os.O_WRONLY)
os.write(one, b"one")
os.close(one)
while os.stat(at_the_server).st_size < 3:
    os.sched_yield()
os.chmod(path, 0o444)
os.pwrite(two, b"two", 3)
os.close(two)
