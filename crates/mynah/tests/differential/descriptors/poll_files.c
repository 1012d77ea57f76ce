// poll, select and epoll on files and directories; fcntl and ioctl queries.
#include "tested.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "0123456789");
    int fd = open("a", O_RDWR), directory = open(".", O_RDONLY);
    struct pollfd polled[3] = {{fd, POLLIN | POLLOUT, 0}, {directory, POLLIN, 0}, {99, POLLIN, 0}};
    T(poll(polled, 3, -1));
    printf("%x %x %x\n", polled[0].revents, polled[1].revents, polled[2].revents);
    lseek(fd, 0, SEEK_END);
    T(poll(polled, 1, 0));
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    T(select(fd + 1, &set, NULL, NULL, NULL));
    int epoll = epoll_create1(0);
    struct epoll_event event = {EPOLLIN, {0}};
    T(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
    T(epoll_ctl(epoll, EPOLL_CTL_ADD, directory, &event));
    int left;
    lseek(fd, 3, SEEK_SET);
    T(ioctl(fd, FIONREAD, &left));
    printf("left %d\n", left);
    T(ioctl(fd, TIOCGWINSZ, &left));
    T(isatty(fd));
    T(fcntl(fd, F_GETOWN));
    T(fcntl(fd, F_SETLEASE, F_RDLCK));
    T(fcntl(fd, F_GETPIPE_SZ));
    T(fcntl(fd, 9999, 0));
    T(ioctl(fd, FIOCLEX));
    T(fcntl(fd, F_GETFD));
    HOLDS((fcntl(fd, F_GETFL) & ~O_LARGEFILE) == O_RDWR);
    HOLDS((fcntl(directory, F_GETFL) & O_ACCMODE) == O_RDONLY);
    return 0;
}
