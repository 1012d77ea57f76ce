// chdir, fchdir, getcwd: by every way to name a directory, after renames, after deletion.
#include "tested.h"

static void where(void) {
    char cwd[PATH_MAX], link[PATH_MAX];
    errno = 0;
    if (!getcwd(cwd, sizeof cwd))
        snprintf(cwd, sizeof cwd, "%s", errno_name(errno));
    ssize_t n = readlink("/proc/self/cwd", link, sizeof link - 1);
    link[n < 0 ? 0 : n] = 0;
    printf("cwd %s, /proc/self/cwd %s\n", cwd, link);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    char buffer[PATH_MAX];
    where();
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    put("f", "x");
    symlink("d/e", "l");
    T(chdir("d"));
    where();
    T(chdir("e"));
    where();
    T(chdir(".."));
    where();
    T(chdir("../l"));
    where();
    T(chdir("../.."));
    where();
    T(chdir("d//e/./../e/"));
    where();
    T(chdir("/"));
    where();
    T(chdir(W));
    where();
    T(chdir("f"));
    T(chdir("none"));
    T(chdir(""));
    T(chdir("f/x"));
    T(chdir("none/.."));
    where();
    int d = open("d", O_RDONLY), f = open("f", O_RDONLY);
    T(fchdir(d));
    where();
    T(fchdir(f));
    T(fchdir(99));
    where();
    T(syscall(SYS_getcwd, buffer, 1));
    T(syscall(SYS_getcwd, buffer, 0));
    T(syscall(SYS_getcwd, buffer, strlen(W) + 2));
    HOLDS(syscall(SYS_getcwd, buffer, strlen(W) + 3) == (long)strlen(W) + 3);
    T(syscall(SYS_getcwd, NULL, sizeof buffer));
    T(rename("../d", "../moved"));
    where();
    T(chdir("e"));
    where();
    show_names("..");
    T(rename("../../moved", "../../moved2"));
    where();
    // A child has a cwd of its own.
    CHILD({ chdir("/"); where(); });
    where();
    // Deleted under us.
    T(rmdir("../e"));
    where();
    T(access(".", F_OK));
    T(open(".", O_RDONLY));
    T(open("x", O_WRONLY | O_CREAT, 0644));
    T(mkdir("x", 0755));
    T(access("..", F_OK));
    struct stat st;
    T(stat(".", &st));
    printf("links %ld\n", (long)st.st_nlink);
    show_names(".");
    T(chdir("."));
    T(chdir(".."));
    where();
    T(mkdir("e", 0755));
    T(chdir("e"));
    where();
    T(chdir(W));
    where();
    T(rmdir("moved2/e"));
    T(rmdir("moved2"));
    T(fchdir(d));
    where();
    T(chdir(W));
    return 0;
}
