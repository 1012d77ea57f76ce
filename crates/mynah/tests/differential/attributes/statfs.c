// statfs and statvfs: the same by name and by descriptor, sane numbers, errors.
#include "tested.h"
#include <sys/statfs.h>
#include <sys/statvfs.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    struct statfs by_name, by_fd;
    struct statvfs vfs;
    put("a", "x");
    symlink("a", "l");
    T(statfs("a", &by_name));
    int fd = open("a", O_RDONLY);
    T(fstatfs(fd, &by_fd));
    HOLDS(by_name.f_type == by_fd.f_type);
    HOLDS(by_name.f_bsize == by_fd.f_bsize && by_fd.f_bsize > 0);
    HOLDS(by_name.f_blocks == by_fd.f_blocks);
    HOLDS(by_fd.f_blocks >= by_fd.f_bfree && by_fd.f_bfree >= by_fd.f_bavail);
    HOLDS(by_name.f_namelen == by_fd.f_namelen);
    printf("longest name %ld\n", (long)by_fd.f_namelen);
    T(statfs("l", &by_name));
    T(statfs(".", &by_name));
    HOLDS(by_name.f_type == by_fd.f_type);
    T(statvfs("a", &vfs));
    HOLDS(vfs.f_bsize > 0 && vfs.f_blocks > 0);
    T(statfs("none", &by_name));
    T(statfs("a/b", &by_name));
    T(statfs("", &by_name));
    T(fstatfs(99, &by_name));
    T(pathconf("a", _PC_NAME_MAX));
    T(pathconf(".", _PC_PATH_MAX));
    T(statfs("/proc", &by_name));
    HOLDS(by_name.f_type == 0x9fa0);
    return 0;
}
