// lseek, holes, SEEK_DATA and SEEK_HOLE at the ends.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int fd = T(open("a", O_RDWR | O_CREAT, 0644));
    T(write(fd, "0123456789", 10));
    T(lseek(fd, 3, SEEK_SET));
    T(lseek(fd, 2, SEEK_CUR));
    T(lseek(fd, -1, SEEK_END));
    T(lseek(fd, -11, SEEK_END));
    T(lseek(fd, -1, SEEK_SET));
    T(lseek(fd, 0, 99));
    T(lseek(fd, 0, SEEK_CUR));
    T(lseek(fd, 1000, SEEK_SET));
    char c;
    T(read(fd, &c, 1));
    FSTAT(fd);
    T(write(fd, "x", 1));
    FSTAT(fd);
    T(pread(fd, &c, 1, 500));
    printf("in the hole: %d\n", c);
    T(lseek(fd, 0, SEEK_DATA));
    T(lseek(fd, 1001, SEEK_DATA));
    T(lseek(fd, 5000, SEEK_HOLE));
    T(lseek(fd, 1000, SEEK_HOLE));
    T(lseek(fd, (off_t)1 << 40, SEEK_SET));
    T(lseek(fd, INT64_MAX, SEEK_CUR));
    int copy = dup(fd);
    T(lseek(copy, 7, SEEK_SET));
    T(lseek(fd, 0, SEEK_CUR));
    int other = open("a", O_RDONLY);
    T(lseek(other, 0, SEEK_CUR));
    int ends[2];
    T(pipe(ends));
    T(lseek(ends[0], 0, SEEK_SET));
    T(lseek(77, 0, SEEK_SET));
    close(fd);
    STAT("a");
    return 0;
}
