// Five hundred processes wait for a lock or a FIFO in the directory given; then both are released.
#include "tested.h"
#include <sys/file.h>

enum { WAITERS = 500 };

int main(int argc, char **argv) {
    begin(argc, argv);
    mkfifo("p", 0600);
    put("a", "x");
    int held = open("a", O_RDWR);
    flock(held, LOCK_EX);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    fcntl(held, F_SETLK, &whole);
    pid_t waiters[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        waiters[i] = fork();
        if (waiters[i] == 0) {
            close(held);
            if (i % 3 == 0)
                _exit(open("p", O_RDONLY) < 0);
            int fd = open("a", O_RDWR);
            _exit(i % 3 == 1 ? flock(fd, LOCK_EX) : fcntl(fd, F_SETLKW, &whole));
        }
    }
    for (int i = 0; i < WAITERS; i += 50)
        wait_until_asleep(waiters[i]);
    put("b", "work goes on");
    show_file("b");
    int writer = open("p", O_RDWR);
    close(held);
    int status, bad = 0;
    for (int i = 0; i < WAITERS; i++) {
        waitpid(waiters[i], &status, 0);
        bad += status != 0;
    }
    close(writer);
    printf("bad %d\n", bad);
    return 0;
}
