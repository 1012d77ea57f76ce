// MAP_SHARED: stores reach the file, writes reach the mapping, across processes and after close.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    long page = sysconf(_SC_PAGESIZE);
    int fd = open("a", O_RDWR | O_CREAT, 0644);
    T(ftruncate(fd, 3 * page));
    char *map = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    HOLDS(map != MAP_FAILED);
    memcpy(map, "stored", 6);
    memcpy(map + 2 * page + 10, "far", 3);
    char buffer[16];
    T(pread(fd, buffer, 6, 0));
    show_bytes("by read", buffer, 6);
    T(pwrite(fd, "WRITTEN", 7, page));
    show_bytes("in the map", map + page, 7);
    T(msync(map, 3 * page, MS_SYNC));
    T(msync(map, 3 * page, MS_ASYNC));
    T(msync(map + 1, page, MS_SYNC));
    CHILD({
        show_bytes("child sees", map, 6);
        memcpy(map + 100, "by child", 8);
        int other = open("a", O_RDONLY);
        pread(other, buffer, 8, 100);
        show_bytes("child reads", buffer, 8);
    });
    show_bytes("parent sees", map + 100, 8);
    T(close(fd));
    memcpy(map + 200, "after close", 11);
    fd = open("a", O_RDONLY);
    T(pread(fd, buffer, 11, 200));
    show_bytes("read", buffer, 11);
    close(fd);
    T(munmap(map, 3 * page));
    STAT("a");
    // Every store is in the file once nobody maps it any more.
    fd = open("a", O_RDONLY);
    map = mmap(NULL, 3 * page, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    show_bytes("0", map, 6);
    show_bytes("100", map + 100, 8);
    show_bytes("200", map + 200, 11);
    show_bytes("far", map + 2 * page + 10, 3);
    munmap(map, 3 * page);
    // A child that dies without unmapping.
    fd = open("b", O_RDWR | O_CREAT, 0644);
    ftruncate(fd, page);
    close(fd);
    CHILD({
        int own = open("b", O_RDWR);
        char *m = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, own, 0);
        strcpy(m, "left by the dead");
        raise(SIGKILL);
    });
    show_file("b");
    STAT("b");
    return 0;
}
