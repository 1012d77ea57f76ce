// The extended attributes' newer calls: relative to a directory, by an empty path, with their structure.
#include "tested.h"
#include <sys/xattr.h>

#ifndef SYS_setxattrat
#define SYS_setxattrat 463
#define SYS_getxattrat 464
#define SYS_listxattrat 465
#define SYS_removexattrat 466
#endif

struct args { uint64_t value; uint32_t size, flags; };
static char value[64];
#define SET(fd, path, flags, name, text, how) T(({ struct args a_ = {(uintptr_t)text, strlen(text), how}; syscall(SYS_setxattrat, fd, path, flags, name, &a_, sizeof a_); }))
#define GET(fd, path, flags, name) T(({ struct args a_ = {(uintptr_t)value, sizeof value, 0}; syscall(SYS_getxattrat, fd, path, flags, name, &a_, sizeof a_); }))

int main(int argc, char **argv) {
    begin(argc, argv);
    // Kernels before 6.13 have no such calls.
    if (syscall(SYS_listxattrat, AT_FDCWD, "/", 0, NULL, 0) == -1 && errno == ENOSYS)
        return 0;
    mkdir("d", 0755);
    put("d/a", "text");
    symlink("a", "d/l");
    int d = open("d", O_RDONLY), a = open("d/a", O_RDONLY), named = open("d/a", O_PATH);
    SET(d, "a", 0, "user.x", "value", 0);
    SET(d, "a", 0, "user.x", "again", XATTR_CREATE);
    SET(d, "a", 0, "user.y", "again", XATTR_REPLACE);
    GET(d, "a", 0, "user.x");
    show_bytes("value", value, 5);
    GET(d, "l", 0, "user.x");
    GET(d, "l", AT_SYMLINK_NOFOLLOW, "user.x");
    GET(a, "", AT_EMPTY_PATH, "user.x");
    GET(a, NULL, AT_EMPTY_PATH, "user.x");
    GET(a, "", 0, "user.x");
    GET(named, "", AT_EMPTY_PATH, "user.x");
    GET(d, "a", 0x4000, "user.x");
    GET(d, "none", 0, "user.x");
    GET(99, "a", 0, "user.x");
    SET(AT_FDCWD, "", AT_EMPTY_PATH, "user.of-directory", "1", 0);
    T(getxattr(".", "user.of-directory", value, sizeof value));
    T(syscall(SYS_listxattrat, d, "a", 0, value, sizeof value));
    T(syscall(SYS_listxattrat, d, "a", 0, NULL, 0));
    T(syscall(SYS_listxattrat, d, "a", 0, value, 2));
    T(syscall(SYS_listxattrat, a, "", AT_EMPTY_PATH, value, sizeof value));
    struct { struct args known; uint64_t more; } larger = {{(uintptr_t)value, sizeof value, 0}, 0};
    T(syscall(SYS_getxattrat, d, "a", 0, "user.x", &larger, sizeof larger));
    larger.more = 1;
    T(syscall(SYS_getxattrat, d, "a", 0, "user.x", &larger, sizeof larger));
    T(syscall(SYS_getxattrat, d, "a", 0, "user.x", &larger, 8));
    T(syscall(SYS_getxattrat, d, "a", 0, "user.x", (void *)8, 16));
    T(syscall(SYS_removexattrat, d, "a", 0, "user.x"));
    T(syscall(SYS_removexattrat, d, "a", 0, "user.x"));
    GET(d, "a", 0, "user.x");
    return 0;
}
