// Attributes of what is open for reading only and has lost its name: nobody but its descriptors can tell.
#include "tested.h"
#include <sys/time.h>

static void change(int fd) {
    struct stat before, after;
    fstat(fd, &before);
    T(fchmod(fd, 0640));
    FSTAT(fd);
    T(fchown(fd, geteuid(), getegid()));
    T(fchown(fd, -1, -1));
    T(fchown(fd, geteuid() ? 0 : 7, -1));
    T(fchown(fd, -1, geteuid() ? 0 : 8));
    struct timespec exact[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
    T(futimens(fd, exact));
    fstat(fd, &after);
    HOLDS(after.st_atim.tv_sec == 1000000000 && after.st_mtim.tv_sec == 1100000000 && after.st_mtim.tv_nsec == 987654321);
    HOLDS(after.st_uid == (geteuid() ? before.st_uid : 7));
    HOLDS(after.st_gid == (geteuid() ? before.st_gid : 8));
    HOLDS(after.st_mode == ((before.st_mode & S_IFMT) | 0640));
    HOLDS(after.st_ino == before.st_ino && after.st_nlink == 0);
    T(futimens(fd, NULL));
    fstat(fd, &after);
    HOLDS(after.st_mtim.tv_sec > 1600000000);
    T(fsync(fd));
    if (geteuid() == 0) {
        CHILD(T(setuid(12345)); T(fchmod(fd, 0600)); T(fchown(fd, 12345, -1)); T(futimens(fd, exact)));
        FSTAT(fd);
    }
}

int main(int argc, char **argv) {
    begin(argc, argv);
    char text[8];
    put("a", "text");
    int fd = open("a", O_RDONLY);
    T(unlink("a"));
    change(fd);
    show_bytes("text", text, T(pread(fd, text, sizeof text, 0)));
    int created = T(open("b", O_RDONLY | O_CREAT, 0400));
    T(unlink("b"));
    change(created);
    put("old", "old");
    put("new", "new");
    int replaced = open("old", O_RDONLY);
    T(rename("new", "old"));
    T(fchmod(replaced, 0600));
    FSTAT(replaced);
    STAT("old");
    mkdir("d", 0755);
    int directory = open("d", O_RDONLY | O_DIRECTORY);
    T(rmdir("d"));
    change(directory);
    return 0;
}
