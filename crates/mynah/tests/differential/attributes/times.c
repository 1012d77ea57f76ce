// utimensat, futimens, utimes, utime: exact times, UTIME_NOW, UTIME_OMIT, links.
#include "tested.h"
#include <sys/time.h>
#include <utime.h>

static void show_times(const char *name) {
    struct stat st;
    if (lstat(name, &st)) {
        printf("%s: %s\n", name, errno_name(errno));
        return;
    }
    printf("%s: atime %ld.%09ld mtime %ld.%09ld\n", name, (long)st.st_atim.tv_sec, st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "text");
    mkdir("d", 0755);
    symlink("a", "l");
    struct timespec exact[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    T(utimensat(AT_FDCWD, "a", exact, 0));
    show_times("a");
    T(utimensat(AT_FDCWD, "d", exact, 0));
    show_times("d");
    exact[0].tv_sec = 5;
    T(utimensat(AT_FDCWD, "l", exact, AT_SYMLINK_NOFOLLOW));
    show_times("l");
    show_times("a");
    exact[0].tv_sec = 6;
    T(utimensat(AT_FDCWD, "l", exact, 0));
    show_times("a");
    struct timespec omit_access[2] = {{0, UTIME_OMIT}, {77, 1}};
    T(utimensat(AT_FDCWD, "a", omit_access, 0));
    show_times("a");
    struct timespec omit_both[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    T(utimensat(AT_FDCWD, "a", omit_both, 0));
    T(utimensat(AT_FDCWD, "none", omit_both, 0));
    struct timespec wrong[2] = {{0, 1000000000}, {0, 0}};
    T(utimensat(AT_FDCWD, "a", wrong, 0));
    T(utimensat(AT_FDCWD, "none", wrong, 0));
    T(utimensat(AT_FDCWD, "none", wrong, AT_SYMLINK_NOFOLLOW));
    struct timeval too_many[2] = {{0, 1000000}, {0, 0}};
    T(utimes("none", too_many));
    T(utimes("a", too_many));
    T(syscall(SYS_utimensat, AT_FDCWD, NULL, NULL, 0));
#ifdef SYS_futimesat
    T(syscall(SYS_futimesat, AT_FDCWD, NULL, NULL));
#endif
    int fd = open("a", O_RDWR);
    T(futimens(fd, exact));
    show_times("a");
    struct stat st, after;
    fstat(fd, &st);
    HOLDS(st.st_mtim.tv_nsec == 987654321);
    struct timeval micro[2] = {{20, 500000}, {21, 250000}};
    T(utimes("a", micro));
    show_times("a");
    T(lutimes("l", micro));
    show_times("l");
    struct utimbuf seconds = {30, 31};
    T(utime("a", &seconds));
    show_times("a");
    T(utimensat(AT_FDCWD, "none", exact, 0));
    T(utimensat(AT_FDCWD, "a/b", exact, 0));
    T(utimensat(99, "a", exact, 0));
    T(utimensat(AT_FDCWD, "a", exact, 0x4000));
    T(futimens(99, exact));
    struct timespec before_epoch[2] = {{-5, 0}, {-1000, 500}};
    T(utimensat(AT_FDCWD, "a", before_epoch, 0));
    show_times("a");
    struct timespec far[2] = {{(1L << 33), 1}, {(1L << 33) + 1, 2}};
    T(utimensat(AT_FDCWD, "a", far, 0));
    show_times("a");
    struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    T(utimensat(AT_FDCWD, "a", now, 0));
    stat("a", &after);
    HOLDS(after.st_mtim.tv_sec > 1600000000);
    HOLDS(after.st_mtim.tv_sec - time(NULL) < 5);
    T(utimensat(AT_FDCWD, "a", exact, 0));
    // Reading leaves the modification time, writing sets it, setting it after a write wins.
    char c;
    read(fd, &c, 1);
    fstat(fd, &st);
    HOLDS(st.st_mtim.tv_sec == 1100000000);
    write(fd, "x", 1);
    fstat(fd, &st);
    HOLDS(st.st_mtim.tv_sec > 1600000000);
    T(futimens(fd, exact));
    close(fd);
    stat("a", &st);
    HOLDS(st.st_mtim.tv_sec == 1100000000 && st.st_mtim.tv_nsec == 987654321);
    // Making an entry changes the directory's time.
    T(utimensat(AT_FDCWD, "d", exact, 0));
    put("d/new", "");
    stat("d", &st);
    HOLDS(st.st_mtim.tv_sec > 1600000000);
    T(utimensat(AT_FDCWD, "d", exact, 0));
    put("d/new", "more");
    stat("d", &st);
    HOLDS(st.st_mtim.tv_sec == 1100000000);
    T(unlink("d/new"));
    stat("d", &st);
    HOLDS(st.st_mtim.tv_sec > 1600000000);
    return 0;
}
