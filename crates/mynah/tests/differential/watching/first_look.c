// inotify at a first look: what happens in a watched directory and to a watched file.
#include "tested.h"
#include <sys/inotify.h>

static void show_events(int fd) {
    char buffer[4096] __attribute__((aligned(8)));
    ssize_t length = read(fd, buffer, sizeof buffer);
    if (length < 0)
        printf("  %s\n", errno_name(errno));
    for (char *at = buffer; length > 0 && at < buffer + length;) {
        struct inotify_event *event = (void *)at;
        printf("  watch %d mask %x name %s\n", event->wd, event->mask, event->len ? event->name : "-");
        at += sizeof *event + event->len;
    }
}

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("d", 0755);
    put("f", "x");
    int fd = T(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    // Where nothing can be watched, that is all there is to see.
    if (T(inotify_add_watch(fd, "d", IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE_SELF)) < 0)
        return 0;
    T(inotify_add_watch(fd, "f", IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF));
    T(inotify_add_watch(fd, "none", IN_CREATE));
    T(inotify_add_watch(fd, "f", IN_ONLYDIR | IN_CREATE));
    T(inotify_add_watch(99, "f", IN_MODIFY));
    show_events(fd);
    put("d/new", "content");
    show_events(fd);
    mkdir("d/sub", 0755);
    rename("d/new", "d/renamed");
    show_events(fd);
    put("f", "changed");
    chmod("f", 0600);
    show_events(fd);
    unlink("d/renamed");
    rmdir("d/sub");
    rename("f", "d/f");
    show_events(fd);
    T(inotify_rm_watch(fd, 1));
    show_events(fd);
    unlink("d/f");
    show_events(fd);
    return 0;
}
