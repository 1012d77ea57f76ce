// Unix sockets with names: bind, connect, datagrams, errors, descriptors sent across.
#include "tested.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un address;
static socklen_t named(const char *name) {
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, name, sizeof address.sun_path - 1);
    return sizeof address;
}

static int send_fd(int socket, int fd) {
    char data = 'd', control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec io = {&data, 1};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return sendmsg(socket, &message, 0);
}

static int receive_fd(int socket) {
    char data, control[CMSG_SPACE(sizeof(int))];
    struct iovec io = {&data, 1};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    int fd;
    if (recvmsg(socket, &message, 0) < 1 || !CMSG_FIRSTHDR(&message))
        return -1;
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    return fd;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    char buffer[64];
    int server = T(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    T(connect(server, (void *)&address, named("s")));
    T(bind(server, (void *)&address, named("s")));
    T(bind(server, (void *)&address, named("s2")));
    STAT("s");
    int other = T(socket(AF_UNIX, SOCK_STREAM, 0));
    T(bind(other, (void *)&address, named("s")));
    T(bind(other, (void *)&address, named("none/s")));
    T(connect(other, (void *)&address, named("s")));
    T(listen(server, 5));
    T(connect(other, (void *)&address, named("s")));
    int accepted = T(accept(server, NULL, NULL));
    T(write(other, "hello", 5));
    T(read(accepted, buffer, 64));
    socklen_t length = sizeof address;
    T(getpeername(other, (void *)&address, &length));
    printf("peer %s\n", address.sun_path);
    HOLDS(length == offsetof(struct sockaddr_un, sun_path) + strlen(address.sun_path) + 1);
    length = sizeof address;
    T(getsockname(server, (void *)&address, &length));
    printf("own %s\n", address.sun_path);
    T(open("s", O_RDWR));
    put("plain", "x");
    int third = socket(AF_UNIX, SOCK_STREAM, 0);
    T(connect(third, (void *)&address, named("plain")));
    T(connect(third, (void *)&address, named("plain/s")));
    T(connect(third, (void *)&address, named("none")));
    symlink("s", "l");
    T(connect(third, (void *)&address, named("l")));
    mkdir("d", 0755);
    CHILD({ chdir("d"); int s = socket(AF_UNIX, SOCK_STREAM, 0); T(connect(s, (void *)&address, named("../s"))); });
    T(rename("s", "d/moved"));
    int fourth = socket(AF_UNIX, SOCK_STREAM, 0);
    T(connect(fourth, (void *)&address, named("d/moved")));
    T(unlink("d/moved"));
    T(connect(fourth, (void *)&address, named("d/moved")));
    // An open file travels.
    put("a", "0123456789");
    int pair[2];
    T(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    CHILD({ int fd = open("a", O_RDWR); lseek(fd, 4, SEEK_SET); send_fd(pair[1], fd); });
    int received = receive_fd(pair[0]);
    T(lseek(received, 0, SEEK_CUR));
    T(write(received, "XY", 2));
    FSTAT(received);
    T(close(received));
    show_file("a");
    CHILD({ int fd = open("d", O_RDONLY); send_fd(pair[1], fd); });
    put("d/inside", "by a descriptor that came");
    received = receive_fd(pair[0]);
    int inside = T(openat(received, "inside", O_RDONLY));
    T(read(inside, buffer, 64));
    T(fchdir(received));
    show_names(".");
    chdir("..");
    // Datagrams by name.
    int to = socket(AF_UNIX, SOCK_DGRAM, 0), from = socket(AF_UNIX, SOCK_DGRAM, 0);
    T(bind(to, (void *)&address, named("dgram")));
    T(sendto(from, "message", 7, 0, (void *)&address, named("dgram")));
    T(recv(to, buffer, 64, MSG_DONTWAIT));
    T(sendto(from, "message", 7, 0, (void *)&address, named("no-dgram")));
    struct iovec io = {"by sendmsg", 10};
    struct msghdr message = {.msg_name = &address, .msg_namelen = named("dgram"), .msg_iov = &io, .msg_iovlen = 1};
    T(sendmsg(from, &message, 0));
    T(recv(to, buffer, 64, MSG_DONTWAIT));
    T(bind(from, (void *)&address, named("dgram-from")));
    T(sendto(from, "x", 1, 0, (void *)&address, named("dgram")));
    memset(&address, 0, sizeof address);
    length = sizeof address;
    T(recvfrom(to, buffer, 64, MSG_DONTWAIT, (void *)&address, &length));
    printf("from %s\n", address.sun_path);
    T(connect(from, (void *)&address, named("dgram")));
    T(send(from, "connected", 9, 0));
    T(recv(to, buffer, 64, MSG_DONTWAIT));
    // Abstract names are no paths.
    int abstract = socket(AF_UNIX, SOCK_STREAM, 0);
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path + 1, 60, "tested-%d", getpid());
    T(bind(abstract, (void *)&address, sizeof(sa_family_t) + 20));
    show_names(".");
    // What is no Unix socket is told before the name is looked at.
    put("plain", "text");
    int plain = open("plain", O_RDWR), internet = socket(AF_INET, SOCK_DGRAM, 0);
    int descriptors[] = {-1, 99, plain, internet};
    for (int i = 0; i < 4; i++) {
        T(connect(descriptors[i], (void *)&address, named("none")));
        T(bind(descriptors[i], (void *)&address, named("new")));
        T(sendto(descriptors[i], "x", 1, 0, (void *)&address, named("none")));
    }
    // Streams have no use for a name in sendto.
    int stream = socket(AF_UNIX, SOCK_STREAM, 0), packets = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    T(sendto(stream, "x", 1, MSG_NOSIGNAL, (void *)&address, named("none")));
    T(sendto(packets, "x", 1, MSG_NOSIGNAL, (void *)&address, named("none")));
    LSTAT("new");
    return 0;
}
