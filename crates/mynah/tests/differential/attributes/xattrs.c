// Extended attributes of the user's name space: set, get, list, remove, sizes and errors.
#include "tested.h"
#include <sys/xattr.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    char value[256];
    put("a", "text");
    mkdir("d", 0755);
    symlink("a", "l");
    T(getxattr("a", "user.x", value, sizeof value));
    T(listxattr("a", value, sizeof value));
    T(setxattr("a", "user.x", "value", 5, 0));
    T(getxattr("a", "user.x", value, sizeof value));
    show_bytes("value", value, 5);
    T(getxattr("a", "user.x", NULL, 0));
    T(getxattr("a", "user.x", value, 2));
    T(setxattr("a", "user.x", "other", 5, XATTR_CREATE));
    T(setxattr("a", "user.y", "other", 5, XATTR_REPLACE));
    T(setxattr("a", "user.x", "longer value", 12, XATTR_REPLACE));
    T(getxattr("l", "user.x", value, sizeof value));
    T(lgetxattr("l", "user.x", value, sizeof value));
    T(setxattr("a", "user.empty", "", 0, XATTR_CREATE));
    T(getxattr("a", "user.empty", value, sizeof value));
    T(listxattr("a", NULL, 0));
    T(listxattr("a", value, 3));
    T(listxattr("a", value, sizeof value));
    T(removexattr("a", "user.empty"));
    T(removexattr("a", "user.empty"));
    T(listxattr("a", value, sizeof value));
    show_bytes("list", value, 7);
    T(setxattr("d", "user.of-directory", "1", 1, 0));
    T(getxattr("d", "user.of-directory", value, sizeof value));
    T(setxattr("none", "user.x", "1", 1, 0));
    T(getxattr("none", "user.x", value, sizeof value));
    T(setxattr("a", "no-such-space.x", "1", 1, 0));
    T(setxattr("a", "user.", "1", 1, 0));
    T(setxattr("a", "", "1", 1, 0));
    T(setxattr("a", "user.x", "1", 1, 99));
    T(lsetxattr("l", "user.x", "1", 1, 0));
    char binary[] = {0, 1, 2, (char)255, '\n', 0};
    T(setxattr("a", "user.binary", binary, sizeof binary, 0));
    T(getxattr("a", "user.binary", value, sizeof value));
    show_bytes("binary", value, 6);
    int fd = open("a", O_RDWR);
    T(fsetxattr(fd, "user.by-fd", "fd", 2, 0));
    T(fgetxattr(fd, "user.by-fd", value, sizeof value));
    T(getxattr("a", "user.by-fd", value, sizeof value));
    HOLDS(flistxattr(fd, NULL, 0) == listxattr("a", NULL, 0));
    T(fremovexattr(fd, "user.by-fd"));
    T(fgetxattr(fd, "user.by-fd", value, sizeof value));
    T(fgetxattr(99, "user.x", value, sizeof value));
    T(write(fd, "TEXT", 4));
    T(close(fd));
    T(getxattr("a", "user.x", value, sizeof value));
    T(rename("a", "b"));
    T(getxattr("b", "user.x", value, sizeof value));
    T(getxattr("b", "system.posix_acl_access", value, sizeof value));
    T(getxattr("b", "security.capability", value, sizeof value));
    // An access list of user rw-, group ---, mask r--, others r--: taken, it would be seen in the mode.
    char list[] = "\2\0\0\0\1\0\6\0\377\377\377\377\4\0\0\0\377\377\377\377\20\0\4\0\377\377\377\377\40\0\4\0\377\377\377\377";
    T(chmod("b", 0600));
    T(setxattr("b", "system.posix_acl_access", list, sizeof list - 1, 0));
    struct stat st;
    T(stat("b", &st));
    printf("mode %o\n", st.st_mode & 0777);
    T(removexattr("b", "system.posix_acl_access"));
    T(chmod("b", 0644));
    return 0;
}
