// Long names and paths: exactly at the limits and one beyond.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    struct stat st;
    char name[300];
    memset(name, 'n', sizeof name);
    name[255] = 0;
    T(mkdir(name, 0755));
    T(stat(name, &st));
    T(rmdir(name));
    name[255] = 'n';
    name[256] = 0;
    OK(mkdir(name, 0755));
    OK(open(name, O_WRONLY | O_CREAT, 0644));
    OK(stat(name, &st));
    OK(symlink("x", name));
    OK(rename(name, "x"));
    OK(unlink(name));
    // Exactly 4095 bytes, by way of repeated slashes and of repeated ".".
    static char path[5001];
    memset(path, '/', sizeof path);
    put("f", "x");
    size_t w = strlen(W);
    memcpy(path, W, w);
    path[4093] = '/';
    path[4094] = 'f';
    path[4095] = 0;
    OK(stat(path, &st));
    OK(open(path, O_RDONLY));
    path[4094] = '/';
    path[4095] = 'f';
    path[4096] = 0;
    OK(stat(path, &st));
    OK(open(path, O_RDONLY));
    OK(mkdir(path, 0755));
    OK(rename(path, "y"));
    OK(rename("f", path));
    OK(chdir(path));
    OK(access(path, F_OK));
    OK(unlink(path));
    OK(readlink(path, name, 10));
    path[4096] = '/';
    path[5000] = 0;
    OK(stat(path, &st));
    OK(open(path, O_WRONLY | O_CREAT, 0644));
    // Deeper than PATH_MAX, step by step.
    char part[201];
    memset(part, 'd', 200);
    part[200] = 0;
    int depth = 0;
    while (depth < 25 && mkdir(part, 0755) == 0 && chdir(part) == 0)
        depth++;
    printf("went %d deep\n", depth);
    put("deepest", "bottom");
    show_file("deepest");
    STAT(".");
    static char cwd[8192];
    errno = 0;
    long length = syscall(SYS_getcwd, cwd, sizeof cwd);
    printf("getcwd: %s\n", length < 0 ? errno_name(errno) : "ok");
    T(unlink("deepest"));
    int failed = 0;
    while (depth-- > 0)
        if (chdir("..") || rmdir(part))
            failed++;
    printf("failures on the way up: %d\n", failed);
    show_names(".");
    return 0;
}
