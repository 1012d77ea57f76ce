"""Processes that remove one name again and again."""

import os
import random
import signal
import time


def start(path, count, pause=0):
    """Their process ids. `pause`, in seconds, is the longest time from one removal to the next: others get some way in it."""
    return [started(path, random.Random(seed), pause) for seed in range(count)]


def started(path, chance, pause):
    pid = os.fork()
    while pid == 0:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        if pause:
            time.sleep(chance.uniform(0, pause))
    return pid


def stop(pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
