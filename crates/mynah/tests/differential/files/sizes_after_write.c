// What is written shows at once in the size and the times, by name and by descriptor, before any close.
#include "tested.h"

static int newer(struct timespec a, struct timespec b) {
    return a.tv_sec > b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec >= b.tv_nsec);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    struct stat before, after, by_name;
    int fd = open("a", O_RDWR | O_CREAT, 0644);
    fstat(fd, &before);
    for (int i = 1; i <= 5; i++) {
        T(write(fd, "0123456789", 10));
        STAT("a");
        fstat(fd, &after);
        stat("a", &by_name);
        HOLDS(after.st_size == by_name.st_size);
        HOLDS(after.st_mtim.tv_sec == by_name.st_mtim.tv_sec && after.st_mtim.tv_nsec == by_name.st_mtim.tv_nsec);
        HOLDS(after.st_ino == by_name.st_ino && after.st_dev == by_name.st_dev);
        HOLDS(newer(after.st_mtim, before.st_mtim));
        before = after;
    }
    struct dirent *entry;
    DIR *directory = opendir(".");
    while ((entry = readdir(directory)))
        if (!strcmp(entry->d_name, "a"))
            HOLDS(entry->d_ino == by_name.st_ino);
    closedir(directory);
    close(fd);
    stat("a", &by_name);
    HOLDS(by_name.st_size == 50);
    HOLDS(newer(by_name.st_mtim, before.st_mtim));
    HOLDS(by_name.st_ino == before.st_ino);
    fd = open("a", O_WRONLY | O_TRUNC);
    STAT("a");
    T(write(fd, "x", 1));
    STAT("a");
    CHILD({ STAT("a"); show_file("a"); });
    close(fd);
    STAT("a");
    return 0;
}
