// stat, lstat, fstat, fstatat, statx: the same answer by every way.
#include "tested.h"
#include <sys/sysmacros.h>

static int same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mode == b->st_mode && a->st_nlink == b->st_nlink
        && a->st_uid == b->st_uid && a->st_gid == b->st_gid && a->st_size == b->st_size && a->st_blocks == b->st_blocks
        && a->st_blksize == b->st_blksize && a->st_rdev == b->st_rdev
        && !memcmp(&a->st_mtim, &b->st_mtim, sizeof a->st_mtim) && !memcmp(&a->st_ctim, &b->st_ctim, sizeof a->st_ctim);
}

static int same_statx(const struct stat *a, const struct statx *x) {
    return a->st_ino == x->stx_ino && a->st_mode == x->stx_mode && a->st_nlink == x->stx_nlink && a->st_uid == x->stx_uid
        && a->st_gid == x->stx_gid && a->st_size == (off_t)x->stx_size && a->st_blocks == (blkcnt_t)x->stx_blocks
        && a->st_mtim.tv_sec == x->stx_mtime.tv_sec && a->st_mtim.tv_nsec == x->stx_mtime.tv_nsec
        && a->st_ctim.tv_sec == x->stx_ctime.tv_sec && a->st_ctim.tv_nsec == x->stx_ctime.tv_nsec
        && major(a->st_dev) == x->stx_dev_major && minor(a->st_dev) == x->stx_dev_minor;
}

static void compare(const char *name, int flags) {
    struct stat by_name, by_at, by_fd;
    struct statx by_statx;
    printf("-- %s\n", name);
    if (T(fstatat(AT_FDCWD, name, &by_name, flags)))
        return;
    fstatat(AT_FDCWD, name, &by_at, flags | AT_NO_AUTOMOUNT);
    HOLDS(same(&by_name, &by_at));
    T(statx(AT_FDCWD, name, flags, STATX_BASIC_STATS, &by_statx));
    HOLDS((by_statx.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
    HOLDS(same_statx(&by_name, &by_statx));
    if (S_ISLNK(by_name.st_mode) || S_ISFIFO(by_name.st_mode))
        return;
    int fd = open(name, O_RDONLY);
    fstat(fd, &by_fd);
    HOLDS(same(&by_name, &by_fd));
    T(fstatat(fd, "", &by_at, AT_EMPTY_PATH));
    HOLDS(same(&by_fd, &by_at));
    T(statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &by_statx));
    HOLDS(same_statx(&by_fd, &by_statx));
    int copy = dup(fd);
    fstat(copy, &by_at);
    HOLDS(same(&by_fd, &by_at));
    close(copy);
    close(fd);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    // In a directory of its own, since others change what is above the work directory.
    mkdir("own", 0755);
    chdir("own");
    put("a", "some text");
    mkdir("d", 0750);
    symlink("a", "l");
    symlink("none", "dangling");
    link("a", "a2");
    put("empty", "");
    for (int i = 0; i < 2; i++) {
        compare("a", 0);
        compare("a2", 0);
        compare("d", 0);
        compare("l", 0);
        compare("l", AT_SYMLINK_NOFOLLOW);
        compare("dangling", 0);
        compare("dangling", AT_SYMLINK_NOFOLLOW);
        compare("empty", 0);
        compare("none", 0);
        compare("a/", 0);
        compare("a/b", 0);
        compare("d/", 0);
        compare("d/.", 0);
        compare("d/..", 0);
        compare("l/", AT_SYMLINK_NOFOLLOW);
        compare(".", 0);
        compare("..", 0);
        compare("", 0);
        compare("/", 0);
        // Once more with the file open for writing and changed.
        int fd = open("a", O_RDWR | O_APPEND);
        write(fd, "+", 1);
    }
    struct stat a, a2, l, d, dot;
    stat("a", &a);
    stat("a2", &a2);
    stat("l", &l);
    HOLDS(same(&a, &a2));
    HOLDS(same(&a, &l));
    stat("d", &d);
    chdir("d");
    stat(".", &dot);
    HOLDS(same(&d, &dot));
    LSTAT("../l");
    LSTAT("../a");
    LSTAT("../d");
    HOLDS(d.st_dev == a.st_dev);
    T(fstat(99, &a));
    T(fstatat(99, "a", &a, 0));
    T(fstatat(AT_FDCWD, "../a", &a, 0x40000000));
    struct statx x;
    T(statx(AT_FDCWD, "../a", 0x40000000, STATX_BASIC_STATS, &x));
    T(statx(AT_FDCWD, "../a", 0, STATX__RESERVED, &x));
    T(statx(AT_FDCWD, "../a", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, STATX_SIZE, &x));
    T(statx(AT_FDCWD, "../a", AT_STATX_DONT_SYNC, STATX_SIZE, &x));
    HOLDS(x.stx_size == 11);
    T(fstatat(AT_FDCWD, "", &a, AT_EMPTY_PATH));
    HOLDS(same(&a, &dot));
    return 0;
}
