// openat2: RESOLVE flags, strictness about unknown flags, sizes of the structure; O_PATH; O_TMPFILE.
#include "tested.h"
#include <linux/openat2.h>

static long at2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) {
    struct open_how how = {flags, mode, resolve};
    return syscall(SYS_openat2, dirfd, path, &how, sizeof how);
}

#define AT2(...) ({ long fd_ = OK(at2(__VA_ARGS__)); if (fd_ >= 0) close(fd_); })

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    put("f", "x");
    put("d/g", "g");
    symlink("g", "d/inside");
    symlink("../f", "d/outside");
    symlink("/etc/passwd", "d/absolute");
    symlink("e", "d/to-e");
    symlink("/proc/self/fd/0", "d/magic");
    int d = open("d", O_RDONLY);
    AT2(AT_FDCWD, "f", O_RDONLY, 0, 0);
    AT2(d, "g", O_RDWR, 0, RESOLVE_BENEATH);
    AT2(d, "inside", O_RDONLY, 0, RESOLVE_BENEATH);
    AT2(d, "outside", O_RDONLY, 0, RESOLVE_BENEATH);
    AT2(d, "absolute", O_RDONLY, 0, RESOLVE_BENEATH);
    AT2(d, "../f", O_RDONLY, 0, RESOLVE_BENEATH);
    AT2(d, "e/../g", O_RDONLY, 0, RESOLVE_BENEATH);
    AT2(d, "/etc/passwd", O_RDONLY, 0, RESOLVE_BENEATH);
    AT2(d, "inside", O_RDONLY, 0, RESOLVE_NO_SYMLINKS);
    AT2(d, "to-e/x", O_RDONLY, 0, RESOLVE_NO_SYMLINKS);
    AT2(d, "inside", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
    AT2(d, "outside", O_RDONLY, 0, RESOLVE_IN_ROOT);
    AT2(d, "/g", O_RDONLY, 0, RESOLVE_IN_ROOT);
    AT2(d, "../../g", O_RDONLY, 0, RESOLVE_IN_ROOT);
    AT2(d, "absolute", O_RDONLY, 0, RESOLVE_IN_ROOT);
    AT2(d, "magic", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS);
    AT2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS);
    AT2(d, "g", O_RDONLY, 0, RESOLVE_NO_XDEV);
    AT2(d, "/proc/self/status", O_RDONLY, 0, RESOLVE_NO_XDEV);
    AT2(d, "../f", O_RDONLY, 0, RESOLVE_NO_XDEV);
    AT2(d, "outside", O_RDONLY, 0, RESOLVE_NO_XDEV);
    AT2(d, "new", O_RDWR | O_CREAT, 0644, RESOLVE_CACHED);
    // From a directory above, by a name that is only a part of the whole.
    int root = open("/", O_PATH | O_DIRECTORY);
    char below[PATH_MAX];
    snprintf(below, sizeof below, "%s/d/g", W + 1);
    AT2(root, below, O_RDONLY, 0, RESOLVE_BENEATH);
    AT2(root, below, O_RDONLY, 0, RESOLVE_IN_ROOT);
    AT2(root, below, O_RDONLY, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    snprintf(below, sizeof below, "%s/d/inside", W);
    AT2(root, below, O_RDONLY, 0, RESOLVE_IN_ROOT);
    AT2(root, below, O_RDONLY, 0, RESOLVE_BENEATH);
    AT2(root, below, O_RDONLY, 0, RESOLVE_NO_SYMLINKS);
    snprintf(below, sizeof below, "..%s/d/../f", W);
    AT2(root, below, O_RDONLY, 0, RESOLVE_IN_ROOT);
    AT2(root, below, O_RDONLY, 0, RESOLVE_BENEATH);
    symlink("/g", "d/from-root");
    symlink("/proc/self/cwd", "d/magic-directory");
    symlink(".", "d/self");
    AT2(d, "from-root", O_RDONLY, 0, RESOLVE_IN_ROOT);
    AT2(d, "self/self/g", O_RDONLY, 0, RESOLVE_BENEATH);
    AT2(d, "self/../../f", O_RDONLY, 0, RESOLVE_BENEATH);
    AT2(d, "..", O_RDONLY, 0, RESOLVE_IN_ROOT);
    AT2(d, "/", O_RDONLY, 0, RESOLVE_IN_ROOT);
    AT2(d, "", O_RDONLY, 0, RESOLVE_IN_ROOT);
    AT2(d, "magic-directory/f", O_RDONLY, 0, RESOLVE_IN_ROOT);
    AT2(d, "self/g", O_RDONLY | O_CREAT, 0644, RESOLVE_IN_ROOT);
    AT2(d, "/e/made", O_RDWR | O_CREAT | O_EXCL, 0600, RESOLVE_IN_ROOT);
    AT2(d, "../e/made-too", O_RDWR | O_CREAT | O_EXCL, 0600, RESOLVE_IN_ROOT);
    show_names("d/e");
    AT2(d, "g", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT);
    AT2(d, "g", O_RDONLY, 0, 1 << 20);
    AT2(d, "g", O_RDONLY | (1ULL << 40), 0, 0);
    AT2(d, "g", O_RDONLY, 0644, 0);
    AT2(d, "new", O_RDWR | O_CREAT | O_EXCL, 0640, RESOLVE_BENEATH);
    STAT("d/new");
    AT2(d, "new2", O_RDWR | O_CREAT, 0100644, 0);
    AT2(d, "g", O_PATH | O_RDWR, 0, 0);
    AT2(d, "none", O_RDONLY, 0, RESOLVE_BENEATH);
    struct open_how how = {O_RDONLY, 0, 0};
    OK(syscall(SYS_openat2, d, "g", &how, 8));
    OK(syscall(SYS_openat2, d, "g", &how, 0));
    char larger[64] = {0};
    OK(syscall(SYS_openat2, d, "g", larger, sizeof larger));
    larger[40] = 1;
    OK(syscall(SYS_openat2, d, "g", larger, sizeof larger));
    show_names("d");
    return 0;
}
