// The attributes of the directory that a program stands in, by each of its names, while entries come and go in it.
#include "tested.h"

static void compare(const char *when) {
    char by_link[64];
    struct stat dot, name, descriptor, link;
    int fd = open(".", O_RDONLY | O_DIRECTORY);
    snprintf(by_link, sizeof by_link, "/proc/self/fd/%d", fd);
    T(stat(".", &dot));
    T(stat("../inner", &name));
    T(fstat(fd, &descriptor));
    T(stat(by_link, &link));
    close(fd);
#define SAME(a, b) ((a).st_mtim.tv_sec == (b).st_mtim.tv_sec && (a).st_mtim.tv_nsec == (b).st_mtim.tv_nsec && (a).st_nlink == (b).st_nlink)
    printf("%s: %d %d %d\n", when, SAME(dot, name), SAME(descriptor, name), SAME(link, name));
}

int main(int argc, char **argv) {
    begin(argc, argv);
    T(mkdir("inner", 0755));
    T(chdir("inner"));
    compare("empty");
    usleep(20000);
    T(mkdir("below", 0755));
    compare("with a directory");
    usleep(20000);
    T(close(open("file", O_CREAT | O_WRONLY, 0644)));
    compare("with a file");
    usleep(20000);
    T(unlink("file"));
    compare("without it");
    T(rmdir("below"));
    T(chdir(".."));
    T(rmdir("inner"));
    return 0;
}
