// Two processes with the same file: each sees at once what the other writes, cuts, renames.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    struct event forth = new_event(), back = new_event();
    put("a", "0123456789");
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open("a", O_RDWR);
        tell_event(&back);
        wait_event(&forth);
        char buffer[32] = "";
        ssize_t n = pread(fd, buffer, sizeof buffer, 0);
        show_bytes("child reads", buffer, n);
        pwrite(fd, "child", 5, 3);
        tell_event(&back);
        wait_event(&forth);
        STAT("a");
        FSTAT(fd);
        ftruncate(fd, 6);
        tell_event(&back);
        wait_event(&forth);
        STAT("a");
        STAT("b");
        put("a", "made by the child");
        tell_event(&back);
        wait_event(&forth);
        fflush(NULL);
        _exit(0);
    }
    wait_event(&back);
    int fd = open("a", O_RDWR);
    pwrite(fd, "parent", 6, 0);
    tell_event(&forth);
    wait_event(&back);
    char buffer[32] = "";
    ssize_t n = pread(fd, buffer, sizeof buffer, 0);
    show_bytes("parent reads", buffer, n);
    pwrite(fd, "longer", 6, 20);
    tell_event(&forth);
    wait_event(&back);
    FSTAT(fd);
    STAT("a");
    show_file("a");
    rename("a", "b");
    tell_event(&forth);
    wait_event(&back);
    show_file("a");
    show_file("b");
    tell_event(&forth);
    wait_for(pid);
    close(fd);
    show_names(".");
    return 0;
}
