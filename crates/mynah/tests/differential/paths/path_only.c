// O_PATH: what such a descriptor can and cannot do.
#include "tested.h"
#include <sys/ioctl.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    char buffer[64], name[64];
    struct stat st;
    put("f", "text");
    chmod("f", 0);
    mkdir("d", 0755);
    put("d/x", "inside");
    symlink("f", "l");
    int f = T(open("f", O_PATH));
    T(read(f, buffer, 1));
    T(write(f, "x", 1));
    T(lseek(f, 0, SEEK_SET));
    T(fstat(f, &st));
    show_stat("f", &st);
    T(fchmod(f, 0644));
    T(fchown(f, -1, -1));
    T(ftruncate(f, 0));
    T(fsync(f));
    T(ioctl(f, 0, 0));
    HOLDS(mmap(NULL, 4, PROT_READ, MAP_PRIVATE, f, 0) == MAP_FAILED && errno == EBADF);
    HOLDS((fcntl(f, F_GETFL) & O_PATH) == O_PATH);
    T(fcntl(f, F_SETFL, O_APPEND));
    T(dup(f));
    chmod("f", 0644);
    snprintf(name, sizeof name, "/proc/self/fd/%d", f);
    int again = T(open(name, O_RDONLY));
    T(read(again, buffer, 4));
    close(again);
    int l = T(open("l", O_PATH | O_NOFOLLOW));
    T(fstat(l, &st));
    show_stat("l", &st);
    T(readlinkat(l, "", buffer, sizeof buffer));
    T(fstatat(l, "", &st, AT_EMPTY_PATH));
    int followed = T(open("l", O_PATH));
    T(fstat(followed, &st));
    show_stat("followed", &st);
    int d = T(open("d", O_PATH));
    int inside = T(openat(d, "x", O_RDONLY));
    T(read(inside, buffer, 64));
    T(fchdir(d));
    show_file("x");
    T(fstatat(d, "x", &st, 0));
    T(fstatat(d, "", &st, AT_EMPTY_PATH));
    T(getdents64(d, buffer, 64));
    T(chdir(".."));
    T(open("d", O_PATH | O_DIRECTORY | O_CLOEXEC));
    T(open("f", O_PATH | O_DIRECTORY));
    T(open("none", O_PATH));
    T(open("none", O_PATH | O_CREAT, 0644));
    T(open("none", O_PATH | O_EXCL));
    T(linkat(f, "", AT_FDCWD, "linked", AT_EMPTY_PATH));
    T(close(f));
    return 0;
}
