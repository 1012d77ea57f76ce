// openat: directory descriptors, AT_FDCWD, absolute names, descriptors that are no directories.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    char absolute[PATH_MAX];
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    put("d/a", "in d");
    put("a", "in W");
    int d = T(open("d", O_RDONLY | O_DIRECTORY));
    T(openat(d, "a", O_RDONLY));
    FSTAT(4);
    T(close(4));
    T(openat(AT_FDCWD, "a", O_RDONLY));
    T(close(4));
    snprintf(absolute, sizeof absolute, "%s/d/a", W);
    T(openat(-1, absolute, O_RDONLY));
    T(close(4));
    T(openat(99, "a", O_RDONLY));
    T(openat(-1, "a", O_RDONLY));
    T(openat(d, "", O_RDONLY));
    T(openat(d, "../a", O_RDONLY));
    FSTAT(4);
    T(close(4));
    T(openat(d, "e/../a", O_RDONLY));
    T(close(4));
    T(openat(d, ".", O_RDONLY | O_DIRECTORY));
    T(openat(4, "a", O_RDONLY));
    T(close(5));
    T(close(4));
    int f = T(open("a", O_RDONLY));
    T(openat(f, "a", O_RDONLY));
    T(openat(f, absolute, O_RDONLY));
    T(close(5));
    T(close(f));
    // The descriptor goes with the directory, not with its name.
    T(rename("d", "moved"));
    T(openat(d, "a", O_RDONLY));
    T(close(4));
    T(openat(d, "new", O_WRONLY | O_CREAT, 0644));
    T(close(4));
    show_names("moved");
    T(unlink("moved/a"));
    T(unlink("moved/new"));
    T(rmdir("moved/e"));
    T(rmdir("moved"));
    T(openat(d, "a", O_RDONLY));
    T(openat(d, "again", O_WRONLY | O_CREAT, 0644));
    T(mkdirat(d, "again", 0755));
    T(openat(d, "..", O_RDONLY | O_DIRECTORY));
    T(close(4));
    T(close(d));
    return 0;
}
