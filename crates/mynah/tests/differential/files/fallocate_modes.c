// fallocate: every mode, sizes after it, holes by SEEK_DATA and SEEK_HOLE, and what is there after close.
#include "tested.h"
#include <linux/falloc.h>

static void show_data(int fd) {
    off_t end = lseek(fd, 0, SEEK_END);
    printf("  size %lld:", (long long)end);
    for (off_t at = 0; at < end;) {
        off_t data = lseek(fd, at, SEEK_DATA);
        if (data < 0) {
            printf(" %s", errno_name(errno));
            break;
        }
        off_t hole = lseek(fd, data, SEEK_HOLE);
        printf(" [%lld,%lld)", (long long)data, (long long)hole);
        at = hole;
    }
    printf("\n");
}

int main(int argc, char **argv) {
    begin(argc, argv);
    static char block[65536];
    memset(block, 'x', sizeof block);
    int fd = T(open("a", O_RDWR | O_CREAT, 0644));
    T(fallocate(fd, 0, 0, 100000));
    FSTAT(fd);
    T(posix_fallocate(fd, 100000, 1000));
    FSTAT(fd);
    T(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 400000));
    FSTAT(fd);
    T(ftruncate(fd, 0));
    T(pwrite(fd, block, sizeof block, 0));
    T(pwrite(fd, block, sizeof block, 131072));
    show_data(fd);
    T(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 8192, 8192));
    show_data(fd);
    char c = 1;
    T(pread(fd, &c, 1, 10000));
    printf("  punched: %d\n", c);
    T(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 8192, 8192));
    T(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 0));
    T(fallocate(fd, 0, -1, 10));
    T(fallocate(fd, 0, 0, -10));
    T(fallocate(99, 0, 0, 10));
    T(fallocate(fd, 0, INT64_MAX - 5, 10));
    int reader = open("a", O_RDONLY);
    T(fallocate(reader, 0, 0, 10));
    T(close(fd));
    fd = T(open("a", O_RDWR));
    FSTAT(fd);
    T(pread(fd, &c, 1, 10000));
    printf("  at home: %d\n", c);
    T(pread(fd, &c, 1, 140000));
    printf("  at home: %d\n", c);
    T(lseek(fd, 0, SEEK_DATA));
    T(lseek(fd, 196608, SEEK_DATA));
    T(lseek(fd, 196608, SEEK_HOLE));
    T(lseek(fd, 196607, SEEK_HOLE));
    int d = open(".", O_RDONLY), pipes[2];
    pipe(pipes);
    T(fallocate(d, 0, 0, 10));
    T(fallocate(pipes[1], 0, 0, 10));
    return 0;
}
