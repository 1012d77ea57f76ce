// A writer that goes as soon as it has come: the reader that waited for it goes on all the same, and finds the end.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    T(mkfifo("p", 0600));
    int both = open("p", O_RDWR);
    T(fsync(both));
    T(fdatasync(both));
    close(both);
    int bad = 0;
    for (int i = 0; i < 30; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            char byte;
            int fd = open("p", O_RDONLY);
            _exit(fd < 0 || read(fd, &byte, 1) != 0);
        }
        int status, fd = open("p", O_WRONLY);
        bad += fd < 0 || close(fd) != 0;
        bad += waitpid(pid, &status, 0) != pid || status != 0;
    }
    printf("bad %d\n", bad);
    return 0;
}
