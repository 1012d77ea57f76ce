// Ten thousand descriptors of one process, a thousand of them opened and the others duplicates: written through, inherited, closed at
// once and one by one.
#include "tested.h"
#include <sys/resource.h>

enum { MANY = 10000, OPENED = 1000, FILES = 50 };

int main(int argc, char **argv) {
    begin(argc, argv);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = MANY + 100;
    if (limit.rlim_max < limit.rlim_cur)
        limit.rlim_max = limit.rlim_cur;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        // Where the machine allows fewer, it does so natively too.
        T(setrlimit(RLIMIT_NOFILE, &limit));
        return 0;
    }
    char name[32];
    int opened = 0, bad = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "f%02d", i % FILES);
        int fd = i < OPENED ? open(name, O_RDWR | O_CREAT | O_APPEND, 0644) : dup(3 + i % OPENED);
        opened += fd == i + 3;
    }
    printf("opened %d\n", opened);
    for (int i = 0; i < MANY; i += 7)
        bad += write(i + 3, "x", 1) != 1;
    struct stat st;
    long sizes = 0;
    for (int i = 0; i < FILES; i++) {
        bad += fstat(i + 3, &st) != 0;
        sizes += st.st_size;
    }
    printf("bad %d sizes %ld\n", bad, sizes);
    CHILD({ struct stat own; T(fstat(MANY + 2, &own)); T(write(MANY + 2, "child", 5)); });
    for (int i = 0; i < 1000; i++)
        bad += close(i + 3) != 0;
    T(open("f00", O_RDONLY));
    T(syscall(SYS_close_range, 3, ~0U, 0));
    sizes = 0;
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "f%02d", i);
        bad += stat(name, &st) != 0;
        sizes += st.st_size;
    }
    printf("bad %d sizes %ld\n", bad, sizes);
    return 0;
}
