// sendmsg and sendmmsg with a name in the message: bytes in several parts, open files, and what is refused.
#include "tested.h"
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un to_name = {.sun_family = AF_UNIX};
static union { char bytes[CMSG_SPACE(2 * sizeof(int))]; struct cmsghdr align; } control;

static struct msghdr message(const char *name, struct iovec *parts, size_t count) {
    strcpy(to_name.sun_path, name);
    return (struct msghdr){.msg_name = &to_name, .msg_namelen = sizeof to_name, .msg_iov = parts, .msg_iovlen = count};
}

static void carry(struct msghdr *m, int type, const int *files, size_t count) {
    m->msg_control = control.bytes;
    m->msg_controllen = CMSG_SPACE(count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(m);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(header), files, count * sizeof(int));
}

// What came, and what the files hold that came with it.
static void receive(int fd) {
    char bytes[64];
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(fd, &m, MSG_DONTWAIT);
    if (length < 0) {
        printf("nothing came: %s\n", errno_name(errno));
        return;
    }
    show_bytes("came", bytes, length);
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&m); header; header = CMSG_NXTHDR(&m, header)) {
        int count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (int i = 0; i < count; i++) {
            int file = ((int *)CMSG_DATA(header))[i];
            lseek(file, 0, SEEK_SET);
            show_bytes("file", bytes, read(file, bytes, sizeof bytes));
            close(file);
        }
    }
}

int main(int argc, char **argv) {
    begin(argc, argv);
    int to = socket(AF_UNIX, SOCK_DGRAM, 0), from = socket(AF_UNIX, SOCK_DGRAM, 0), stream = socket(AF_UNIX, SOCK_STREAM, 0);
    mkdir("d", 0755), put("a", "text of a"), put("b", "text of b");
    strcpy(to_name.sun_path, "d/to");
    T(bind(to, (void *)&to_name, sizeof to_name));
    struct iovec parts[] = {{"one ", 4}, {"", 0}, {"two", 3}}, bad[] = {{(void *)8, 4}};
    struct msghdr m = message("d/to", parts, 3);
    T(sendmsg(from, &m, 0));
    receive(to);
    int files[] = {open("a", O_RDONLY), open("b", O_RDWR)}, none[] = {99};
    carry(&m, SCM_RIGHTS, files, 2);
    T(sendmsg(from, &m, 0));
    unlink("b");
    receive(to);
    carry(&m, SCM_RIGHTS, none, 1);
    T(sendmsg(from, &m, 0));
    carry(&m, 99, none, 1);
    T(sendmsg(from, &m, 0));
    CMSG_FIRSTHDR(&m)->cmsg_len = 1000;
    T(sendmsg(from, &m, 0));
    m = message("d/to", bad, 1);
    T(sendmsg(from, &m, 0));
    m = message("d/to", parts, 2000);
    T(sendmsg(from, &m, 0));
    m = message("none", parts, 1);
    T(sendmsg(from, &m, 0));
    m = message("a", parts, 1);
    T(sendmsg(from, &m, 0));
    m = message("a/x", parts, 1);
    T(sendmsg(from, &m, 0));
    m = message("d/to", parts, 1);
    T(sendmsg(99, &m, 0));
    T(sendmsg(files[0], &m, 0));
    T(sendmsg(stream, &m, 0));
    T(sendmsg(from, (void *)8, 0));
    receive(to);
    struct mmsghdr many[4];
    for (int i = 0; i < 4; i++)
        many[i].msg_hdr = message("d/to", parts + i % 3, 1);
    T(sendmmsg(from, many, 3, 0));
    printf("%u %u %u\n", many[0].msg_len, many[1].msg_len, many[2].msg_len);
    receive(to), receive(to), receive(to), receive(to);
    // As far as it goes.
    many[1].msg_hdr.msg_iov = bad;
    T(sendmmsg(from, many, 3, 0));
    T(sendmmsg(from, many + 1, 2, 0));
    T(sendmmsg(from, many, 0, 0));
    receive(to), receive(to);
    // To who was connected no name is needed.
    T(connect(from, (void *)&to_name, sizeof to_name));
    struct msghdr plain = {.msg_iov = parts, .msg_iovlen = 1};
    T(sendmsg(from, &plain, 0));
    receive(to);
    return 0;
}
