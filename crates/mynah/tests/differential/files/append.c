// O_APPEND: every write goes to the end, for all who have the file open.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "base");
    int one = T(open("a", O_WRONLY | O_APPEND));
    int two = T(open("a", O_RDWR | O_APPEND));
    T(lseek(one, 0, SEEK_CUR));
    T(write(one, "-one", 4));
    T(lseek(one, 0, SEEK_CUR));
    T(write(two, "-two", 4));
    T(lseek(two, 0, SEEK_SET));
    T(write(two, "-again", 6));
    T(lseek(two, 0, SEEK_CUR));
    T(pwrite(one, "!", 1, 0));
    T(ftruncate(one, 2));
    T(write(two, "+", 1));
    show_file("a");
    T(fcntl(one, F_SETFL, 0));
    T(lseek(one, 0, SEEK_SET));
    T(write(one, "B", 1));
    show_file("a");
    T(fcntl(one, F_SETFL, O_APPEND));
    T(write(one, "E", 1));
    show_file("a");
    T(close(one));
    T(close(two));
    // Ten processes, ten lines each, none lost.
    for (int child = 0; child < 10; child++)
        if (fork() == 0) {
            int fd = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);
            for (int i = 0; i < 10; i++)
                if (write(fd, "0123456789abcde\n", 16) != 16)
                    _exit(1);
            _exit(close(fd) != 0);
        }
    int status, bad = 0;
    while (wait(&status) > 0)
        bad += status != 0;
    printf("children that failed: %d\n", bad);
    STAT("log");
    return 0;
}
