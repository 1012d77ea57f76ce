// The names of Unix sockets that the kernel tells: one's own, the peer's, the sender's, by every call that has one.
#include "tested.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un address;
static socklen_t length;

static socklen_t named(const char *name) {
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, name, sizeof address.sun_path - 1);
    return sizeof address;
}

static void forget(void) {
    memset(&address, 0x7f, sizeof address);
    length = sizeof address;
}

static void show(const char *label) {
    if (length <= offsetof(struct sockaddr_un, sun_path))
        printf("%s: no name, %d\n", label, (int)length);
    else
        printf("%s: %s, %d\n", label, address.sun_path, (int)(length - offsetof(struct sockaddr_un, sun_path) - strlen(address.sun_path)));
}

static void datagrams(const char *mine, const char *theirs) {
    char buffer[64], control[64];
    int to = socket(AF_UNIX, SOCK_DGRAM, 0), from = socket(AF_UNIX, SOCK_DGRAM, 0);
    T(bind(to, (void *)&address, named(mine)));
    T(bind(from, (void *)&address, named(theirs)));
    T(sendto(from, "one", 3, 0, (void *)&address, named(mine)));
    T(sendto(from, "two", 3, 0, (void *)&address, named(mine)));
    T(sendto(from, "three", 5, 0, (void *)&address, named(mine)));
    forget();
    T(recvfrom(to, buffer, 64, MSG_DONTWAIT, (void *)&address, &length));
    show("recvfrom");
    struct iovec io = {buffer, sizeof buffer};
    struct msghdr message = {.msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    forget();
    T(recvmsg(to, &message, MSG_DONTWAIT));
    length = message.msg_namelen;
    show("recvmsg");
    struct mmsghdr many = {.msg_hdr = {.msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &io, .msg_iovlen = 1}};
    forget();
    T(recvmmsg(to, &many, 1, MSG_DONTWAIT, NULL));
    length = many.msg_hdr.msg_namelen;
    show("recvmmsg");
    // An answer to the name that came.
    T(sendto(to, "answer", 6, 0, (void *)&address, length));
    T(recv(from, buffer, 64, MSG_DONTWAIT));
    forget();
    T(getsockname(from, (void *)&address, &length));
    show("getsockname");
    T(connect(from, (void *)&address, named(mine)));
    forget();
    T(getpeername(from, (void *)&address, &length));
    show("getpeername");
    unlink(mine), unlink(theirs);
    close(to), close(from);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("d", 0755);
    mkdir("d/e", 0755);
    datagrams("to", "from");
    datagrams("d/to", "./d//e/../from");
    chdir("d/e");
    datagrams("../to", "../../from");
    chdir("../..");
    // A client that has a name of its own.
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0), nameless = socket(AF_UNIX, SOCK_STREAM, 0);
    T(bind(server, (void *)&address, named("server")));
    T(listen(server, 5));
    T(bind(client, (void *)&address, named("d/client")));
    T(connect(client, (void *)&address, named("d/../server")));
    forget();
    T(accept(server, (void *)&address, &length));
    show("accept");
    T(connect(nameless, (void *)&address, named("server")));
    forget();
    T(accept4(server, (void *)&address, &length, SOCK_CLOEXEC));
    show("accept4");
    forget();
    T(getpeername(client, (void *)&address, &length));
    show("getpeername");
    T(bind(client, (void *)&address, named("again")));
    T(access("again", F_OK));
    // By a whole name.
    char whole[PATH_MAX];
    snprintf(whole, sizeof whole, "%s/w", W);
    if (strlen(whole) < sizeof address.sun_path) {
        int to = socket(AF_UNIX, SOCK_DGRAM, 0);
        HOLDS(bind(to, (void *)&address, named(whole)) == 0);
        forget();
        HOLDS(getsockname(to, (void *)&address, &length) == 0 && strcmp(address.sun_path, whole) == 0);
        int from = socket(AF_UNIX, SOCK_DGRAM, 0);
        HOLDS(sendto(from, "x", 1, 0, (void *)&address, length) == 1);
        char sender[PATH_MAX], buffer[8];
        snprintf(sender, sizeof sender, "%s/f", W);
        bind(from, (void *)&address, named(sender));
        recv(to, buffer, 8, MSG_DONTWAIT);
        HOLDS(sendto(from, "x", 1, 0, (void *)&address, named(whole)) == 1);
        forget();
        HOLDS(recvfrom(to, buffer, 8, MSG_DONTWAIT, (void *)&address, &length) == 1);
        HOLDS(strcmp(address.sun_path, sender) == 0);
    }
    show_names(".");
    return 0;
}
