// truncate, ftruncate, fallocate: sizes at once seen by everybody.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "0123456789");
    T(truncate("a", 4));
    STAT("a");
    show_file("a");
    T(truncate("a", 8));
    show_file("a");
    int fd = T(open("a", O_RDWR));
    T(ftruncate(fd, 2));
    STAT("a");
    FSTAT(fd);
    T(truncate("a", 6));
    FSTAT(fd);
    char buffer[16];
    T(read(fd, buffer, 16));
    show_bytes("read", buffer, 6);
    T(truncate("a", 1));
    T(pread(fd, buffer, 16, 0));
    T(lseek(fd, 0, SEEK_CUR));
    T(write(fd, "z", 1));
    STAT("a");
    show_file("a");
    T(ftruncate(fd, -1));
    T(truncate("a", -1));
    T(truncate("none", 0));
    T(truncate("a/", 0));
    mkdir("d", 0755);
    T(truncate("d", 0));
    T(truncate("", 0));
    int reader = T(open("a", O_RDONLY));
    T(ftruncate(reader, 0));
    T(ftruncate(99, 0));
    symlink("a", "l");
    T(truncate("l", 3));
    STAT("a");
    T(ftruncate(fd, 1 << 20));
    STAT("a");
    T(fallocate(fd, 0, 0, 2 << 20));
    STAT("a");
    T(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 3 << 20));
    STAT("a");
    T(fallocate(fd, 0, -1, 10));
    T(fallocate(fd, 0, 0, 0));
    T(fallocate(reader, 0, 0, 10));
    T(posix_fallocate(fd, 0, 100));
    T(close(fd));
    STAT("a");
    T(truncate("a", 5));
    show_file("a");
    put("ro", "text");
    T(chmod("ro", 0444));
    if (geteuid() != 0)
        T(truncate("ro", 0));
    STAT("ro");
    return 0;
}
