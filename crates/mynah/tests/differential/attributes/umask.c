// The umask acts on all that makes a file, and belongs to the process.
#include "tested.h"
#include <sys/socket.h>
#include <sys/un.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    mode_t masks[] = {0, 022, 027, 077, 0777};
    char name[64];
    for (unsigned i = 0; i < sizeof masks / sizeof *masks; i++) {
        umask(masks[i]);
        printf("umask %03o\n", masks[i]);
        snprintf(name, sizeof name, "file%u", i);
        int fd = open(name, O_RDWR | O_CREAT, 0777);
        FSTAT(fd);
        close(fd);
        STAT(name);
        snprintf(name, sizeof name, "dir%u", i);
        T(mkdir(name, 0777));
        STAT(name);
        snprintf(name, sizeof name, "fifo%u", i);
        T(mkfifo(name, 0666));
        STAT(name);
        snprintf(name, sizeof name, "link%u", i);
        T(symlink("x", name));
        LSTAT(name);
    }
    umask(022);
    CHILD({ printf("inherited %03o\n", umask(077)); put("by-child", "x"); });
    printf("kept %03o\n", umask(022));
    put("by-parent", "x");
    STAT("by-parent");
    mkdir("sticky", 01777);
    STAT("sticky");
    mkdir("setgid", 0755);
    chmod("setgid", 02755);
    mkdir("setgid/below", 0755);
    STAT("setgid/below");
    for (unsigned i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "dir%u", i);
        chmod(name, 0755);
    }
    return 0;
}
