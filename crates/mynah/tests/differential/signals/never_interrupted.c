// Handlers without SA_RESTART, and calls that no signal interrupts: a close that ended with EINTR and left its descriptor open
// made pipelines of dash hang, whose SIGCHLD handler is such a one.
#include "tested.h"
#include <sys/time.h>

static volatile int handled;
static void handle(int signal) {
    handled++;
    // Handlers make calls of their own.
    struct stat st;
    if (signal == SIGALRM)
        stat("/", &st);
}

static int interrupted, left_open;

static void close_it(int fd) {
    if (close(fd) != 0 && errno == EINTR)
        interrupted++;
    if (fcntl(fd, F_GETFD) != -1)
        left_open++;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    struct sigaction action = {.sa_handler = handle};
    sigaction(SIGCHLD, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    for (int round = 0; round < 200; round++) {
        int fds[10];
        for (int i = 0; i < 10; i++)
            fds[i] = dup(1);
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        for (int i = 0; i < 10; i++)
            close_it(fds[i]);
        while (waitpid(child, NULL, 0) == -1 && errno == EINTR)
            ;
    }
    struct itimerval often = {{0, 300}, {0, 300}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    struct stat st;
    char buffer[PATH_MAX];
    int wrong = 0;
    for (int round = 0; round < 2000; round++) {
        int fd = dup(0);
        wrong += stat(".", &st) != 0;
        wrong += access("absent", F_OK) != -1 || errno != ENOENT;
        wrong += getcwd(buffer, sizeof buffer) == NULL;
        close_it(fd);
    }
    setitimer(ITIMER_REAL, &never, NULL);
    printf("interrupted %d left open %d wrong %d, handled: %d\n", interrupted, left_open, wrong, handled > 0);

    // What may wait still ends with EINTR.
    T(mkfifo("fifo", 0600));
    struct itimerval soon = {{0, 0}, {0, 100000}};
    setitimer(ITIMER_REAL, &soon, NULL);
    T(open("fifo", O_RDONLY));
    setitimer(ITIMER_REAL, &soon, NULL);
    T(open("fifo", O_RDONLY));
    return 0;
}
