// What happens to watched files, and to files in a watched directory.
// cc: -I.
#include "events.h"
#include <sys/xattr.h>

#define WRITES (IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_CREATE | IN_MOVE_SELF | IN_DELETE_SELF)

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("d", 0755);
    put("d/a", "0123456789");
    put("d/b", "unopened");
    put("d/c", "watched alone");
    put("log", "line 1\n");
    int before = open("d/a", O_RDWR);
    char buffer[64];
    int fd = inotify_init1(IN_NONBLOCK), one = inotify_init1(IN_NONBLOCK);
    T(inotify_add_watch(fd, "d", WRITES | IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE));
    // One that was open before the watch.
    TOLD(fd, T(write(before, "abc", 3)));
    TOLD(fd, T(read(before, buffer, 2)));
    TOLD(fd, T(ftruncate(before, 5)));
    TOLD(fd, close(before));
    // One that is opened after.
    int f;
    TOLD(fd, f = open("d/b", O_RDONLY));
    TOLD(fd, T(read(f, buffer, 4)));
    TOLD(fd, close(f));
    TOLD(fd, f = open("d/b", O_RDWR | O_APPEND));
    TOLD(fd, T(write(f, "more", 4)));
    TOLD(fd, close(f));
    TOLD(fd, f = open("d/new", O_RDWR | O_CREAT | O_EXCL, 0644));
    TOLD(fd, T(write(f, "content", 7)));
    TOLD(fd, T(rename("d/new", "d/newer")));
    TOLD(fd, T(write(f, "content", 7)));
    TOLD(fd, close(f));
    TOLD(fd, f = open("d/newer", O_WRONLY | O_TRUNC));
    TOLD(fd, close(f));
    TOLD(fd, chmod("d/b", 0600));
    TOLD(fd, chmod("d/c", 0600));
    TOLD(fd, chown("d/b", -1, getegid()));
    TOLD(fd, utimensat(AT_FDCWD, "d/b", NULL, 0));
    TOLD(fd, truncate("d/b", 3));
    TOLD(fd, truncate("d/c", 3));
    TOLD(fd, T(setxattr("d/b", "user.x", "1", 1, 0)));
    TOLD(fd, T(access("d/b", R_OK)));
    close(fd);
    // A file that is watched itself, as by tail -f.
    fd = inotify_init1(IN_NONBLOCK);
    T(inotify_add_watch(fd, "log", WRITES));
    TOLD(fd, f = open("log", O_WRONLY | O_APPEND));
    TOLD(fd, T(write(f, "line 2\n", 7)));
    TOLD(fd, fsync(f));
    TOLD(fd, T(write(f, "line 3\n", 7)));
    TOLD(fd, close(f));
    CHILD({ int g = open("log", O_WRONLY | O_APPEND); T(write(g, "line 4\n", 7)); });
    show_events(fd, "another process");
    TOLD(fd, rename("log", "log.1"));
    TOLD(fd, put("log", "a new one"));
    TOLD(fd, f = open("log.1", O_RDONLY));
    TOLD(fd, unlink("log.1"));
    TOLD(fd, close(f));
    // Once only, and masks that are added to or replaced.
    T(inotify_add_watch(one, "d", IN_CREATE | IN_ONESHOT));
    TOLD(one, put("d/first", ""));
    TOLD(one, put("d/second", ""));
    T(inotify_add_watch(one, "d", IN_CREATE));
    T(inotify_add_watch(one, "d", IN_DELETE | IN_MASK_ADD));
    TOLD(one, put("d/third", ""));
    TOLD(one, unlink("d/third"));
    T(inotify_add_watch(one, "d", IN_DELETE));
    TOLD(one, put("d/third", ""));
    T(inotify_add_watch(one, "d", IN_CREATE | IN_MASK_CREATE));
    T(inotify_add_watch(one, "d/a", IN_MODIFY | IN_ONLYDIR));
    T(inotify_add_watch(one, "d", 0));
    symlink("d", "to-d");
    symlink("none", "dangling");
    T(inotify_add_watch(one, "to-d", IN_DELETE));
    T(inotify_add_watch(one, "dangling", IN_DELETE));
    HOLDS(inotify_add_watch(one, "to-d", IN_DELETE_SELF | IN_DONT_FOLLOW) > 0);
    TOLD(one, unlink("to-d"));
    T(inotify_rm_watch(one, 99));
    T(inotify_add_watch(0, "d", IN_CREATE));
    chmod("d", 0300);
    T(inotify_add_watch(one, "d", IN_CREATE) == -1 && geteuid() != 0);
    chmod("d", 0755);
    return 0;
}
