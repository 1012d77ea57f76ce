// Calls that start from a descriptor: of a directory, of a file, opened with O_PATH, bad, none; with flags that are known and not.
#include "tested.h"
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static void from(const char *label, int fd) {
    struct stat st;
    struct statx stx;
    char buffer[16];
    char *arguments[] = {"x", NULL};
    printf("== %s\n", label);
    OK(openat(fd, "x", O_RDONLY));
    OK(openat(fd, "", O_RDONLY));
    OK(openat(fd, NULL, O_RDONLY));
    OK(close(OK(openat(fd, "/dev/null", O_RDONLY)) >= 0 ? 0 : -1));
    OK(mkdirat(fd, "m", 0755));
    OK(unlinkat(fd, "m", 0));
    OK(unlinkat(fd, "m", AT_REMOVEDIR));
    OK(unlinkat(fd, "none", 99));
    OK(unlinkat(fd, ".", AT_REMOVEDIR));
    OK(unlinkat(fd, "..", AT_REMOVEDIR));
    OK(unlinkat(fd, ".", 0));
    OK(symlinkat("t", fd, "s"));
    OK(readlinkat(fd, "s", buffer, 10));
    OK(readlinkat(fd, "s", buffer, 0));
    OK(readlinkat(fd, "", buffer, 10));
    OK(linkat(fd, "s", fd, "s2", 0));
    OK(linkat(fd, "s", fd, "s3", AT_SYMLINK_FOLLOW));
    OK(linkat(fd, "s", fd, "s3", 99));
    OK(renameat(fd, "s2", fd, "s"));
    OK(renameat(fd, "s2", fd, "s5"));
    OK(renameat2(AT_FDCWD, "f", fd, "s", RENAME_NOREPLACE));
    OK(renameat2(AT_FDCWD, "f", fd, "none", RENAME_EXCHANGE));
    OK(renameat2(AT_FDCWD, "f", fd, "s", 3));
    OK(unlinkat(fd, "s5", 0));
    OK(fstatat(fd, "s", &st, AT_SYMLINK_NOFOLLOW));
    OK(fstatat(fd, "s", &st, 0));
    OK(fstatat(fd, "", &st, 0));
    OK(fstatat(fd, "", &st, AT_EMPTY_PATH));
    OK(fstatat(fd, "s", &st, 0x8000));
    OK(statx(fd, "", AT_EMPTY_PATH, 0, &stx));
    OK(statx(fd, "f", 0x8000 | AT_STATX_FORCE_SYNC, 0, &stx));
    OK(statx(fd, "f", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, 0, &stx));
    OK(statx(fd, "f", 0, 0x80000000, &stx));
    OK(fchmodat(fd, "s", 0644, 0));
    OK(syscall(SYS_fchmodat2, fd, "s", 0644, AT_SYMLINK_NOFOLLOW));
    OK(syscall(SYS_fchmodat2, fd, "", 0755, AT_EMPTY_PATH));
    OK(syscall(SYS_fchmodat2, fd, "s", 0644, 0x8000));
    OK(fchownat(fd, "s", -1, -1, AT_SYMLINK_NOFOLLOW));
    OK(fchownat(fd, "", -1, -1, AT_EMPTY_PATH));
    OK(fchownat(fd, "s", -1, -1, 0x8000));
    OK(faccessat(fd, "s", R_OK, 0));
    OK(syscall(SYS_faccessat2, fd, "", R_OK, AT_EMPTY_PATH));
    OK(syscall(SYS_faccessat2, fd, "s", R_OK, 0x8000));
    OK(syscall(SYS_faccessat2, fd, "s", 99, 0));
    OK(utimensat(fd, "s", NULL, AT_SYMLINK_NOFOLLOW));
    OK(utimensat(fd, "", NULL, AT_EMPTY_PATH));
    OK(utimensat(fd, "s", NULL, 0x8000));
    OK(syscall(SYS_utimensat, fd, NULL, NULL, 0));
    OK(syscall(SYS_utimensat, fd, NULL, NULL, AT_SYMLINK_NOFOLLOW));
    OK(syscall(SYS_utimensat, fd, NULL, ((struct timespec[]){{0, UTIME_OMIT}, {0, UTIME_OMIT}}), AT_SYMLINK_NOFOLLOW));
    OK(mknodat(fd, "k", S_IFIFO | 0644, 0));
    OK(mknodat(fd, "none/k", S_IFDIR | 0644, 0));
    OK(mknodat(fd, "none/k", S_IFLNK | 0644, 0));
    OK(unlinkat(fd, "k", 0));
    OK(unlinkat(fd, "s", 0));
    OK(syscall(SYS_execveat, fd, "none", arguments, NULL, 0));
    OK(syscall(SYS_execveat, fd, "", arguments, NULL, AT_EMPTY_PATH));
    OK(syscall(SYS_execveat, fd, "l", arguments, NULL, AT_SYMLINK_NOFOLLOW));
    OK(syscall(SYS_execveat, fd, "f", arguments, NULL, 0x8000));
    OK(syscall(SYS_name_to_handle_at, fd, "none", buffer, buffer, 0));
    OK(fchdir(fd));
}

int main(int argc, char **argv) {
    begin(argc, argv);
    put("f", "text"), mkdir("d", 0755), symlink("f", "l");
    int top = open(".", O_RDONLY), directory = open("d", O_RDONLY), file = open("f", O_RDONLY), named = open("d", O_PATH);
    from("directory", directory), fchdir(top);
    from("file", file), fchdir(top);
    from("O_PATH", named), fchdir(top);
    from("top", top), fchdir(top);
    from("working directory", AT_FDCWD), fchdir(top);
    from("99", 99);
    from("-1", -1);
    show_names("."), show_names("d");
    return 0;
}
