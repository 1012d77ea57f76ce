// Paths that lead through the links of /proc: root, cwd and descriptors of directories, one's own and another's.
#include "tested.h"

static char path[PATH_MAX];

static const char *through(const char *format, const char *name) {
    snprintf(path, sizeof path, format, W);
    strcat(path, name);
    return path;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "reached");
    mkdir("d", 0755);
    put("d/x", "inside");
    struct stat st;
    int root = open("/", O_RDONLY | O_DIRECTORY), d = open("d", O_RDONLY | O_DIRECTORY);
    T(access(through("/proc/self/root%s", "/a"), R_OK));
    T(access(through("/proc/self/root%s", "/none"), R_OK));
    T(access(through("/proc/thread-self/root/./%s", "/d/../a"), R_OK));
    T(open(through("/proc/self/root%s", "/new"), O_WRONLY | O_CREAT | O_EXCL, 0640));
    STAT("new");
    T(rename(through("/proc/self/root%s", "/new"), "renamed"));
    T(unlink("renamed"));
    show_names(through("/proc/self/root%s", ""));
    char text[PATH_MAX];
    snprintf(text, sizeof text, "/proc/%d/root%s/d/x", getpid(), W);
    T(stat(text, &st));
    T(lstat("/proc/self/root", &st));
    HOLDS(S_ISLNK(st.st_mode));
    // The descriptor of a directory above, and of one of ours.
    HOLDS(root == 3 && d == 4);
    T(access(through("/proc/self/fd/3%s", "/a"), R_OK));
    T(access(through("/dev/fd/3%s", "/d/x"), R_OK));
    T(access("/dev/fd/4/x", R_OK));
    T(access("/dev/fd/4/../a", R_OK));
    T(access("/proc/self/fd/4/none", R_OK));
    // The working directory, above and here.
    chdir("/");
    T(access(through("/proc/self/cwd%s", "/a"), R_OK));
    snprintf(text, sizeof text, "/proc/self/cwd%s/d/x", W);
    show_file("/proc/self/cwd/none");
    symlink(text, through("%s", "/link"));
    chdir(W);
    char at[PATH_MAX];
    ssize_t n = readlink("link", at, sizeof at);
    HOLDS(n > 0 && strncmp(at, "/proc/self/cwd", 14) == 0);
    T(unlink("link"));
    T(access("/proc/self/cwd/a", R_OK));
    CHILD({
        char other[PATH_MAX];
        chdir("/");
        snprintf(other, sizeof other, "/proc/%d/cwd/d/x", getppid());
        T(access(other, R_OK) * 1);
        snprintf(other, sizeof other, "/proc/%d/root%s/a", getppid(), W);
        errno = 0;
        HOLDS(access(other, R_OK) == 0);
    });
    return 0;
}
