// mkdir and rmdir with all their errors.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    put("f", "x");
    symlink("target", "l");
    symlink("d", "to-d");
    T(mkdir("d", 0755));
    T(mkdir("d", 0755));
    T(mkdir("f", 0755));
    T(mkdir("l", 0755));
    T(mkdir("l/", 0755));
    T(mkdir("none/e", 0755));
    T(mkdir("f/e", 0755));
    T(mkdir("", 0755));
    T(mkdir(".", 0755));
    T(mkdir("..", 0755));
    T(mkdir("/", 0755));
    T(mkdir("slash/", 0755));
    T(mkdir("double//slash", 0755));
    T(mkdir("d//e", 0755));
    T(mkdir("d/e/.", 0755));
    T(mkdir("d/new/.", 0755));
    T(mkdir("to-d/through", 0700));
    STAT("d/through");
    T(rmdir("d"));
    T(rmdir("d/e/."));
    T(rmdir("d/e/.."));
    T(rmdir("d/e/"));
    T(rmdir("d/e"));
    T(rmdir("to-d"));
    T(rmdir("to-d/"));
    T(rmdir("f"));
    T(rmdir("f/"));
    T(rmdir("none"));
    T(rmdir(""));
    T(rmdir("."));
    T(rmdir(".."));
    T(rmdir("/"));
    T(rmdir("d/through/"));
    T(rmdir("d"));
    T(mkdirat(AT_FDCWD, "at", 0711));
    int at = T(open("at", O_RDONLY));
    T(mkdirat(at, "below", 0755));
    T(unlinkat(AT_FDCWD, "at", AT_REMOVEDIR));
    T(unlinkat(at, "below", 0));
    T(unlinkat(at, "below", AT_REMOVEDIR));
    T(unlinkat(at, "below", AT_REMOVEDIR));
    T(unlinkat(at, ".", AT_REMOVEDIR));
    T(unlinkat(at, "x", 99));
    T(unlinkat(at, "../f", AT_REMOVEDIR));
    T(unlinkat(99, "f", 0));
    T(unlinkat(AT_FDCWD, "f", 0));
    show_names(".");
    return 0;
}
