// Many threads open, write, rename, list and delete at the same time.
#include "tested.h"
#include <pthread.h>

enum { THREADS = 16, ROUNDS = 20 };
static int failures;

static void failed(void) { __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED); }

static void *work(void *argument) {
    long me = (long)argument;
    char name[64], other[64], text[64], back[64];
    for (int round = 0; round < ROUNDS; round++) {
        snprintf(name, sizeof name, "t%ld-%d", me, round);
        snprintf(other, sizeof other, "t%ld-%d.new", me, round);
        int length = snprintf(text, sizeof text, "thread %ld round %d\n", me, round);
        int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);
        if (fd < 0 || write(fd, text, length) != length || pread(fd, back, sizeof back, 0) != length || memcmp(text, back, length))
            failed();
        struct stat by_fd, by_name;
        if (fstat(fd, &by_fd) || stat(name, &by_name) || by_fd.st_ino != by_name.st_ino || by_name.st_size != length)
            failed();
        if (close(fd) || rename(name, other) || access(other, R_OK) || access(name, F_OK) == 0)
            failed();
        fd = open("shared", O_WRONLY | O_APPEND);
        if (fd < 0 || write(fd, "x", 1) != 1 || close(fd))
            failed();
        DIR *directory = opendir(".");
        if (!directory || !readdir(directory) || closedir(directory))
            failed();
        if (round % 2 && unlink(other))
            failed();
        // One of all wins.
        snprintf(name, sizeof name, "once-%d", round);
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0644);
        if (fd >= 0) {
            if (write(fd, "1", 1) != 1 || close(fd))
                failed();
        } else if (errno != EEXIST)
            failed();
    }
    return NULL;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    put("shared", "");
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("failures: %d\n", failures);
    STAT("shared");
    for (int fd = 3; fd < 64; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            printf("descriptor %d left open\n", fd);
    return 0;
}
