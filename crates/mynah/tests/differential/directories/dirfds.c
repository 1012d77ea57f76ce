// The *at calls below one directory descriptor, with every AT_ flag.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    struct stat st;
    char text[64];
    mkdir("d", 0755);
    int d = T(open("d", O_RDONLY | O_DIRECTORY));
    T(chdir("/"));
    T(mkdirat(d, "e", 0755));
    T(openat(d, "f", O_RDWR | O_CREAT, 0644));
    T(write(4, "text", 4));
    T(fstatat(d, "f", &st, 0));
    show_stat("f", &st);
    T(symlinkat("f", d, "l"));
    T(readlinkat(d, "l", text, sizeof text));
    T(fstatat(d, "l", &st, AT_SYMLINK_NOFOLLOW));
    show_stat("l", &st);
    T(fstatat(d, "l", &st, 0));
    show_stat("l", &st);
    T(linkat(d, "f", d, "h", 0));
    T(linkat(d, "l", d, "hl", AT_SYMLINK_FOLLOW));
    T(fstatat(d, "hl", &st, AT_SYMLINK_NOFOLLOW));
    show_stat("hl", &st);
    T(renameat(d, "h", d, "e/h"));
    T(faccessat(d, "e/h", R_OK, 0));
    T(fchmodat(d, "e/h", 0600, 0));
    T(fchownat(d, "e/h", -1, -1, AT_SYMLINK_NOFOLLOW));
    T(utimensat(d, "e/h", NULL, 0));
    T(mknodat(d, "p", S_IFIFO | 0600, 0));
    T(unlinkat(d, "e", 0));
    T(unlinkat(d, "e", AT_REMOVEDIR));
    T(unlinkat(d, "f", AT_REMOVEDIR));
    T(unlinkat(d, "e/h", 0));
    T(unlinkat(d, "e", AT_REMOVEDIR));
    T(fstatat(4, "", &st, AT_EMPTY_PATH));
    show_stat("4", &st);
    T(fstatat(4, "", &st, 0));
    T(fstatat(4, "x", &st, 0));
    T(fstatat(d, "", &st, AT_EMPTY_PATH));
    HOLDS(S_ISDIR(st.st_mode));
    T(fstatat(d, ".", &st, 0));
    T(fstatat(d, "..", &st, 0));
    T(fstatat(d, "../d/f", &st, 0));
    T(fstatat(d, "f/", &st, 0));
    T(fchownat(4, "", -1, -1, AT_EMPTY_PATH));
    T(utimensat(4, NULL, NULL, 0));
    T(syscall(SYS_utimensat, 4, "", NULL, AT_EMPTY_PATH));
    T(faccessat(99, "f", F_OK, 0));
    // A duplicate and a child know the same directory.
    int copy = dup(d);
    T(faccessat(copy, "f", F_OK, 0));
    CHILD({ T(faccessat(d, "f", F_OK, 0)); T(mkdirat(copy, "by-child", 0755)); });
    T(fstatat(d, "by-child", &st, 0));
    int moved = T(fcntl(d, F_DUPFD, 50));
    T(close(d));
    T(faccessat(moved, "f", F_OK, 0));
    T(dup2(moved, 0));
    T(faccessat(0, "f", F_OK, 0));
    T(faccessat(d, "f", F_OK, 0));
    return 0;
}
