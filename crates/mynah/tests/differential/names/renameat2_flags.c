// renameat2: NOREPLACE, EXCHANGE, WHITEOUT and what does not go together.
#include "tested.h"

#define R2(old, new, flags) T(renameat2(AT_FDCWD, old, AT_FDCWD, new, flags))

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "a");
    put("b", "bb");
    mkdir("d", 0755);
    put("d/x", "xxx");
    R2("a", "b", RENAME_NOREPLACE);
    R2("a", "c", RENAME_NOREPLACE);
    R2("none", "b", RENAME_NOREPLACE);
    R2("c", "d", RENAME_NOREPLACE);
    R2("c", "c", RENAME_NOREPLACE);
    R2("b", "c", RENAME_EXCHANGE);
    show_file("b");
    show_file("c");
    int open_b = open("b", O_RDWR);
    R2("b", "d", RENAME_EXCHANGE);
    show_names(".");
    show_names("b");
    T(pwrite(open_b, "A", 1, 0));
    close(open_b);
    show_file("d");
    R2("b", "none", RENAME_EXCHANGE);
    R2("none", "b", RENAME_EXCHANGE);
    R2("b", "b/x", RENAME_EXCHANGE);
    R2("b", "b", RENAME_EXCHANGE);
    R2("b", "c", RENAME_EXCHANGE | RENAME_NOREPLACE);
    R2("b", "c", RENAME_EXCHANGE | RENAME_WHITEOUT);
    R2("b", "c", 1 << 10);
    R2("b", "none/c", RENAME_EXCHANGE);
    symlink("none", "l");
    R2("l", "c", RENAME_EXCHANGE);
    LSTAT("l");
    R2("c", "l", RENAME_NOREPLACE);
    show_names(".");
    return 0;
}
