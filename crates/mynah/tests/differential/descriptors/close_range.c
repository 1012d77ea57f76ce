// close_range, and reaching RLIMIT_NOFILE.
#include "tested.h"
#include <sys/resource.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

static int count_open(void) {
    int count = 0;
    for (int fd = 0; fd < 200; fd++)
        count += fcntl(fd, F_GETFD) != -1;
    return count;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "x");
    for (int i = 0; i < 20; i++)
        open("a", O_RDWR);
    T(count_open());
    T(syscall(SYS_close_range, 10, 14, 0));
    T(count_open());
    T(open("a", O_RDONLY));
    T(syscall(SYS_close_range, 3, 5, CLOSE_RANGE_CLOEXEC));
    T(fcntl(3, F_GETFD));
    T(fcntl(6, F_GETFD));
    T(syscall(SYS_close_range, 20, 10, 0));
    T(syscall(SYS_close_range, 20, 30, 99));
    int fd = open("b", O_RDWR | O_CREAT, 0644);
    T(write(fd, "written, then closed with the range", 35));
    T(syscall(SYS_close_range, 3, ~0U, 0));
    T(count_open());
    show_file("b");
    CHILD({ open("a", O_RDONLY); T(syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_UNSHARE)); T(count_open()); });

    struct rlimit limit = {16, 16};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 16;
    T(setrlimit(RLIMIT_NOFILE, &limit));
    getrlimit(RLIMIT_NOFILE, &limit);
    printf("limit now %ld\n", (long)limit.rlim_cur);
    int last = -1;
    while ((fd = open("a", O_RDONLY)) >= 0)
        last = fd;
    printf("last %d, then %s\n", last, errno_name(errno));
    T(open("new", O_WRONLY | O_CREAT, 0644));
    T(access("new", F_OK));
    T(open(".", O_RDONLY | O_DIRECTORY));
    T(dup(3));
    T(dup2(3, 16));
    T(fcntl(3, F_DUPFD, 16));
    T(close(7));
    T(open("a", O_RDONLY));
    T(mkdir("needs-none", 0755));
    T(access("a", R_OK));
    struct stat st;
    T(stat("a", &st));
    T(chdir("needs-none"));
    T(chdir(".."));
    return 0;
}
