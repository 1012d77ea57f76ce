// Hundreds of processes wait for FIFOs and locks; the one who releases them is not stopped by that.
#include "tested.h"
#include <sys/file.h>

enum { WAITERS = 100 };

int main(int argc, char **argv) {
    begin(argc, argv);
    T(mkfifo("p", 0600));
    put("a", "x");
    int held = open("a", O_RDWR);
    flock(held, LOCK_EX);
    int ends[2];
    pipe2(ends, O_CLOEXEC);
    for (int i = 0; i < WAITERS; i++)
        if (fork() == 0) {
            close(held);
            int fd;
            write(ends[1], "", 1);
            if (i % 2) {
                fd = open("p", O_RDONLY);
            } else {
                fd = open("a", O_RDWR);
                if (flock(fd, LOCK_EX))
                    _exit(2);
                flock(fd, LOCK_UN);
            }
            _exit(fd < 0);
        }
    char byte;
    for (int i = 0; i < WAITERS; i++)
        read(ends[0], &byte, 1);
    // All of them are waiting or about to; ordinary work goes on.
    put("b", "work goes on");
    show_file("b");
    T(mkdir("d", 0755));
    T(flock(held, LOCK_UN));
    int ended = 0, bad = 0, status, writer;
    while (ended < WAITERS) {
        while ((writer = open("p", O_WRONLY | O_NONBLOCK)) < 0 && errno == ENXIO && waitpid(-1, &status, WNOHANG) == 0)
            usleep(1000);
        while (waitpid(-1, &status, WNOHANG) > 0) {
            ended++;
            bad += status != 0;
        }
        if (errno == ECHILD)
            break;
        close(writer);
    }
    printf("bad %d\n", bad);
    return 0;
}
