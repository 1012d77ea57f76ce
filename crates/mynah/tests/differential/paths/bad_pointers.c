// Pointers that lead nowhere: EFAULT from every call that takes a path or a buffer, and strings that end at a page's end.
#include "tested.h"
#include <sys/statfs.h>
#include <sys/uio.h>
#include <sys/xattr.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    struct stat st;
    struct statx stx;
    struct statfs fs;
    char buffer[128];
    char *bad = (char *)8;
    put("f", "text");
    symlink("f", "l");
    OK(syscall(SYS_open, bad, O_RDONLY));
    OK(syscall(SYS_open, NULL, O_RDONLY));
    OK(syscall(SYS_openat, AT_FDCWD, bad, O_RDONLY));
    OK(syscall(SYS_openat, 99, bad, O_RDONLY));
    OK(syscall(SYS_creat, bad, 0644));
    OK(syscall(SYS_stat, bad, &st));
    OK(syscall(SYS_stat, "f", bad));
    OK(syscall(SYS_stat, "none", bad));
    OK(syscall(SYS_lstat, "f", bad));
    OK(syscall(SYS_fstat, 0, bad));
    int fd = open("f", O_RDWR);
    OK(syscall(SYS_fstat, fd, bad));
    OK(syscall(SYS_newfstatat, AT_FDCWD, "f", bad, 0));
    OK(syscall(SYS_newfstatat, AT_FDCWD, bad, &st, 0));
    OK(syscall(SYS_newfstatat, fd, "", bad, AT_EMPTY_PATH));
    OK(syscall(SYS_statx, AT_FDCWD, "f", 0, STATX_SIZE, bad));
    OK(syscall(SYS_statx, AT_FDCWD, bad, 0, STATX_SIZE, &stx));
    OK(syscall(SYS_access, bad, F_OK));
    OK(syscall(SYS_chdir, bad));
    OK(syscall(SYS_mkdir, bad, 0755));
    OK(syscall(SYS_rmdir, bad));
    OK(syscall(SYS_unlink, bad));
    OK(syscall(SYS_rename, bad, "x"));
    OK(syscall(SYS_rename, "f", bad));
    OK(syscall(SYS_link, "f", bad));
    OK(syscall(SYS_link, bad, "x"));
    OK(syscall(SYS_symlink, bad, "x"));
    OK(syscall(SYS_symlink, "x", bad));
    OK(syscall(SYS_readlink, bad, buffer, 10));
    OK(syscall(SYS_readlink, "l", bad, 10));
    OK(syscall(SYS_readlink, "l", buffer, -1));
    OK(syscall(SYS_chmod, bad, 0644));
    OK(syscall(SYS_chown, bad, -1, -1));
    OK(syscall(SYS_truncate, bad, 0));
    OK(syscall(SYS_statfs, bad, &fs));
    OK(syscall(SYS_statfs, "f", bad));
    OK(syscall(SYS_fstatfs, fd, bad));
    OK(syscall(SYS_utimensat, AT_FDCWD, "f", bad, 0));
    OK(syscall(SYS_utimensat, AT_FDCWD, bad, NULL, 0));
    OK(syscall(SYS_getcwd, bad, 4096));
    OK(syscall(SYS_mknod, bad, S_IFREG | 0644, 0));
    OK(syscall(SYS_getxattr, bad, "user.x", buffer, 10));
    OK(syscall(SYS_getxattr, "f", bad, buffer, 10));
    OK(syscall(SYS_setxattr, "f", "user.x", bad, 10, 0));
    OK(syscall(SYS_execve, bad, NULL, NULL));
    OK(syscall(SYS_execve, "none", bad, NULL));
    OK(syscall(SYS_getdents64, open(".", O_RDONLY), bad, 1000));
    OK(syscall(SYS_read, fd, bad, 4));
    OK(syscall(SYS_write, fd, bad, 4));
    OK(syscall(SYS_pipe2, bad, 0));
    OK(syscall(SYS_openat2, AT_FDCWD, "f", bad, 24));
    OK(syscall(SYS_inotify_add_watch, 99, bad, 1));
    // A name that ends exactly at the end of the last mapped page is read; one that does not end is a fault.
    long page = sysconf(_SC_PAGESIZE);
    char *area = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(area + page, page);
    char *end = area + page;
    memcpy(end - 2, "f", 2);
    OK(stat(end - 2, &st));
    end[-1] = 'f';
    OK(stat(end - 1, &st));
    OK(open(end - 1, O_RDONLY));
    // Structures that cross into nothing.
    OK(stat("f", (struct stat *)(end - sizeof st)));
    HOLDS(((struct stat *)(end - sizeof st))->st_size == 4);
    OK(stat("f", (struct stat *)(end - sizeof st + 1)));
    OK(syscall(SYS_getcwd, end - 2, 2));
    OK(syscall(SYS_getcwd, end - 2, 4096));
    // Read-only memory cannot take an answer but can hold a name.
    memcpy(area, "f", 2);
    mprotect(area, page, PROT_READ);
    OK(stat(area, &st));
    OK(stat("f", (struct stat *)area));
    // A name across two pages.
    char *two = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    snprintf(two + page - 3, 100, "./././f");
    OK(stat(two + page - 3, &st));
    mprotect(two + page, page, PROT_NONE);
    OK(stat(two + page - 3, &st));
    show_names(".");
    return 0;
}
