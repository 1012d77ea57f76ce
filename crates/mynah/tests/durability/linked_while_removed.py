"""DIRECTORY ROUNDS: makes a file, writes it, gives it a second name and closes it, while others remove its first name.
Prints the numbers of those that got a second name, `kept-NUMBER`."""

import os
import sys

import removing

directory, rounds = sys.argv[1], int(sys.argv[2])
name = directory + "/name"
removers = removing.start(name, 2, pause=0.01)
for number in range(rounds):
    try:
        fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
    except FileExistsError:
        # Which of the two is right is not the matter here, but what becomes of a file that was opened.
        continue
    os.write(fd, b"content %d" % number)
    try:
        os.link(name, "%s/kept-%d" % (directory, number))
        print(number)
    except FileNotFoundError:
        pass
    os.close(fd)
removing.stop(removers)
