// sendfile, copy_file_range, splice and tee between files and pipes.
#include "tested.h"
#include <sys/sendfile.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    put("in", "0123456789abcdef");
    int in = open("in", O_RDONLY), out = open("out", O_RDWR | O_CREAT, 0644);
    T(sendfile(out, in, NULL, 4));
    off_t at = 10;
    T(sendfile(out, in, &at, 100));
    printf("offset after: %ld\n", (long)at);
    show_file("out");
    STAT("out");
    T(lseek(in, 0, SEEK_CUR));
    loff_t from = 2, to = 20;
    T(copy_file_range(in, &from, out, &to, 6, 0));
    printf("offsets after: %ld %ld\n", (long)from, (long)to);
    show_file("out");
    T(copy_file_range(in, NULL, out, NULL, 3, 0));
    T(copy_file_range(out, NULL, in, NULL, 3, 0));
    T(copy_file_range(in, NULL, out, NULL, 3, 99));
    int ends[2];
    pipe(ends);
    T(lseek(in, 0, SEEK_SET));
    T(splice(in, NULL, ends[1], NULL, 5, 0));
    char buffer[32];
    T(read(ends[0], buffer, 32));
    show_bytes("spliced", buffer, 5);
    T(write(ends[1], "from the pipe", 13));
    T(lseek(out, 0, SEEK_SET));
    T(splice(ends[0], NULL, out, NULL, 13, 0));
    show_file("out");
    loff_t offset = 1;
    T(splice(in, &offset, ends[1], NULL, 3, 0));
    T(read(ends[0], buffer, 32));
    show_bytes("spliced", buffer, 3);
    T(splice(in, NULL, out, NULL, 3, 0));
    T(sendfile(ends[1], in, NULL, 3));
    T(read(ends[0], buffer, 32));
    T(sendfile(in, out, NULL, 3));
    T(sendfile(99, in, NULL, 3));
    int directory = open(".", O_RDONLY);
    T(sendfile(out, directory, NULL, 3));
    close(out);
    STAT("out");
    return 0;
}
