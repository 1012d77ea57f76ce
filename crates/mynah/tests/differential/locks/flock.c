// flock: between descriptions, between processes, upgrades, waiting, release at close and death.
#include "tested.h"
#include <sys/file.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "x");
    int one = open("a", O_RDWR), two = open("a", O_RDONLY);
    T(flock(one, LOCK_EX));
    T(flock(two, LOCK_EX | LOCK_NB));
    T(flock(two, LOCK_SH | LOCK_NB));
    int copy = dup(one);
    T(flock(copy, LOCK_EX | LOCK_NB));
    T(flock(copy, LOCK_UN));
    T(flock(two, LOCK_SH | LOCK_NB));
    T(flock(one, LOCK_SH | LOCK_NB));
    T(flock(one, LOCK_EX | LOCK_NB));
    T(close(two));
    T(flock(one, LOCK_EX | LOCK_NB));
    T(flock(99, LOCK_EX));
    T(flock(one, 99));
    int directory = open(".", O_RDONLY);
    T(flock(directory, LOCK_EX | LOCK_NB));
    CHILD({ int fd = open("a", O_RDWR); T(flock(fd, LOCK_EX | LOCK_NB)); });
    // A child's description is its parent's: it may unlock.
    CHILD({ T(flock(one, LOCK_UN)); });
    CHILD({ int fd = open("a", O_RDWR); T(flock(fd, LOCK_EX | LOCK_NB)); });
    // Waiting until the holder closes.
    flock(one, LOCK_EX);
    struct event started = new_event();
    pid_t pid = fork();
    if (pid == 0) {
        close(one);
        close(copy);
        int fd = open("a", O_RDWR);
        tell_event(&started);
        T(flock(fd, LOCK_EX));
        show_file("a");
        _exit(0);
    }
    wait_event(&started);
    wait_until_asleep(pid);
    put("a", "changed under the lock");
    close(one);
    close(copy);
    wait_for(pid);
    // Waiting until the holder dies.
    struct event held = new_event();
    pid_t holder = fork();
    if (holder == 0) {
        int fd = open("a", O_RDWR);
        flock(fd, LOCK_EX);
        tell_event(&held);
        pause();
    }
    wait_event(&held);
    int fd = open("a", O_RDWR);
    T(flock(fd, LOCK_EX | LOCK_NB));
    kill(holder, SIGKILL);
    T(flock(fd, LOCK_EX));
    wait_for(holder);
    return 0;
}
