// One name, however it is written, in every call that makes, changes, removes or asks: too long, with slashes and dots at its
// end, through loops, files and links that lead nowhere.
#include "tested.h"
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

static char component_255[256], component_256[257], path_4095[4096], path_4096[4097];

static void fill(char *path, size_t length) {
    for (size_t at = 0; at < length; at++)
        path[at] = at % 2 ? '/' : '.';
    path[length - 1] = 'a';
    if (length % 2 == 0)
        path[length - 2] = 'a';
}

static int opened(int fd) { return fd < 0 ? -1 : close(fd); }

// What a call made is taken away again.
static int made(int result, const char *path) {
    if (result == 0 && unlink(path))
        rmdir(path);
    return result;
}

static int moved(const char *from, const char *to) {
    int result = rename(from, to), number = errno;
    if (result == 0)
        rename(to, from);
    errno = number;
    return result;
}

// Leaves out what a test of a directory's own machine depends on: the root.
#define EACH(call) do for (int i = 0; i < count; i++) { \
    const char *path = paths[i]; \
    errno = 0; \
    int result = (int)(call); \
    printf("%s with %.20s (%zu): %s\n", #call, path, strlen(path), result < 0 ? errno_name(errno) : "ok"); \
    fchdir(top); \
} while (0)

int main(int argc, char **argv) {
    begin(argc, argv);
    // So that `..` is ours, too.
    mkdir("w", 0755), chdir("w");
    memset(component_255, 'a', 255), memset(component_256, 'a', 256);
    fill(path_4095, 4095), fill(path_4096, 4096);
    const char *const paths[] = {
        component_255, component_256, path_4095, path_4096, "f", "f/x", "loop/x", "loop", "loop/", "", "none", "none/", "none/x", "f/", "d", "d/", ".",
        "..", "d/.", "d/..", "d/../d", "f/.", "f/..", "l", "l/", "l/x", "ld", "ld/", "ld/.", "dangling", "dangling/", "dangling/x",
    };
    const int count = sizeof paths / sizeof *paths;
    struct stat st;
    struct statx stx;
    struct statfs fs;
    char buffer[64];
    int top = open(".", O_RDONLY);
    put("f", "text"), mkdir("d", 0755);
    symlink("loop", "loop"), symlink("f", "l"), symlink("d", "ld"), symlink("none", "dangling");
    EACH(readlink(path, buffer, sizeof buffer));
    EACH(readlink(path, buffer, 0));
    EACH(access(path, F_OK));
    EACH(syscall(SYS_faccessat2, AT_FDCWD, path, R_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW));
    EACH(stat(path, &st));
    EACH(lstat(path, &st));
    EACH(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &stx));
    EACH(statfs(path, &fs));
    EACH(chmod(path, 0755));
    EACH(chown(path, -1, -1));
    EACH(lchown(path, -1, -1));
    EACH(truncate(path, 0));
    EACH(utime(path, NULL));
    EACH(utimes(path, NULL));
    EACH(utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW));
    EACH(setxattr(path, "user.a", "1", 1, 0));
    EACH(getxattr(path, "user.a", buffer, 10));
    EACH(listxattr(path, NULL, 0) < 0 ? -1 : 0);
    EACH(removexattr(path, "user.a"));
    EACH(chdir(path));
    EACH(execve(path, (char *[]){"x", NULL}, NULL));
    EACH(opened(open(path, O_RDONLY)));
    EACH(opened(open(path, O_RDONLY | O_NOFOLLOW)));
    EACH(opened(open(path, O_RDONLY | O_DIRECTORY)));
    EACH(opened(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)));
    EACH(opened(open(path, O_PATH)));
    EACH(opened(open(path, O_PATH | O_CREAT | O_EXCL, 0644)));
    EACH(opened(open(path, O_PATH | O_NOFOLLOW)));
    EACH(opened(open(path, O_PATH | O_NOFOLLOW | O_DIRECTORY)));
    EACH(opened(open(path, O_RDWR | O_TMPFILE, 0600)));
    EACH(made(link("f", path), path));
    EACH(made(link(path, "new"), "new"));
    EACH(made(symlink("t", path), path));
    EACH(made(mkdir(path, 0755), path));
    EACH(made(mknod(path, S_IFREG | 0644, 0), path));
    EACH(made(mkfifo(path, 0644), path));
    EACH(moved(path, "new"));
    EACH(moved("f", path));
    EACH(opened(open(path, O_RDWR | O_CREAT | O_EXCL, 0644)));
    unlink("none"), unlink(component_255);
    EACH(opened(open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0644)));
    unlink("none"), unlink(component_255);
    EACH(opened(open(path, O_RDWR | O_CREAT, 0644)));
    unlink("none"), unlink(component_255);
    EACH(opened(creat(path, 0644)));
    show_names(".");
    EACH(rmdir(path));
    EACH(unlink(path));
    show_names(".");
    return 0;
}
