// O_TMPFILE: a file without a name, and giving it one.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    char buffer[64], name[64];
    mkdir("d", 0755);
    put("f", "x");
    int fd = T(open("d", O_TMPFILE | O_RDWR, 0640));
    // Where there is no such thing, programs make a name of their own.
    if (fd < 0)
        return 0;
    FSTAT(fd);
    show_names("d");
    T(write(fd, "no name yet", 11));
    T(pread(fd, buffer, 64, 3));
    FSTAT(fd);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    T(linkat(AT_FDCWD, name, AT_FDCWD, "d/named", AT_SYMLINK_FOLLOW));
    show_names("d");
    FSTAT(fd);
    show_file("d/named");
    T(write(fd, "!", 1));
    T(close(fd));
    show_file("d/named");
    STAT("d/named");
    fd = T(open(".", O_TMPFILE | O_WRONLY, 0600));
    T(close(fd));
    T(open(".", O_TMPFILE | O_RDONLY, 0600));
    T(open("f", O_TMPFILE | O_RDWR, 0600));
    T(open("none", O_TMPFILE | O_RDWR, 0600));
    fd = T(open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600));
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    T(linkat(AT_FDCWD, name, AT_FDCWD, "refused", AT_SYMLINK_FOLLOW));
    show_names(".");
    return 0;
}
