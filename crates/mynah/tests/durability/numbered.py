"""Content whose every block tells its place, so that a lost or misplaced one shows."""

BLOCK = 4096


def block(number):
    return b"%08d" % number * (BLOCK // 8)


def blocks(count):
    return b"".join(map(block, range(count)))
