// mknod, mkfifo: kinds that anyone may make, kinds that only root may, errors.
#include "tested.h"
#include <sys/sysmacros.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    T(mkfifo("fifo", 0644));
    STAT("fifo");
    T(mkfifo("fifo", 0644));
    T(mkfifo("none/fifo", 0644));
    T(mknod("file", S_IFREG | 0640, 0));
    STAT("file");
    T(mknod("plain", 0600, 0));
    STAT("plain");
    T(mknod("socket", S_IFSOCK | 0600, 0));
    STAT("socket");
    T(open("socket", O_RDWR));
    T(mknod("dir", S_IFDIR | 0755, 0));
    T(mknod("link", S_IFLNK | 0755, 0));
    T(mknod("fifo2", S_IFIFO | 0622, 0));
    STAT("fifo2");
    T(mknodat(AT_FDCWD, "fifo3", S_IFIFO | 0600, 0));
    T(mkfifoat(99, "fifo4", 0600));
    T(mkfifo("", 0600));
    T(mkfifo(".", 0600));
    T(mkfifo("new/", 0600));
    if (geteuid() != 0) {
        T(mknod("char", S_IFCHR | 0600, makedev(1, 3)));
        T(mknod("block", S_IFBLK | 0600, makedev(7, 0)));
    }
    T(rename("fifo", "fifo-moved"));
    T(link("fifo-moved", "fifo-linked"));
    STAT("fifo-linked");
    T(unlink("socket"));
    show_names(".");
    return 0;
}
