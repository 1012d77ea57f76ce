// Walking through symbolic links: chains, loops, `..` after a link, links that lead out and back.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    char name[64], next[64], absolute[PATH_MAX];
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    put("d/e/f", "found");
    put("top", "at the top");
    symlink("d/e", "to-e");
    show_file("to-e/f");
    show_names("to-e");
    show_names("to-e/..");
    show_file("to-e/../../top");
    snprintf(absolute, sizeof absolute, "%s/d", W);
    symlink(absolute, "absolute");
    show_file("absolute/e/f");
    show_names("absolute/..");
    symlink("..", "d/up");
    show_file("d/up/top");
    show_file("d/up/d/up/d/e/f");
    symlink("/proc/self/../version", "out");
    OK(access("out", R_OK));
    symlink("/", "root");
    snprintf(absolute, sizeof absolute, "root%s/top", W);
    OK(access(absolute, R_OK));
    symlink(".", "dot");
    show_file("dot/dot/dot/top");
    symlink("top/", "slashed");
    T(open("slashed", O_RDONLY));
    // Forty links are the kernel's limit.
    put("chain0", "the end");
    for (int i = 1; i <= 41; i++) {
        snprintf(name, sizeof name, "chain%d", i);
        snprintf(next, sizeof next, "chain%d", i - 1);
        symlink(next, name);
    }
    show_file("chain1");
    show_file("chain39");
    show_file("chain40");
    show_file("chain41");
    symlink("ring-b", "ring-a");
    symlink("ring-a", "ring-b");
    T(open("ring-a", O_RDONLY));
    T(open("ring-a", O_WRONLY | O_CREAT, 0644));
    T(open("ring-a/x", O_RDONLY));
    T(mkdir("ring-a", 0755));
    T(mkdir("ring-a/x", 0755));
    T(unlink("ring-a/x"));
    LSTAT("ring-a");
    STAT("ring-a");
    T(chdir("ring-a"));
    // Creation through a dangling link makes the target.
    symlink("d/made", "maker");
    put("maker", "made by the link");
    show_file("d/made");
    LSTAT("maker");
    symlink("nowhere/made", "bad-maker");
    T(open("bad-maker", O_WRONLY | O_CREAT, 0644));
    // cwd through a link is where the link leads.
    T(chdir("to-e"));
    char cwd[PATH_MAX];
    getcwd(cwd, sizeof cwd);
    printf("%s\n", cwd);
    show_names("..");
    show_file("../../top");
    char *real = realpath("../../to-e/../up/top", NULL);
    printf("%s\n", real ? real : errno_name(errno));
    return 0;
}
