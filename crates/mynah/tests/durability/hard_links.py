"""DIRECTORY: attributes changed through one name of a file, and through a descriptor, are the same through its other name."""

import os
import subprocess
import sys

directory = sys.argv[1]


def shown(stat):
    return "%o %d %d" % (stat.st_mode, stat.st_nlink, stat.st_size)


def names(case):
    """Two names of a new file, both looked at and known; the first is open for writing if the case is "open"."""
    one, two = "%s/%s-one" % (directory, case), "%s/%s-two" % (directory, case)
    fd = os.open(one, os.O_CREAT | os.O_WRONLY, 0o640)
    os.write(fd, b"first")
    if case == "closed":
        os.close(fd)
    os.link(one, two)
    agree("link", one, two)
    return one, two, fd


def agree(what, changed, other):
    """The name through which nothing was changed is asked first."""
    shapes = [shown(os.lstat(name)) for name in (other, changed, other)]
    assert len(set(shapes)) == 1, "%s: %s" % (what, shapes)
    return os.lstat(other)


def change(one, two):
    for number in range(10):
        mode = 0o600 + number % 8
        os.chmod(one, mode)
        assert agree("chmod", one, two).st_mode & 0o777 == mode
        size = os.lstat(one).st_size
        with open(one, "ab") as appending:
            appending.write(b"x" * 10)
        assert agree("append", one, two).st_size == size + 10
        subprocess.run(["/bin/sh", "-c", 'printf 0123456789 >> "$1"', "sh", one], check=True)
        assert agree("append by a child", one, two).st_size == size + 20
        os.utime(one, (number, number))
        assert os.lstat(two).st_mtime == os.lstat(one).st_mtime == number, "utime"
        os.truncate(one, size + 5)
        assert agree("truncate", one, two).st_size == size + 5
        one, two = two, one
    os.close(os.open(one, os.O_WRONLY | os.O_TRUNC))
    assert agree("O_TRUNC", one, two).st_size == 0


for case in ("open", "closed"):
    one, two, fd = names(case)
    change(one, two)
    if case == "open":
        os.ftruncate(fd, 7)
        assert agree("ftruncate", one, two).st_size == 7
        os.close(fd)
    os.unlink(one)
    assert os.lstat(two).st_nlink == 1, "unlink"
