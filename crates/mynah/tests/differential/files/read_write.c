// read, write, pread, pwrite, readv, writev and their offsets and errors.
#include "tested.h"
#include <sys/uio.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    char buffer[64];
    int fd = T(open("a", O_RDWR | O_CREAT, 0644));
    T(write(fd, "0123456789", 10));
    T(read(fd, buffer, 10));
    T(lseek(fd, 0, SEEK_SET));
    T(read(fd, buffer, 4));
    show_bytes("read", buffer, 4);
    T(pread(fd, buffer, 64, 7));
    show_bytes("pread", buffer, 3);
    T(lseek(fd, 0, SEEK_CUR));
    T(pwrite(fd, "AB", 2, 2));
    T(lseek(fd, 0, SEEK_CUR));
    T(read(fd, buffer, 64));
    T(read(fd, buffer, 64));
    T(pwrite(fd, "far", 3, 20));
    show_file("a");
    FSTAT(fd);
    T(pread(fd, buffer, 10, 100));
    T(pread(fd, buffer, 10, -1));
    T(pwrite(fd, buffer, 10, -1));
    T(read(fd, buffer, 0));
    T(write(fd, buffer, 0));
    struct iovec out[3] = {{"one", 3}, {"", 0}, {"two", 3}};
    T(lseek(fd, 0, SEEK_SET));
    T(writev(fd, out, 3));
    struct iovec in[2] = {{buffer, 2}, {buffer + 8, 4}};
    T(lseek(fd, 0, SEEK_SET));
    T(readv(fd, in, 2));
    show_bytes("first", buffer, 2);
    show_bytes("second", buffer + 8, 4);
    T(preadv(fd, in, 2, 1));
    T(pwritev(fd, out, 3, 30));
    T(preadv2(fd, in, 2, 30, 0));
    T(readv(fd, in, -1));
    T(close(fd));
    T(read(fd, buffer, 1));
    T(write(fd, buffer, 1));
    STAT("a");
    show_file("a");
    // A megabyte, in uneven pieces.
    fd = T(open("big", O_RDWR | O_CREAT, 0644));
    char *data = malloc(1 << 20);
    for (int i = 0; i < 1 << 20; i++)
        data[i] = (char)(i * 31 + (i >> 8));
    for (int at = 0; at < 1 << 20;) {
        int piece = (1 << 20) - at < 12345 ? (1 << 20) - at : 12345;
        if (write(fd, data + at, piece) != piece)
            printf("short write\n");
        at += piece;
    }
    T(close(fd));
    fd = T(open("big", O_RDONLY));
    char *again = malloc(1 << 20);
    T(read(fd, again, 1 << 20));
    HOLDS(memcmp(data, again, 1 << 20) == 0);
    FSTAT(fd);
    T(close(fd));
    return 0;
}
