// dup, dup2, dup3, fcntl: the lowest number, close-on-exec, what duplicates share.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    char buffer[16];
    put("a", "0123456789");
    T(open("a", O_RDWR));
    T(dup(3));
    T(dup2(3, 10));
    T(dup2(3, 3));
    T(dup2(99, 11));
    T(dup2(3, -1));
    T(dup3(3, 12, O_CLOEXEC));
    T(dup3(3, 3, 0));
    T(dup3(3, 13, O_APPEND));
    T(fcntl(12, F_GETFD));
    T(fcntl(10, F_GETFD));
    T(fcntl(3, F_DUPFD, 20));
    T(fcntl(3, F_DUPFD, 20));
    T(fcntl(3, F_DUPFD_CLOEXEC, 4));
    T(fcntl(5, F_GETFD));
    T(fcntl(3, F_DUPFD, -1));
    T(fcntl(99, F_DUPFD, 0));
    T(read(3, buffer, 3));
    T(lseek(10, 0, SEEK_CUR));
    T(read(20, buffer, 3));
    T(lseek(3, 0, SEEK_CUR));
    T(fcntl(10, F_SETFL, O_APPEND));
    HOLDS(fcntl(3, F_GETFL) & O_APPEND);
    T(fcntl(3, F_SETFD, FD_CLOEXEC));
    T(fcntl(4, F_GETFD));
    T(close(3));
    T(lseek(4, 0, SEEK_CUR));
    T(open("a", O_RDONLY));
    T(lseek(3, 0, SEEK_CUR));
    HOLDS(!(fcntl(3, F_GETFL) & O_APPEND));
    // Holes are filled from below.
    T(close(4));
    T(close(10));
    T(open("a", O_RDONLY | O_CLOEXEC));
    T(fcntl(4, F_GETFD));
    T(open("a", O_RDONLY));
    T(open("a", O_RDONLY));
    T(close(0));
    T(open("a", O_RDONLY));
    T(read(0, buffer, 4));
    T(dup2(3, 0));
    T(lseek(0, 0, SEEK_CUR));
    T(close(99));
    T(close(-1));
    T(fcntl(99, F_GETFD));
    // dup2 over an open file closes that; the last close carries its content.
    int fd = open("b", O_RDWR | O_CREAT, 0644);
    T(write(fd, "before dup2", 11));
    T(dup2(3, fd));
    T(write(fd, "x", 1));
    show_file("b");
    return 0;
}
