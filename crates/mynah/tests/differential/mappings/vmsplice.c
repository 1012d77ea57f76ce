// vmsplice, tee and splice between mapped files, pipes and files.
#include "tested.h"
#include <sys/uio.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    int fd = open("a", O_RDWR | O_CREAT, 0644);
    char text[8192];
    for (int i = 0; i < 8192; i++)
        text[i] = 'a' + i / 512;
    write(fd, text, 8192);
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    int one[2], two[2];
    pipe(one);
    pipe(two);
    struct iovec part = {map, 4096};
    T(vmsplice(one[1], &part, 1, 0));
    T(tee(one[0], two[1], 4096, 0));
    loff_t at = 5000;
    int out = open("out", O_RDWR | O_CREAT, 0644);
    T(splice(one[0], NULL, out, &at, 4096, 0));
    printf("offset %ld\n", (long)at);
    STAT("out");
    T(splice(two[0], NULL, out, NULL, 1000, 0));
    T(splice(two[0], NULL, out, NULL, 4096, SPLICE_F_MOVE));
    show_file("out");
    // From a pipe into memory that is a file's.
    T(write(one[1], "through the pipe", 16));
    part.iov_base = map + 100;
    part.iov_len = 16;
    T(vmsplice(one[0], &part, 1, 0));
    char back[17] = "";
    T(pread(fd, back, 16, 100));
    printf("%s\n", back);
    T(splice(out, NULL, fd, NULL, 10, 0));
    int append = open("out", O_WRONLY | O_APPEND);
    T(write(one[1], "x", 1));
    T(splice(one[0], NULL, append, NULL, 1, 0));
    return 0;
}
