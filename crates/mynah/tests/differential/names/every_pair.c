// rename, renameat2 and link of every pair of names out of what there can be, however they are written.
#include "tested.h"
#include <ftw.h>

static int take_away(const char *path, const struct stat *st, int kind, struct FTW *at) {
    return at->level > 0 ? remove(path) : 0;
}

static void make_all(void) {
    nftw(".", take_away, 8, FTW_DEPTH | FTW_PHYS);
    mkdir("d", 0755), mkdir("e", 0755);
    put("f", "0123456789"), put("e/x", "1");
    symlink("f", "l"), symlink("d", "ld"), symlink("none", "dangling");
    mkfifo("p", 0644);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    // So that `..` is ours, too.
    mkdir("w", 0755), chdir("w");
    static const char *const names[] = {
        "f", "d", "e", "l", "ld", "dangling", "p", "none", ".", "..", "d/.", "f/", "d/", "e/x", "e/..", "l/", "ld/",
        "dangling/", "d/sub", "d/sub/", "./d/../d/sub", "",
    };
    const int count = sizeof names / sizeof *names;
    make_all();
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++)
            for (int flags = 0; flags < 3; flags++) {
                int result = renameat2(AT_FDCWD, names[i], AT_FDCWD, names[j], flags);
                printf("renameat2(\"%s\", \"%s\", %d) %s\n", names[i], names[j], flags, result ? errno_name(errno) : "ok");
                if (result == 0)
                    make_all();
            }
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++)
            for (int follow = 0; follow < 2; follow++) {
                int result = linkat(AT_FDCWD, names[i], AT_FDCWD, names[j], follow ? AT_SYMLINK_FOLLOW : 0);
                printf("linkat(\"%s\", \"%s\", %d) %s\n", names[i], names[j], follow, result ? errno_name(errno) : "ok");
                if (result == 0)
                    make_all();
            }
    // What is wrong with the flags comes before what is wrong with the names.
    T(renameat2(AT_FDCWD, "none", AT_FDCWD, "none/x", 8));
    T(renameat2(99, "f", AT_FDCWD, "g", RENAME_NOREPLACE | RENAME_EXCHANGE));
    T(renameat2(99, "f", AT_FDCWD, "g", RENAME_NOREPLACE));
    show_names(".");
    return 0;
}
