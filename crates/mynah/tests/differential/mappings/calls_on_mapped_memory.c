// Paths and buffers that lie in mapped files: write(2) from a page that was never touched, read(2) into one, names read from one.
#include "tested.h"
#include <sys/uio.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    enum { SIZE = 1 << 20 };
    int fd = open("big", O_RDWR | O_CREAT, 0644);
    static char bytes[SIZE];
    for (int i = 0; i < SIZE; i++)
        bytes[i] = i / 4096 + i;
    memcpy(bytes + 8192, "name-in-a-file", 15);
    T(write(fd, bytes, SIZE));
    T(close(fd));
    fd = open("big", O_RDWR);
    char *shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    // Straight from the mapping to another file, to a pipe, and to the file itself.
    int copy = open("copy", O_RDWR | O_CREAT, 0644);
    T(write(copy, private, SIZE));
    T(pwrite(copy, shared + 4096, 4096, 0));
    struct iovec parts[] = {{shared + 12288, 100}, {private + 16384, 100}};
    T(pwritev(copy, parts, 2, SIZE));
    int ends[2];
    pipe(ends);
    T(write(ends[1], shared + 40960, 4096));
    T(read(ends[0], private + 100000, 4096));
    HOLDS(memcmp(private + 100000, bytes + 40960, 4096) == 0);
    T(pwrite(fd, shared + 40960, 4096, 0));
    HOLDS(memcmp(shared, bytes + 40960, 4096) == 0);
    // Into the mapping: the file has it.
    T(pread(copy, shared + 200000, 5000, 300000));
    char check[5000];
    T(pread(fd, check, 5000, 200000));
    HOLDS(memcmp(check, bytes + 300000, 5000) == 0);
    // Names and structures that calls find, or leave, in mapped files.
    T(open(private + 8192, O_WRONLY | O_CREAT | O_EXCL, 0644));
    T(access(shared + 8192, F_OK));
    T(stat(shared + 8192, (struct stat *)(shared + 500000)));
    HOLDS(((struct stat *)(shared + 500000))->st_mode == (S_IFREG | 0644));
    T(symlink("a text", "l"));
    T(readlink("l", shared + 600000, 100));
    show_bytes("link", shared + 600000, 6);
    munmap(shared, SIZE);
    munmap(private, SIZE);
    close(fd);
    close(copy);
    unlink("big");
    STAT("copy");
    return 0;
}
