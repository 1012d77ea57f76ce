// What an O_PATH descriptor is good for: names below it, itself by an empty path, its link in /proc, another process.
#include "tested.h"
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

static void send_fd(int socket, int fd) {
    char data = 'd', control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec io = {&data, 1};
    struct msghdr message = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    if (sendmsg(socket, &message, 0) != 1)
        printf("sendmsg: %s\n", errno_name(errno));
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
    mkdir("d", 0755);
    put("d/f", "0123456789");
    symlink("f", "d/l");
    mkfifo("d/fifo", 0644);
    char buffer[256], link[64], whole[PATH_MAX];
    struct stat st;
    struct statfs figures;
    int d = T(open("d", O_PATH)), f = T(open("d/f", O_PATH | O_CLOEXEC)), l = T(open("d/l", O_PATH | O_NOFOLLOW));
    int fifo = T(open("d/fifo", O_PATH));
    T(fcntl(f, F_GETFD));
    T(fcntl(d, F_GETFD));
    printf("flags %o %o %o\n", fcntl(d, F_GETFL), fcntl(f, F_GETFL), fcntl(l, F_GETFL));
    T(open("d/f", O_PATH | O_RDWR | O_APPEND | O_TRUNC));
    printf("flags %o\n", fcntl(f + 3, F_GETFL));
    close(f + 3);
    // Below a directory.
    T(mkdirat(d, "made", 0755));
    T(openat(d, "new", O_WRONLY | O_CREAT, 0644));
    T(renameat(d, "new", d, "newer"));
    T(faccessat(d, "f", R_OK, 0));
    T(unlinkat(d, "newer", 0));
    T(openat(f, "x", O_RDONLY));
    T(fchdir(f));
    // Itself.
    T(fstatfs(d, &figures));
    T(fstatat(f, "", &st, AT_EMPTY_PATH));
    T(fchownat(f, "", -1, getegid(), AT_EMPTY_PATH));
    T(syscall(452, f, "", 0600, AT_EMPTY_PATH));
    STAT("d/f");
    T(fstat(fifo, &st));
    HOLDS(S_ISFIFO(st.st_mode));
    T(fgetxattr(f, "user.x", buffer, 10));
    T(flistxattr(f, buffer, 10));
    T(futimens(f, NULL));
    T(fdatasync(f));
    T(syncfs(f));
    T(readv(f, &(struct iovec){buffer, 1}, 1));
    T(fallocate(f, 0, 0, 100));
    struct flock lock = {.l_type = F_WRLCK};
    T(fcntl(f, F_SETLK, &lock));
    T(lseek(d, 0, SEEK_CUR));
    T(fcntl(f, F_DUPFD, 30));
    T(close(30));
    T(dup2(f, 31));
    T(read(31, buffer, 1));
    T(close(31));
    // Its link in /proc.
    snprintf(link, sizeof link, "/proc/self/fd/%d", f);
    snprintf(whole, sizeof whole, "%s/d/f", W);
    memset(buffer, 0, sizeof buffer);
    HOLDS(readlink(link, buffer, sizeof buffer - 1) > 0 && !strcmp(buffer, whole));
    int again = T(open(link, O_RDWR));
    T(pwrite(again, "ABC", 3, 0));
    T(close(again));
    T(truncate(link, 5));
    T(chmod(link, 0640));
    show_file("d/f");
    STAT("d/f");
    T(rename("d/f", "d/renamed"));
    T(fstat(f, &st));
    show_stat("renamed", &st);
    again = T(open(link, O_RDONLY));
    T(read(again, buffer, 10));
    close(again);
    T(unlink("d/renamed"));
    T(fstat(f, &st));
    show_stat("gone", &st);
    snprintf(link, sizeof link, "/proc/self/fd/%d", d);
    T(chdir(link));
    show_names(".");
    chdir(W);
    // Another process.
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    put("d/f", "travelled");
    CHILD({ int sent = open("d", O_PATH); send_fd(pair[1], sent); });
    int received = receive_fd(pair[0]);
    HOLDS((fcntl(received, F_GETFL) & O_PATH) != 0);
    int inside = T(openat(received, "f", O_RDONLY));
    T(read(inside, buffer, 64));
    T(fchdir(received));
    HOLDS(getcwd(buffer, sizeof buffer) && !strncmp(buffer, W, strlen(W)) && !strcmp(buffer + strlen(W), "/d"));
    return 0;
}
