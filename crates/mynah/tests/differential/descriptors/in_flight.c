// Descriptors sent through a socket: held by nobody but the socket while they travel, written by who gets them, lost with the socket.
#include "tested.h"
#include <sys/socket.h>

static int send_fds(int socket, int *fds, int count) {
    char data = 'd', control[CMSG_SPACE(8 * sizeof(int))] = {0};
    struct iovec io = {&data, 1};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    return sendmsg(socket, &message, 0);
}

static int receive_fds(int socket, int *fds, int room) {
    char data, control[CMSG_SPACE(8 * sizeof(int))];
    struct iovec io = {&data, 1};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(room * sizeof(int))};
    if (recvmsg(socket, &message, 0) < 1 || !CMSG_FIRSTHDR(&message))
        return -1;
    int count = (CMSG_FIRSTHDR(&message)->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&message)), count * sizeof(int));
    return count;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("d", 0755);
    put("d/inside", "inside");
    int pair[2], fds[8];
    T(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    // The sender is gone before anybody receives.
    CHILD({
        int own[3] = {open("a", O_RDWR | O_CREAT, 0644), open("d", O_RDONLY), open("b", O_RDWR | O_CREAT | O_APPEND, 0644)};
        write(own[0], "by the sender, ", 15);
        write(own[2], "b1 ", 3);
        send_fds(pair[1], own, 3);
    });
    T(receive_fds(pair[0], fds, 8));
    T(write(fds[0], "by the receiver", 15));
    FSTAT(fds[0]);
    T(openat(fds[1], "inside", O_RDONLY));
    T(write(fds[2], "b2", 2));
    T(fchdir(fds[1]));
    T(access("inside", F_OK));
    T(chdir(".."));
    for (int i = 0; i < 3; i++)
        T(close(fds[i]));
    show_file("a");
    show_file("b");
    // Written in flight by nobody, and lost with the socket.
    CHILD({ int own = open("c", O_RDWR | O_CREAT, 0644); write(own, "written before it was sent", 26); send_fds(pair[1], &own, 1); });
    T(close(pair[0]));
    T(close(pair[1]));
    show_file("c");
    // Fewer places than descriptors, and a table that is full.
    T(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    int two[2] = {open("a", O_RDONLY), open("b", O_RDONLY)};
    send_fds(pair[1], two, 2);
    T(receive_fds(pair[0], fds, 1));
    return 0;
}
