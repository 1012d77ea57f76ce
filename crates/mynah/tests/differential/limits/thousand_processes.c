// A thousand processes at the same time, all alive until the last has begun, each at work in one directory.
#include "tested.h"

enum { MANY = 1000 };

int main(int argc, char **argv) {
    begin(argc, argv);
    put("shared", "");
    struct event begun = new_event(), go = new_event();
    int forked = 0;
    fflush(stdout);
    for (int i = 0; i < MANY; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char name[32], text[64];
            snprintf(name, sizeof name, "p%04d", i);
            int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);
            tell_event(&begun);
            wait_event(&go);
            int length = snprintf(text, sizeof text, "process %d\n", i);
            int bad = fd < 0 || write(fd, text, length) != length || close(fd) != 0;
            int shared = open("shared", O_WRONLY | O_APPEND);
            bad |= shared < 0 || write(shared, ".", 1) != 1 || close(shared) != 0;
            bad |= i % 2 && unlink(name) != 0;
            _exit(bad);
        }
        forked += pid > 0;
    }
    for (int i = 0; i < forked; i++)
        wait_event(&begun);
    for (int i = 0; i < forked; i++)
        tell_event(&go);
    int status, bad = 0;
    while (wait(&status) > 0)
        bad += status != 0;
    printf("forked %d bad %d\n", forked, bad);
    STAT("shared");
    show_file("p0998");
    T(access("p0999", F_OK));
    return 0;
}
