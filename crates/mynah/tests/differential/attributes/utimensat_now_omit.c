// utimensat with UTIME_NOW and UTIME_OMIT, of links, descriptors and by a null path.
#include "tested.h"

static struct stat st;
static void show_times(const char *label) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    printf("%s: atime %s mtime %s\n", label, st.st_atim.tv_sec > now.tv_sec - 1000 ? "now" : "set", st.st_mtim.tv_sec > now.tv_sec - 1000 ? "now" : "set");
    if (st.st_mtim.tv_sec < now.tv_sec - 1000)
        printf("  mtime %lld.%09ld\n", (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    if (st.st_atim.tv_sec < now.tv_sec - 1000)
        printf("  atime %lld.%09ld\n", (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec);
}
#define TIMES(...) ({ struct timespec t_[2] = {__VA_ARGS__}; OK(utimensat(AT_FDCWD, "a", t_, 0)); stat("a", &st); show_times(#__VA_ARGS__); })

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "text");
    symlink("a", "l");
    TIMES({100, 1}, {200, 2});
    TIMES({0, UTIME_OMIT}, {300, 3});
    TIMES({400, 4}, {0, UTIME_OMIT});
    TIMES({0, UTIME_OMIT}, {0, UTIME_OMIT});
    TIMES({0, UTIME_NOW}, {500, 5});
    TIMES({600, 6}, {0, UTIME_NOW});
    TIMES({0, UTIME_NOW}, {0, UTIME_NOW});
    TIMES({700, 7}, {800, 999999999});
    TIMES({0, 1000000000}, {0, 0});
    TIMES({0, 0}, {0, -1});
    TIMES({-5, 0}, {-7, 500});
    struct timespec early[2] = {{1000, 10}, {2000, 20}}, none[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    T(utimensat(AT_FDCWD, "l", early, AT_SYMLINK_NOFOLLOW));
    lstat("l", &st);
    show_times("the link");
    stat("a", &st);
    show_times("not the file");
    int fd = open("a", O_RDWR);
    T(futimens(fd, early));
    fstat(fd, &st);
    show_times("by descriptor");
    T(utimensat(fd, NULL, NULL, 0));
    fstat(fd, &st);
    show_times("now by descriptor");
    T(utimensat(fd, "", early, AT_EMPTY_PATH));
    stat("a", &st);
    show_times("by an empty path");
    T(utimensat(fd, NULL, early, AT_SYMLINK_NOFOLLOW));
    T(syscall(SYS_utimensat, AT_FDCWD, NULL, early, 0));
    T(utimensat(AT_FDCWD, "none", none, 0));
    T(utimensat(AT_FDCWD, "none", early, 0));
    T(utimensat(AT_FDCWD, "a", early, 0x4000));
    T(utimensat(AT_FDCWD, "a", (void *)8, 0));
    T(futimens(99, early));
    // A write after its time was set is later than that.
    T(write(fd, "x", 1));
    fstat(fd, &st);
    show_times("written");
    T(futimens(fd, early));
    T(close(fd));
    stat("a", &st);
    show_times("closed");
    return 0;
}
