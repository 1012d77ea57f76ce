// One file mapped by many processes: stores of all are seen by all, atomically, whatever way each came to it.
#include "tested.h"
#include <stdatomic.h>

enum { CHILDREN = 6, ROUNDS = 20000 };

int main(int argc, char **argv) {
    begin(argc, argv);
    int fd = open("counters", O_RDWR | O_CREAT, 0644);
    T(ftruncate(fd, 65536));
    atomic_int *map = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    fflush(stdout);
    link("counters", "second-name");
    for (int i = 0; i < CHILDREN; i++)
        if (fork() == 0) {
            atomic_int *own = map;
            // A third inherits it, a third opens it anew, a third opens another name of it.
            if (i % 3 != 0) {
                int again = open(i % 3 == 1 ? "counters" : "second-name", O_RDWR);
                own = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0);
                close(again);
            }
            for (int round = 0; round < ROUNDS; round++)
                atomic_fetch_add(&own[0], 1);
            own[1024 + i] = i + 1;
            msync(own, 65536, MS_SYNC);
            _exit(0);
        }
    int status, bad = 0;
    while (wait(&status) > 0)
        bad += status != 0;
    printf("bad %d\n", bad);
    HOLDS(map[0] == CHILDREN * ROUNDS);
    int sum = 0, value;
    pread(fd, &value, sizeof value, 0);
    HOLDS(value == CHILDREN * ROUNDS);
    for (int i = 0; i < CHILDREN; i++)
        sum += map[1024 + i];
    printf("sum %d\n", sum);
    // msync's own errors.
    T(msync(map, 65536, MS_SYNC | MS_ASYNC));
    T(msync((char *)map + 1, 10, MS_SYNC));
    T(msync(map, 65536, MS_INVALIDATE));
    T(munmap(map, 65536));
    T(msync(map, 65536, MS_SYNC));
    unlink("second-name");
    return 0;
}
