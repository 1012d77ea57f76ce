"""FILE ROUNDS: opens a name with O_CREAT while others remove it; an error ends this."""

import os
import sys

import removing

path, rounds = sys.argv[1], int(sys.argv[2])
removers = removing.start(path, 2)
try:
    for _ in range(rounds):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o644))
finally:
    removing.stop(removers)
