// copy_file_range and sendfile of big files: over holes, onto themselves, past the end, to other file systems, with the data at once there.
#include "tested.h"
#include <sys/sendfile.h>

enum { BIG = 3 << 20 };

static unsigned long digest(const char *path) {
    static unsigned char bytes[BIG * 2];
    int fd = open(path, O_RDONLY);
    unsigned long sum = 14695981039346656037UL;
    ssize_t length = read(fd, bytes, sizeof bytes);
    for (ssize_t i = 0; i < length; i++)
        sum = (sum ^ bytes[i]) * 1099511628211UL;
    close(fd);
    printf("%s: %zd bytes %lx\n", path, length, sum);
    return sum;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    int in = open("in", O_RDWR | O_CREAT, 0644), out = open("out", O_RDWR | O_CREAT, 0644);
    char block[65536];
    for (int i = 0; i < BIG / 65536; i++) {
        memset(block, 'a' + i % 26, sizeof block);
        if (i % 5 != 2)
            pwrite(in, block, sizeof block, (off_t)i * 65536);
    }
    long total = 0, got;
    while ((got = copy_file_range(in, NULL, out, NULL, BIG, 0)) > 0)
        total += got;
    printf("copied %ld\n", total);
    HOLDS(digest("in") == digest("out"));
    loff_t from = 1000, to = BIG + 5000;
    T(copy_file_range(in, &from, out, &to, 100000, 0));
    digest("out");
    T(copy_file_range(in, &from, in, &(loff_t){1010}, 100, 0));
    OK(copy_file_range(in, &(loff_t){1000}, in, &(loff_t){1010}, 100, 0));
    T(copy_file_range(in, &(loff_t){0}, in, &(loff_t){BIG}, 5000, 0));
    T(copy_file_range(in, &(loff_t){BIG * 2}, out, NULL, 10, 0));
    int reader = open("out", O_RDONLY), appender = open("out", O_WRONLY | O_APPEND), directory = open(".", O_RDONLY);
    T(copy_file_range(in, NULL, reader, NULL, 10, 0));
    T(copy_file_range(in, NULL, appender, NULL, 10, 0));
    T(copy_file_range(in, NULL, directory, NULL, 10, 0));
    T(copy_file_range(directory, NULL, out, NULL, 10, 0));
    T(copy_file_range(99, NULL, out, NULL, 10, 0));
    // sendfile to a file that was just created, seen by another process before any close.
    int third = open("third", O_RDWR | O_CREAT, 0644);
    off_t at = 0;
    total = 0;
    while ((got = sendfile(third, in, &at, 1 << 20)) > 0)
        total += got;
    printf("sent %ld\n", total);
    CHILD({ STAT("third"); digest("third"); });
    // To and from another file system.
    char elsewhere[] = "/tmp/mynah-copy-XXXXXX";
    int away = mkstemp(elsewhere);
    unlink(elsewhere);
    HOLDS(sendfile(away, third, &(off_t){0}, 100000) == 100000);
    lseek(away, 0, SEEK_SET);
    int back = open("back", O_RDWR | O_CREAT, 0644);
    HOLDS(sendfile(back, away, NULL, 100000) == 100000);
    close(back);
    digest("back");
    return 0;
}
