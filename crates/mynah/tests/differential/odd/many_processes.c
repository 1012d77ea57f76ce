// Two hundred processes at once, each with work of its own, and orphans among them.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    int ends[2];
    pipe(ends);
    for (int i = 0; i < 200; i++)
        if (fork() == 0) {
            char name[32], text[64];
            snprintf(name, sizeof name, "p%03d", i);
            int length = snprintf(text, sizeof text, "process %d\n", i);
            int fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
            int ok = fd >= 0 && write(fd, text, length) == length && close(fd) == 0 && access(name, R_OK) == 0;
            if (i % 4 == 0 && fork() == 0) {
                // Its parent is gone, or will be.
                fd = open(name, O_WRONLY | O_APPEND);
                write(fd, "orphan\n", 7);
                close(fd);
                write(ends[1], "o", 1);
                _exit(0);
            }
            _exit(!ok);
        }
    int status, bad = 0, ended = 0;
    while (wait(&status) > 0) {
        ended++;
        bad += status != 0;
    }
    close(ends[1]);
    char byte;
    int orphans = 0;
    while (read(ends[0], &byte, 1) == 1)
        orphans++;
    printf("ended %d bad %d orphans %d\n", ended, bad, orphans);
    show_file("p004");
    show_file("p005");
    return 0;
}
