// A file that is cut while it is mapped: SIGBUS beyond its new end, zeros after it has grown again, whoever cuts it and by whatever way.
#include "tested.h"
#include <setjmp.h>

static sigjmp_buf back;
static void caught(int signal) { siglongjmp(back, signal); }

static char *map;
static long page;

static void touch(const char *label, long offset) {
    int got = sigsetjmp(back, 1);
    if (got)
        printf("%s: signal %d\n", label, got);
    else
        printf("%s: %02x\n", label, (unsigned char)((volatile char *)map)[offset]);
}

static void look(void) {
    touch("page 0", 1);
    touch("page 1", page + 1);
    touch("page 2", 2 * page + 1);
}

static void fill(int fd) {
    char bytes[4096];
    memset(bytes, 'x', sizeof bytes);
    for (int i = 0; i < 3; i++)
        pwrite(fd, bytes, sizeof bytes, i * 4096);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    page = 4096;
    signal(SIGBUS, caught);
    int kinds[] = {MAP_SHARED, MAP_PRIVATE};
    for (int k = 0; k < 2; k++) {
        int fd = open("f", O_RDWR | O_CREAT, 0644);
        fill(fd);
        map = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, kinds[k], fd, 0);
        printf("%s\n", k == 0 ? "shared" : "private");
        look();
        T(ftruncate(fd, page + 100));
        look();
        touch("the tail", page + 200);
        CHILD({ T(truncate("f", 10)); });
        look();
        T(ftruncate(fd, 3 * page));
        look();
        fill(fd);
        CHILD({ int own = open("f", O_WRONLY | O_TRUNC); close(own); });
        look();
        FSTAT(fd);
        T(close(fd));
        // Without a descriptor the mapping is still of the same file.
        CHILD({ int own = open("f", O_RDWR); fill(own); close(own); });
        look();
        T(truncate("f", 0));
        look();
        T(truncate("f", 2 * page));
        if (k == 0)
            map[page] = 's';
        look();
        munmap(map, 3 * page);
        show_file("f");
        STAT("f");
        T(unlink("f"));
    }
    // write(2) and read(2) to and from what is beyond the end.
    int fd = open("g", O_RDWR | O_CREAT, 0644), other = open("h", O_RDWR | O_CREAT, 0644);
    fill(fd);
    map = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    T(ftruncate(fd, page));
    T(write(other, map + page, 10));
    T(write(other, map + page - 10, 20));
    T(pread(other, map + 2 * page, 5, 0));
    T(stat(map + page, &(struct stat){0}));
    T(open(map + 2 * page, O_RDONLY));
    T(readlink("none", map + page, 10));
    STAT("h");
    return 0;
}
