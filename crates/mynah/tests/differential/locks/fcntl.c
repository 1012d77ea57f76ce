// Record locks: ranges, conflicts told by F_GETLK, waiting, deadlock, release at any close, and OFD locks.
#include "tested.h"

static int lock(int fd, int command, short type, off_t start, off_t length) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, command, &l);
}

static void query(const char *label, int fd, int command, short type, off_t start, off_t length, pid_t expected) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    if (fcntl(fd, command, &l))
        printf("%s: %s\n", label, errno_name(errno));
    else if (l.l_type == F_UNLCK)
        printf("%s: free\n", label);
    else
        printf("%s: %s %ld+%ld by %s\n", label, l.l_type == F_WRLCK ? "write" : "read", (long)l.l_start, (long)l.l_len,
               l.l_pid == expected ? "the expected process" : l.l_pid == -1 ? "a description" : "another");
}

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "0123456789");
    int fd = open("a", O_RDWR), reader = open("a", O_RDONLY), writer = open("a", O_WRONLY);
    pid_t me = getpid();
    T(lock(fd, F_SETLK, F_WRLCK, 0, 5));
    T(lock(fd, F_SETLK, F_RDLCK, 5, 0));
    T(lock(reader, F_SETLK, F_WRLCK, 20, 1));
    T(lock(writer, F_SETLK, F_RDLCK, 20, 1));
    T(lock(fd, F_SETLK, F_WRLCK, -1, 1));
    T(lock(99, F_SETLK, F_WRLCK, 0, 1));
    query("own", fd, F_GETLK, F_WRLCK, 0, 0, me);
    CHILD({
        query("first", fd, F_GETLK, F_RDLCK, 0, 1, me);
        query("read", fd, F_GETLK, F_RDLCK, 7, 1, me);
        query("write", fd, F_GETLK, F_WRLCK, 7, 1, me);
        T(lock(fd, F_SETLK, F_WRLCK, 2, 1));
        T(lock(fd, F_SETLK, F_RDLCK, 8, 1));
        T(lock(fd, F_SETLK, F_WRLCK, 8, 1));
    });
    T(lock(fd, F_SETLK, F_UNLCK, 2, 1));
    CHILD({ query("hole", fd, F_GETLK, F_WRLCK, 2, 1, me); query("after", fd, F_GETLK, F_WRLCK, 2, 3, me); });
    // Closing any descriptor of the file drops all of the process's locks.
    T(close(reader));
    CHILD({ query("after close", fd, F_GETLK, F_WRLCK, 0, 0, me); });

    T(lock(fd, F_SETLK, F_WRLCK, 0, 0));
    struct event started = new_event();
    pid_t pid = fork();
    if (pid == 0) {
        tell_event(&started);
        T(lock(fd, F_SETLKW, F_WRLCK, 3, 1));
        show_file("a");
        _exit(0);
    }
    wait_event(&started);
    wait_until_asleep(pid);
    pwrite(fd, "unlock", 6, 0);
    lock(fd, F_SETLK, F_UNLCK, 0, 0);
    wait_for(pid);
    // Two that wait for each other: one is told.
    T(lock(fd, F_SETLK, F_WRLCK, 0, 1));
    struct event has = new_event();
    pid = fork();
    if (pid == 0) {
        lock(fd, F_SETLK, F_WRLCK, 1, 1);
        tell_event(&has);
        int result = lock(fd, F_SETLKW, F_WRLCK, 0, 1);
        _exit(result == 0 ? 0 : errno == EDEADLK ? 1 : 2);
    }
    wait_event(&has);
    wait_until_asleep(pid);
    T(lock(fd, F_SETLKW, F_WRLCK, 1, 1));
    T(lock(fd, F_SETLK, F_UNLCK, 0, 0));
    wait_for(pid);
    // Open file description locks.
    int other = open("a", O_RDWR);
    T(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 4));
    T(lock(other, F_OFD_SETLK, F_WRLCK, 0, 1));
    T(lock(other, F_OFD_SETLK, F_WRLCK, 4, 1));
    query("ofd", other, F_OFD_GETLK, F_WRLCK, 0, 1, me);
    T(lock(other, F_SETLK, F_RDLCK, 0, 1));
    close(open("a", O_RDONLY));
    T(lock(other, F_OFD_SETLK, F_WRLCK, 0, 1));
    T(close(fd));
    T(lock(other, F_OFD_SETLK, F_WRLCK, 0, 1));
    // The holder dies.
    struct event held = new_event();
    pid = fork();
    if (pid == 0) {
        lock(other, F_SETLK, F_WRLCK, 100, 10);
        tell_event(&held);
        pause();
    }
    wait_event(&held);
    T(lock(other, F_SETLK, F_WRLCK, 105, 1));
    kill(pid, SIGKILL);
    T(lock(other, F_SETLKW, F_WRLCK, 105, 1));
    wait_for(pid);
    T(lockf(other, F_TEST, 0));
    return 0;
}
