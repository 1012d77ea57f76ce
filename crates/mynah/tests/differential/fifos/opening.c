// FIFOs: opening waits for the other side, O_NONBLOCK does not, data, end of file, signals while waiting.
#include "tested.h"

static volatile int caught;
static void handler(int signal) { caught = signal; }

int main(int argc, char **argv) {
    begin(argc, argv);
    char buffer[64];
    T(mkfifo("p", 0600));
    T(open("p", O_WRONLY | O_NONBLOCK));
    int reader = T(open("p", O_RDONLY | O_NONBLOCK));
    T(read(reader, buffer, 64));
    int writer = T(open("p", O_WRONLY | O_NONBLOCK));
    T(read(reader, buffer, 64));
    T(write(writer, "through", 7));
    T(read(reader, buffer, 64));
    show_bytes("read", buffer, 7);
    FSTAT(reader);
    T(lseek(reader, 0, SEEK_SET));
    T(close(writer));
    T(read(reader, buffer, 64));
    T(close(reader));
    signal(SIGPIPE, SIG_IGN);

    // A reader waits for a writer.
    struct event started = new_event();
    pid_t pid = fork();
    if (pid == 0) {
        tell_event(&started);
        int fd = open("p", O_RDONLY);
        ssize_t n = read(fd, buffer, 64);
        show_bytes("child read", buffer, n);
        printf("then %zd\n", read(fd, buffer, 64));
        _exit(0);
    }
    wait_event(&started);
    wait_until_asleep(pid);
    writer = open("p", O_WRONLY);
    write(writer, "to the child", 12);
    close(writer);
    wait_for(pid);

    // A writer waits for a reader.
    pid = fork();
    if (pid == 0) {
        tell_event(&started);
        int fd = open("p", O_WRONLY);
        printf("opened, write %zd\n", write(fd, "to the parent", 13));
        _exit(0);
    }
    wait_event(&started);
    wait_until_asleep(pid);
    reader = open("p", O_RDONLY);
    size_t n = 0;
    ssize_t got;
    while ((got = read(reader, buffer + n, 64 - n)) > 0)
        n += got;
    wait_for(pid);
    show_bytes("parent read", buffer, n);
    close(reader);

    // Read and write at once never waits.
    int both = T(open("p", O_RDWR));
    T(write(both, "x", 1));
    T(read(both, buffer, 64));
    close(both);

    // A signal while waiting.
    for (int restart = 0; restart < 2; restart++) {
        pid = fork();
        if (pid == 0) {
            struct sigaction action = {.sa_handler = handler, .sa_flags = restart ? SA_RESTART : 0};
            sigaction(SIGUSR1, &action, NULL);
            tell_event(&started);
            errno = 0;
            int fd = open("p", O_RDONLY);
            printf("open: %s, handler %s\n", fd < 0 ? errno_name(errno) : "ok", caught ? "ran" : "did not run");
            _exit(0);
        }
        wait_event(&started);
        wait_until_asleep(pid);
        kill(pid, SIGUSR1);
        if (restart) {
            wait_until_asleep(pid);
            writer = open("p", O_WRONLY);
        }
        wait_for(pid);
        if (restart)
            close(writer);
    }
    pid = fork();
    if (pid == 0) {
        tell_event(&started);
        open("p", O_RDONLY);
        _exit(1);
    }
    wait_event(&started);
    wait_until_asleep(pid);
    kill(pid, SIGKILL);
    wait_for(pid);
    T(unlink("p"));
    return 0;
}
