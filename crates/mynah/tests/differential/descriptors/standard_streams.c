// Files in the places of 0, 1 and 2: by dup2, by closing and opening, over exec, and back again.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    put("in", "first line\nsecond line\n");
    int keep = fcntl(1, F_DUPFD_CLOEXEC, 20);
    int in = open("in", O_RDONLY), out = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0644), err = open("err", O_WRONLY | O_CREAT | O_APPEND, 0644);
    fflush(stdout);
    T(dup2(in, 0));
    T(dup2(err, 2));
    dup2(out, 1);
    printf("through stdio\n");
    fprintf(stderr, "an error\n");
    fflush(NULL);
    system("read line; echo \"shell read $line\"; cat; echo to the error >&2; exec 3<in; read line <&3; echo again $line");
    struct stat st;
    int size_seen = fstat(1, &st) == 0 ? (int)st.st_size : -1;
    dup2(keep, 1);
    printf("size seen %d\n", size_seen);
    T(close(in));
    T(close(out));
    T(close(err));
    show_file("out");
    show_file("err");
    // The lowest number first, those of the streams too.
    T(close(0));
    T(open("in", O_RDONLY));
    T(close(2));
    T(open("two", O_RDWR | O_CREAT, 0644));
    fprintf(stderr, "as the error output");
    fflush(stderr);
    show_file("two");
    CHILD({ close(0); close(2); open("in", O_RDONLY); execl("/bin/sh", "sh", "-c", "read a; echo $a; test -e /proc/self/fd/2 || echo no error output", NULL); });
    // All three closed: what is opened next has number 0.
    CHILD({
        close(0); close(1); close(2);
        int fd = open("zero", O_WRONLY | O_CREAT, 0644);
        write(fd, fd == 0 ? "zero" : "other", fd == 0 ? 4 : 5);
        _exit(close(fd) == 0 ? 40 + fd : 1);
    });
    show_file("zero");
    return 0;
}
