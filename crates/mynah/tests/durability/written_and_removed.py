"""FILE CACHE BLOCKS TIMES: writes FILE and removes it, many times; CACHE never holds more than a few of them."""

import os
import subprocess
import sys

from numbered import BLOCK, blocks

path, cache, count, times = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
content = blocks(count)
for _ in range(times):
    with open(path, "wb") as file:
        file.write(content)
    os.unlink(path)
    # A file that goes while du looks is an error of du's, not of anybody's here.
    said = subprocess.run(["du", "-s", "-B1", cache], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    used = int(said.stdout.split()[0])
    assert used < 4 * count * BLOCK, "%d bytes in the cache" % used
