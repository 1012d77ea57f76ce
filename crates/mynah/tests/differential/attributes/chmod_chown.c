// chmod, fchmod, fchmodat, chown, lchown, fchownat: what may be changed by whom.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "text");
    mkdir("d", 0755);
    symlink("a", "l");
    symlink("none", "dangling");
    int modes[] = {0, 0400, 0644, 0755, 0777, 01777, 0600};
    for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
        printf("mode %04o: ", modes[i]);
        T(chmod("a", modes[i]));
        STAT("a");
    }
    T(chmod("a", 06711));
    STAT("a");
    T(chmod("a", 0644 | 0100000));
    STAT("a");
    T(chmod("l", 0640));
    STAT("a");
    LSTAT("l");
    T(chmod("d", 0700));
    STAT("d");
    T(chmod("d", 02755));
    STAT("d");
    T(chmod("d", 0755));
    T(chmod("none", 0644));
    T(chmod("dangling", 0644));
    T(chmod("a/b", 0644));
    T(chmod("", 0644));
    int fd = open("a", O_RDONLY);
    T(fchmod(fd, 0604));
    FSTAT(fd);
    STAT("a");
    T(fchmod(99, 0644));
    int directory = open("d", O_RDONLY);
    T(fchmod(directory, 0711));
    STAT("d");
    T(fchmodat(AT_FDCWD, "a", 0600, 0));
    T(fchmodat(directory, "../a", 0644, 0));
    T(fchmodat(AT_FDCWD, "a", 0600, 0x4000));
    STAT("a");

    T(chown("a", -1, -1));
    T(chown("a", geteuid(), getegid()));
    T(lchown("l", geteuid(), -1));
    T(lchown("dangling", -1, getegid()));
    T(chown("dangling", -1, -1));
    T(fchown(fd, geteuid(), -1));
    T(fchown(99, 0, 0));
    T(fchownat(AT_FDCWD, "l", geteuid(), getegid(), AT_SYMLINK_NOFOLLOW));
    T(fchownat(fd, "", geteuid(), getegid(), AT_EMPTY_PATH));
    T(chown("none", 1, 1));
    if (geteuid() != 0) {
        T(chown("a", 0, -1));
        T(chown("a", -1, 0));
        T(chown("/", -1, -1));
        T(chmod("/", 0755));
    } else {
        T(chown("a", 1234, 4321));
        struct stat st;
        stat("a", &st);
        printf("owner %d group %d\n", st.st_uid, st.st_gid);
        T(lchown("l", 11, 12));
        lstat("l", &st);
        printf("owner %d group %d\n", st.st_uid, st.st_gid);
        stat("l", &st);
        printf("owner %d group %d\n", st.st_uid, st.st_gid);
        T(chmod("a", 06755));
        T(chown("a", 5, 5));
        stat("a", &st);
        printf("set-id bits after chown: %04o\n", st.st_mode & 07777);
    }
    // Writing takes the set-user-id bit away from an ordinary writer.
    put("s", "x");
    chmod("s", 04755);
    STAT("s");
    int writer = open("s", O_WRONLY);
    write(writer, "y", 1);
    if (geteuid() != 0)
        STAT("s");
    // A mode set while the file is open and being written stays.
    fd = open("m", O_RDWR | O_CREAT, 0644);
    write(fd, "1", 1);
    fchmod(fd, 0601);
    write(fd, "2", 1);
    close(fd);
    STAT("m");
    return 0;
}
