// RLIMIT_FSIZE of the program: SIGXFSZ and EFBIG where it writes, cuts and allocates beyond; reading has no limit.
#include "tested.h"
#include <sys/resource.h>
#include <sys/sendfile.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    static char bytes[100000];
    memset(bytes, 'b', sizeof bytes);
    int fd = open("big", O_RDWR | O_CREAT, 0644);
    T(write(fd, bytes, sizeof bytes));
    T(close(fd));
    struct rlimit limit = {10000, RLIM_INFINITY};
    T(setrlimit(RLIMIT_FSIZE, &limit));
    CHILD({ int own = open("killed", O_WRONLY | O_CREAT, 0644); write(own, bytes, 9000); write(own, bytes, 9000); write(own, bytes, 1); });
    STAT("killed");
    signal(SIGXFSZ, SIG_IGN);
    fd = open("small", O_RDWR | O_CREAT, 0644);
    T(write(fd, bytes, 20000));
    T(write(fd, bytes, 1));
    T(pwrite(fd, bytes, 1, 9999));
    T(pwrite(fd, bytes, 1, 10000));
    T(ftruncate(fd, 10001));
    T(ftruncate(fd, 5000));
    T(truncate("small", 10001));
    T(truncate("small", 6000));
    T(posix_fallocate(fd, 0, 10001));
    FSTAT(fd);
    T(close(fd));
    STAT("small");
    // What is there already may be read and mapped, however big, and changed within the limit.
    fd = open("big", O_RDWR);
    T(read(fd, bytes, sizeof bytes));
    T(pwrite(fd, "X", 1, 100));
    T(pwrite(fd, "X", 1, 50000));
    T(ftruncate(fd, 60000));
    T(ftruncate(fd, 60001));
    T(close(fd));
    STAT("big");
    int in = open("big", O_RDONLY), out = open("copy", O_RDWR | O_CREAT, 0644);
    T(sendfile(out, in, NULL, 60000));
    STAT("copy");
    CHILD({ execl("/bin/sh", "sh", "-c", "wc -c < big; trap '' XFSZ; cat big > shell-copy 2> /dev/null; echo $?; wc -c < shell-copy", NULL); });
    return 0;
}
