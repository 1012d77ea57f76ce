// Rights on directories: search, listing, making and removing entries, the sticky bit.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("search", 0755);
    put("search/a", "x");
    mkdir("list", 0755);
    put("list/a", "x");
    mkdir("fixed", 0755);
    put("fixed/a", "x");
    mkdir("fixed/d", 0755);
    chmod("search", 0111);
    chmod("list", 0444);
    chmod("fixed", 0555);
    T(open("search", O_RDONLY));
    show_file("search/a");
    show_names("search");
    STAT("search/a");
    show_names("list");
    STAT("list/a");
    T(open("list/a", O_RDONLY));
    T(chdir("list"));
    T(chdir(W));
    T(chdir("search"));
    STAT("a");
    T(chdir(".."));
    show_names("fixed");
    T(open("fixed/new", O_WRONLY | O_CREAT, 0644));
    T(open("fixed/a", O_RDWR));
    T(mkdir("fixed/e", 0755));
    T(unlink("fixed/a"));
    T(rmdir("fixed/d"));
    T(rename("fixed/a", "moved"));
    T(rename("moved", "fixed/a"));
    T(symlink("x", "fixed/l"));
    T(link("search/a", "fixed/l2"));
    T(chmod("fixed/a", 0600));
    T(unlink("search/a"));
    T(unlink("list/a"));
    T(access("list/a", F_OK));
    T(access("search/a", F_OK));
    T(open("list/none", O_RDONLY));
    T(open("search/none", O_RDONLY));
    T(mkdir("search/none", 0755));
    chmod("search", 0755);
    chmod("list", 0755);
    chmod("fixed", 0755);
    // What was seen before in a directory is not seen when it is closed.
    mkdir("closed", 0755);
    mkdir("closed/below", 0755);
    put("closed/below/a", "text");
    STAT("closed/below/a");
    STAT("closed/below");
    T(chmod("closed", 0));
    STAT("closed/below");
    STAT("closed/below/a");
    T(open("closed/below/a", O_RDONLY));
    T(chdir("closed/below"));
    if (geteuid() == 0)
        chdir(W);
    T(chmod("closed", 0755));
    STAT("closed/below");
    int closed = open("closed", O_RDONLY);
    T(fchmod(closed, 0));
    STAT("closed/below");
    T(fchmod(closed, 0755));
    if (geteuid() != 0) {
        // What belongs to root stays root's.
        T(open("/etc/shadow", O_RDONLY));
        T(open("/etc/passwd", O_RDWR));
        T(mkdir("/no-right-to-do-this", 0755));
        T(unlink("/etc/passwd"));
        T(open("/proc/1/mem", O_RDONLY));
        T(chmod("/etc/passwd", 0644));
        T(rename("/etc/passwd", "mine"));
        T(link("/etc/shadow", "mine"));
    }
    return 0;
}
