// Calls of administrators, watchers and handles with names that lead nowhere and with flags that do not exist: what is wrong with
// the caller or the flags comes first, then what is wrong with the name.
#include "tested.h"
#include <sys/acct.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/quota.h>
#include <sys/statvfs.h>
#include <sys/swap.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    put("f", "text"), mkdir("d", 0755), symlink("loop", "loop");
    int instance = inotify_init1(0);
    static const char *const paths[] = {"none", "f/x", "loop", "", "d/none/x"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const char *path = paths[i];
        char buffer[256] = "";
        int mount_id;
        printf("== %s\n", path);
        OK(mount("none", path, "tmpfs", 0, NULL));
        OK(umount2(path, 0));
        OK(umount2(path, 0x8000));
        OK(swapon(path, 0));
        OK(swapoff(path));
        OK(acct(path));
        OK(quotactl(QCMD(Q_GETQUOTA, USRQUOTA), path, 0, buffer));
        OK(chroot(path));
        OK(syscall(SYS_name_to_handle_at, AT_FDCWD, path[0] == 'l' ? "loop/x" : path, buffer, &mount_id, 0));
        OK(inotify_add_watch(instance, path, IN_CREATE));
        OK(inotify_add_watch(instance, path, 0));
        OK(inotify_add_watch(instance, path, 0x80000));
        OK(inotify_add_watch(instance, path, IN_MASK_CREATE | IN_MASK_ADD | IN_CREATE));
        OK(inotify_add_watch(99, path, IN_CREATE));
        OK(inotify_add_watch(0, path, IN_CREATE));
    }
    OK(swapon("d", 0));
    OK(swapoff("d"));
    OK(acct("d"));
    OK(chroot("f"));
    OK(umount2("d", 0));
    OK(umount2("d", 0x8000));
    OK(umount2("loop", UMOUNT_NOFOLLOW));
    // A file without a name still lies on something.
    int fd = open("f", O_RDONLY);
    unlink("f");
    struct statvfs fs;
    OK(fstatvfs(fd, &fs));
    HOLDS(fs.f_bsize > 0);
    return 0;
}
