// MAP_PRIVATE, protections, errors, the tail of the last page, SIGBUS beyond the end, execution.
#include "tested.h"
#include <setjmp.h>

static sigjmp_buf back;
static void caught(int signal) { siglongjmp(back, signal); }

int main(int argc, char **argv) {
    begin(argc, argv);
    long page = sysconf(_SC_PAGESIZE);
    put("a", "0123456789");
    int fd = open("a", O_RDWR);
    char *map = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    show_bytes("mapped", map, 12);
    map[0] = 'X';
    show_file("a");
    pwrite(fd, "new", 3, 5);
    show_file("a");
    HOLDS(map[11] == 0);
    munmap(map, page);
    int reader = open("a", O_RDONLY);
    HOLDS(mmap(NULL, page, PROT_WRITE, MAP_SHARED, reader, 0) == MAP_FAILED && errno == EACCES);
    HOLDS(mmap(NULL, page, PROT_READ, MAP_SHARED, reader, 0) != MAP_FAILED);
    HOLDS(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE, reader, 0) != MAP_FAILED);
    int writer = open("a", O_WRONLY);
    HOLDS(mmap(NULL, page, PROT_READ, MAP_SHARED, writer, 0) == MAP_FAILED && errno == EACCES);
    HOLDS(mmap(NULL, page, PROT_READ, MAP_PRIVATE, 99, 0) == MAP_FAILED && errno == EBADF);
    HOLDS(mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 1) == MAP_FAILED && errno == EINVAL);
    int directory = open(".", O_RDONLY);
    HOLDS(mmap(NULL, page, PROT_READ, MAP_PRIVATE, directory, 0) == MAP_FAILED && errno == ENODEV);
    signal(SIGBUS, caught);
    map = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int got = sigsetjmp(back, 1);
    if (!got) {
        *(volatile char *)(map + 2 * page);
        printf("no fault\n");
    } else
        printf("beyond the end: signal %d\n", got);
    T(ftruncate(fd, 3 * page));
    got = sigsetjmp(back, 1);
    if (!got) {
        map[2 * page] = 'e';
        printf("after growing: %c\n", map[2 * page]);
    } else
        printf("signal %d\n", got);
    T(ftruncate(fd, 5));
    got = sigsetjmp(back, 1);
    if (!got) {
        *(volatile char *)(map + page);
        printf("no fault\n");
    } else
        printf("after shrinking: signal %d\n", got);
    HOLDS(map[6] == 0 && map[0] == '0');
    munmap(map, 3 * page);
    // Writing from a mapping of another file, and of the same.
    char *source = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
    int out = open("out", O_RDWR | O_CREAT, 0644);
    T(write(out, source, 5));
    T(pwrite(fd, source, 5, 5));
    show_file("out");
    show_file("a");
    // mremap, and a fixed mapping over the old one.
    char *grown = mremap(source, page, 2 * page, MREMAP_MAYMOVE);
    HOLDS(grown != MAP_FAILED && !memcmp(grown, "01234", 5));
    char *fixed = mmap(grown, page, PROT_READ, MAP_PRIVATE | MAP_FIXED, out, 0);
    HOLDS(fixed == grown && !memcmp(fixed, "01234", 5));
    T(madvise(grown, page, MADV_DONTNEED));
    HOLDS(!memcmp(fixed, "01234", 5));
    T(chmod("out", 0755));
    int executable = open("out", O_RDONLY);
    HOLDS(mmap(NULL, page, PROT_READ | PROT_EXEC, MAP_PRIVATE, executable, 0) != MAP_FAILED);
    return 0;
}
