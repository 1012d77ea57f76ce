// Names that come, go and change in watched directories.
// cc: -I.
#include "events.h"
#include <sys/socket.h>

#define NAMES (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("d", 0755);
    mkdir("e", 0755);
    mkdir("d/sub", 0755);
    put("d/old", "was here before");
    put("d/open", "and open");
    int before = open("d/open", O_RDWR);
    symlink("old", "d/link");
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    T(inotify_add_watch(fd, "d", NAMES));
    T(inotify_add_watch(fd, "e", NAMES));
    T(inotify_add_watch(fd, "d", NAMES));
    TOLD(fd, show_names("d"));
    TOLD(fd, close(open("d/new", O_WRONLY | O_CREAT, 0644)));
    TOLD(fd, close(open("d/new", O_WRONLY | O_CREAT | O_TRUNC, 0644)));
    TOLD(fd, mkdir("d/directory", 0755));
    TOLD(fd, symlink("x", "d/dangling"));
    TOLD(fd, mkfifo("d/fifo", 0644));
    TOLD(fd, link("d/old", "d/second"));
    TOLD(fd, link("d/old", "e/third"));
    TOLD(fd, rename("d/new", "d/newer"));
    TOLD(fd, rename("d/newer", "e/elsewhere"));
    TOLD(fd, rename("e/elsewhere", "outside"));
    TOLD(fd, rename("outside", "d/back"));
    TOLD(fd, rename("d/back", "d/old"));
    TOLD(fd, rename("d/sub", "e/sub"));
    TOLD(fd, mkdir("e/sub/deep", 0755));
    TOLD(fd, rename("e/sub", "d/sub"));
    TOLD(fd, rename("d/none", "d/other"));
    TOLD(fd, unlink("d/none"));
    TOLD(fd, mkdir("d/sub", 0755));
    TOLD(fd, unlink("d/second"));
    TOLD(fd, unlink("d/open"));
    TOLD(fd, close(before));
    TOLD(fd, unlink("d/link"));
    TOLD(fd, rmdir("d/directory"));
    TOLD(fd, T(renameat2(AT_FDCWD, "d/fifo", AT_FDCWD, "d/old", RENAME_NOREPLACE)));
    TOLD(fd, T(renameat2(AT_FDCWD, "d/fifo", AT_FDCWD, "d/old", RENAME_EXCHANGE)));
    // A directory that is watched itself, below one that is.
    int sub = T(inotify_add_watch(fd, "d/sub", NAMES));
    TOLD(fd, put("d/sub/x", ""));
    TOLD(fd, rename("d/sub", "d/moved"));
    TOLD(fd, put("d/moved/y", ""));
    TOLD(fd, unlink("d/moved/x"));
    TOLD(fd, unlink("d/moved/y"));
    TOLD(fd, rmdir("d/moved/deep"));
    TOLD(fd, rmdir("d/moved"));
    T(inotify_rm_watch(fd, sub));
    TOLD(fd, rename("e", "f"));
    TOLD(fd, put("f/after", ""));
    show_events(fd, "at last");
    show_names("d");
    show_names("f");
    return 0;
}
