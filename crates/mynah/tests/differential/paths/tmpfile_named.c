// A file of O_TMPFILE before and after it gets its name: attributes, mappings, other processes, several names, refusals.
#include "tested.h"
#include <sys/xattr.h>

static char name[64];
static const char *link_of(int fd) {
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    return name;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("d", 0755);
    mkdir("s", 0755);
    put("taken", "already here");
    char buffer[64];
    struct stat st;
    int fd = T(open("d", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666));
    T(fcntl(fd, F_GETFD));
    T(write(fd, "0123456789", 10));
    T(fchmod(fd, 0604));
    struct timespec times[2] = {{1000, 0}, {2000, 0}};
    T(futimens(fd, times));
    FSTAT(fd);
    fstat(fd, &st);
    printf("mtime %lld\n", (long long)st.st_mtime);
    T(fsetxattr(fd, "user.kind", "nameless", 8, XATTR_CREATE));
    T(fsetxattr(fd, "user.kind", "again", 5, XATTR_CREATE));
    T(fsetxattr(fd, "user.other", "x", 1, XATTR_REPLACE));
    T(fsetxattr(fd, "user.other", "x", 1, 0));
    T(fgetxattr(fd, "user.none", buffer, 64));
    T(fgetxattr(fd, "user.kind", buffer, 64));
    show_bytes("attribute", buffer, 8);
    T(flistxattr(fd, NULL, 0));
    T(fremovexattr(fd, "user.other"));
    T(fremovexattr(fd, "user.other"));
    T(fsetxattr(fd, "nonsense.other", "x", 1, 0));
    T(ftruncate(fd, 6));
    T(fsync(fd));
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    memcpy(map, "mapped", 6);
    T(pread(fd, buffer, 64, 0));
    show_bytes("read", buffer, 6);
    int again = T(open(link_of(fd), O_RDONLY));
    T(read(again, buffer, 3));
    CHILD({ T(pwrite(fd, "CHILD", 5, 6)); });
    T(linkat(AT_FDCWD, link_of(fd), AT_FDCWD, "taken", AT_SYMLINK_FOLLOW));
    show_file("taken");
    T(linkat(AT_FDCWD, link_of(fd), AT_FDCWD, "none/x", AT_SYMLINK_FOLLOW));
    T(linkat(AT_FDCWD, link_of(fd), AT_FDCWD, "s/named", AT_SYMLINK_FOLLOW));
    show_file("s/named");
    STAT("s/named");
    T(getxattr("s/named", "user.kind", buffer, 64));
    T(fsetxattr(fd, "user.kind", "named", 5, 0));
    T(getxattr("s/named", "user.kind", buffer, 64));
    FSTAT(fd);
    HOLDS(stat("s/named", &st) == 0 && st.st_mode == (S_IFREG | 0604));
    T(linkat(AT_FDCWD, link_of(fd), AT_FDCWD, "second", AT_SYMLINK_FOLLOW));
    STAT("second");
    T(pwrite(fd, "both", 4, 0));
    T(close(fd));
    munmap(map, 4096);
    show_file("second");
    T(unlink("s/named"));
    T(unlink("second"));
    T(linkat(AT_FDCWD, link_of(again), AT_FDCWD, "third", AT_SYMLINK_FOLLOW));
    T(read(again, buffer, 64));
    T(close(again));
    // One that is never named, written by two.
    fd = T(open(".", O_TMPFILE | O_WRONLY | O_APPEND, 0600));
    T(write(fd, "x", 1));
    int copy = dup(fd);
    T(close(fd));
    T(write(copy, "y", 1));
    T(lseek(copy, 0, SEEK_CUR));
    T(read(copy, buffer, 1));
    FSTAT(copy);
    T(close(copy));
    // An empty one.
    fd = open(".", O_TMPFILE | O_RDWR, 0640);
    T(linkat(AT_FDCWD, link_of(fd), AT_FDCWD, "empty", AT_SYMLINK_FOLLOW));
    STAT("empty");
    T(write(fd, "later", 5));
    T(close(fd));
    show_file("empty");
    // In a set-group-id directory, and where nothing may be made.
    chmod("s", 02775);
    fd = open("s", O_TMPFILE | O_RDWR, 0660);
    struct stat of_s;
    stat("s", &of_s);
    fstat(fd, &st);
    HOLDS(st.st_gid == of_s.st_gid);
    close(fd);
    chmod("d", 0555);
    HOLDS((open("d", O_TMPFILE | O_RDWR, 0600) >= 0) == (geteuid() == 0));
    chmod("d", 0755);
    FILE *stream = tmpfile();
    HOLDS(stream != NULL);
    show_names(".");
    show_names("s");
    show_names("d");
    return 0;
}
