// A signal while waiting for a lock: EINTR without SA_RESTART, waiting on with it.
#include "tested.h"
#include <sys/file.h>

static volatile int caught;
static void handler(int signal) { caught = signal; }

static void attempt(int restart, int kind) {
    struct event started = new_event(), ready = new_event();
    int fd = open("a", O_RDWR);
    flock(fd, LOCK_EX);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    fcntl(fd, F_SETLK, &whole);
    pid_t pid = fork();
    if (pid == 0) {
        close(fd);
        int own = open("a", O_RDWR);
        struct sigaction action = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0};
        sigaction(SIGUSR1, &action, NULL);
        tell_event(&started);
        errno = 0;
        int result = kind ? fcntl(own, F_SETLKW, &whole) : flock(own, LOCK_EX);
        printf("%s: %s, handler %s\n", kind ? "fcntl" : "flock", result ? errno_name(errno) : "locked", caught ? "ran" : "did not run");
        _exit(0);
    }
    wait_event(&started);
    wait_until_asleep(pid);
    kill(pid, SIGUSR1);
    if (!restart)
        wait_for(pid);
    else {
        wait_until_asleep(pid);
        HOLDS(waitpid(pid, NULL, WNOHANG) == 0);
        close(fd);
        wait_for(pid);
    }
    close(fd);
    (void)ready;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "x");
    for (int kind = 0; kind < 2; kind++) {
        attempt(0, kind);
        attempt(1, kind);
    }
    // A fatal signal ends the wait at once.
    int fd = open("a", O_RDWR);
    flock(fd, LOCK_EX);
    struct event started = new_event();
    pid_t pid = fork();
    if (pid == 0) {
        int own = open("a", O_RDWR);
        tell_event(&started);
        flock(own, LOCK_EX);
        _exit(1);
    }
    wait_event(&started);
    wait_until_asleep(pid);
    kill(pid, SIGTERM);
    wait_for(pid);
    return 0;
}
