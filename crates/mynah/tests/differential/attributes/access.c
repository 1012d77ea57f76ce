// access, faccessat, faccessat2: rights asked by name.
#include "tested.h"

static void ask(const char *name) {
    printf("-- %s\n", name);
    T(access(name, F_OK));
    T(access(name, R_OK));
    T(access(name, W_OK));
    T(access(name, X_OK));
    T(access(name, R_OK | W_OK | X_OK));
}

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("d", 0755);
    mkdir("closed", 0755);
    put("closed/inside", "x");
    put("plain", "x");
    put("script", "x");
    put("secret", "x");
    chmod("script", 0755);
    chmod("secret", 0);
    put("readonly", "x");
    chmod("readonly", 0444);
    chmod("closed", 0);
    symlink("plain", "l");
    symlink("none", "dangling");
    symlink("loop", "loop");
    ask("d");
    ask("plain");
    ask("script");
    ask("secret");
    ask("readonly");
    ask("closed");
    ask("closed/inside");
    ask("l");
    ask("dangling");
    ask("loop");
    ask("none");
    ask("plain/x");
    ask("plain/");
    ask("");
    T(access("plain", 99));
    T(faccessat(AT_FDCWD, "plain", R_OK, AT_EACCESS));
    T(faccessat(AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
    T(syscall(SYS_faccessat2, AT_FDCWD, "dangling", F_OK, AT_SYMLINK_NOFOLLOW));
    T(syscall(SYS_faccessat2, AT_FDCWD, "plain", R_OK, AT_EACCESS));
    T(syscall(SYS_faccessat2, AT_FDCWD, "plain", R_OK, 0x4000));
    T(syscall(SYS_faccessat, AT_FDCWD, "plain", R_OK));
    int fd = open("plain", O_RDONLY);
    T(syscall(SYS_faccessat2, fd, "", R_OK, AT_EMPTY_PATH));
    T(syscall(SYS_faccessat2, fd, "", X_OK, AT_EMPTY_PATH));
    T(syscall(SYS_faccessat2, fd, "", R_OK, 0));
    T(syscall(SYS_faccessat2, fd, "x", R_OK, 0));
    T(syscall(SYS_faccessat2, 99, "plain", R_OK, 0));
    // What access says, open does.
    T(open("secret", O_RDONLY));
    T(open("readonly", O_RDWR));
    T(open("closed/inside", O_RDONLY));
    chmod("closed", 0755);
    return 0;
}
