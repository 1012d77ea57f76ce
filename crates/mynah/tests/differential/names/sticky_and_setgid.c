// Sticky and set-group-id directories: what is made below them, and what chmod and chown leave of such bits.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("s", 0755);
    T(chmod("s", 02775));
    STAT("s");
    T(mkdir("s/below", 0755));
    STAT("s/below");
    put("s/file", "x");
    STAT("s/file");
    struct stat a, b;
    stat("s", &a), stat("s/file", &b);
    HOLDS(a.st_gid == b.st_gid);
    T(mkdir("t", 01777));
    STAT("t");
    T(chmod("t", 01777));
    STAT("t");
    put("t/mine", "x");
    T(rename("t/mine", "t/renamed"));
    T(unlink("t/renamed"));
    T(mkdir("bits", 06755));
    STAT("bits");
    put("run", "x");
    T(chmod("run", 06755));
    STAT("run");
    T(chown("run", -1, getegid()));
    STAT("run");
    T(chmod("run", 04755));
    put("run", "written");
    STAT("run");
    T(chmod("run", 07777));
    int fd = open("run", O_WRONLY | O_APPEND);
    T(write(fd, "more", 4));
    T(close(fd));
    STAT("run");
    T(chmod("run", 06755));
    T(truncate("run", 2));
    STAT("run");
    T(open("made", O_CREAT | O_WRONLY, 07777));
    STAT("made");
    T(mknod("node", S_IFREG | 06755, 0));
    STAT("node");
    if (geteuid() == 0) {
        // Another user's file in a sticky directory.
        chmod(".", 0777);
        put("t/other", "x");
        chown("t/other", 1234, 1234);
        chmod("t", 01777);
        STAT("t/other");
        T(unlink("t/other"));
    }
    return 0;
}
