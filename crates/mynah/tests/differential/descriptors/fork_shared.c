// A child shares its parent's open files: offsets, appends, the last close.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    char buffer[16];
    int fd = open("a", O_RDWR | O_CREAT, 0644);
    T(write(fd, "0123456789", 10));
    T(lseek(fd, 2, SEEK_SET));
    CHILD({ T(read(fd, buffer, 3)); T(lseek(fd, 0, SEEK_CUR)); T(close(fd)); });
    T(lseek(fd, 0, SEEK_CUR));
    T(read(fd, buffer, 2));
    show_bytes("read", buffer, 2);
    CHILD({ T(write(fd, "CHILD", 5)); });
    T(write(fd, "PARENT", 6));
    show_file("a");
    CHILD({ T(ftruncate(fd, 4)); T(lseek(fd, 0, SEEK_END)); });
    T(lseek(fd, 0, SEEK_CUR));
    FSTAT(fd);
    // The parent closes first; the grandchild's write still arrives.
    struct event go = new_event(), done = new_event();
    pid_t pid = fork();
    if (pid == 0) {
        if (fork() == 0) {
            wait_event(&go);
            write(fd, "+grandchild", 11);
            close(fd);
            tell_event(&done);
            _exit(0);
        }
        close(fd);
        _exit(0);
    }
    wait_for(pid);
    T(close(fd));
    tell_event(&go);
    wait_event(&done);
    show_file("a");
    // A child opens, the parent does not see the number.
    CHILD({ T(open("a", O_RDONLY)); });
    T(fcntl(3, F_GETFD) == -1 || 1);
    // Inherited over exec, with its offset.
    fd = open("a", O_RDONLY);
    lseek(fd, 4, SEEK_SET);
    dup2(fd, 0);
    CHILD({ execl("/bin/cat", "cat", NULL); });
    printf("\n");
    T(lseek(fd, 0, SEEK_CUR));
    // Redirected output of a program.
    int out = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    CHILD({ dup2(out, 1); dup2(out, 2); execl("/bin/sh", "sh", "-c", "echo to stdout; echo to stderr >&2; pwd > /dev/null", NULL); });
    T(lseek(out, 0, SEEK_CUR));
    close(out);
    show_file("out");
    return 0;
}
