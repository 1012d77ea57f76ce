// statx: masks, birth time, attributes, mount ids, flags, an empty or absent path.
#include "tested.h"
#include <linux/stat.h>
#define statx_now(...) syscall(SYS_statx, __VA_ARGS__)

static struct statx first, second;

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "0123456789");
    mkdir("d", 0755);
    symlink("a", "l");
    int fd = open("a", O_RDONLY);
    T(statx_now(AT_FDCWD, "a", 0, STATX_BASIC_STATS, &first));
    HOLDS((first.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
    T(statx_now(AT_FDCWD, "a", 0, STATX_SIZE, &first));
    HOLDS(first.stx_mask & STATX_SIZE);
    HOLDS(first.stx_size == 10);
    T(statx_now(AT_FDCWD, "a", 0, STATX_BASIC_STATS | STATX_BTIME, &first));
    HOLDS(first.stx_mask & STATX_BTIME);
    HOLDS(first.stx_btime.tv_sec > 1600000000);
    HOLDS(first.stx_btime.tv_sec < first.stx_ctime.tv_sec || (first.stx_btime.tv_sec == first.stx_ctime.tv_sec && first.stx_btime.tv_nsec <= first.stx_ctime.tv_nsec));
    chmod("a", 0600);
    put("a", "another content");
    T(statx_now(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, &second));
    HOLDS(first.stx_btime.tv_sec == second.stx_btime.tv_sec && first.stx_btime.tv_nsec == second.stx_btime.tv_nsec);
    HOLDS(second.stx_mode == (S_IFREG | 0600));
    HOLDS(first.stx_ino == second.stx_ino);
    T(statx_now(fd, NULL, AT_EMPTY_PATH, STATX_BASIC_STATS, &second));
    T(statx_now(fd, NULL, 0, STATX_BASIC_STATS, &second));
    T(statx_now(AT_FDCWD, "", AT_EMPTY_PATH, STATX_TYPE, &second));
    HOLDS(S_ISDIR(second.stx_mode));
    T(statx_now(AT_FDCWD, "", 0, STATX_TYPE, &second));
    T(statx_now(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &second));
    HOLDS(S_ISLNK(second.stx_mode));
    T(statx_now(AT_FDCWD, "l", 0, STATX_TYPE, &second));
    HOLDS(S_ISREG(second.stx_mode));
    T(statx_now(AT_FDCWD, "a", AT_STATX_FORCE_SYNC, STATX_SIZE, &second));
    T(statx_now(AT_FDCWD, "a", AT_STATX_DONT_SYNC, STATX_SIZE, &second));
    T(statx_now(AT_FDCWD, "a", AT_STATX_DONT_SYNC | AT_STATX_FORCE_SYNC, STATX_SIZE, &second));
    T(statx_now(AT_FDCWD, "a", 0, STATX__RESERVED, &second));
    T(statx_now(AT_FDCWD, "a", 0, 0, &second));
    T(statx_now(AT_FDCWD, "a", AT_REMOVEDIR, STATX_SIZE, &second));
    T(statx_now(AT_FDCWD, "a", 0, STATX_SIZE, NULL));
    T(statx_now(AT_FDCWD, "none", 0, STATX_SIZE, &second));
    // The mount: the same for all that lies in it.
    struct statx of_d;
    T(statx_now(AT_FDCWD, "a", 0, STATX_BASIC_STATS | STATX_MNT_ID, &first));
    T(statx_now(AT_FDCWD, "d", 0, STATX_BASIC_STATS | STATX_MNT_ID, &of_d));
    HOLDS(first.stx_mask & STATX_MNT_ID);
    HOLDS(first.stx_mnt_id == of_d.stx_mnt_id);
    HOLDS(first.stx_dev_major == of_d.stx_dev_major && first.stx_dev_minor == of_d.stx_dev_minor);
    HOLDS(first.stx_attributes & STATX_ATTR_MOUNT_ROOT);
    T(statx_now(AT_FDCWD, "/", 0, STATX_BASIC_STATS, &of_d));
    HOLDS(!(of_d.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) || (of_d.stx_attributes & STATX_ATTR_MOUNT_ROOT));
    HOLDS(first.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT);
    HOLDS(first.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_VERITY));
    HOLDS(first.stx_blksize > 0);
    T(statx_now(AT_FDCWD, ".", 0, STATX_BASIC_STATS, &of_d));
    HOLDS(of_d.stx_attributes & STATX_ATTR_MOUNT_ROOT);
    return 0;
}
