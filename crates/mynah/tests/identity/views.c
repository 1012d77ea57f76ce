// Every view that a program has of its user, groups and host, one a line. The argument is a file of the user's.
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

static void said(const char *what, long result) {
    printf("%s: %s\n", what, result == 0 ? "ok" : strerrorname_np(errno));
}

static void owner(const char *what, int result, struct stat *st) {
    printf("%s: %d %u:%u\n", what, result, st->st_uid, st->st_gid);
}

static void file(const char *name) {
    struct stat st;
    struct statx stx;
    int fd = open(name, O_RDONLY);
    owner("stat", stat(name, &st), &st);
    owner("lstat", lstat(name, &st), &st);
    owner("fstat", fstat(fd, &st), &st);
    owner("fstatat of a descriptor", fstatat(fd, "", &st, AT_EMPTY_PATH), &st);
    char through[64];
    sprintf(through, "/proc/self/fd/%d", fd);
    owner("stat through /proc", stat(through, &st), &st);
    int result = statx(AT_FDCWD, name, 0, STATX_BASIC_STATS, &stx);
    printf("statx: %d %u:%u\n", result, stx.stx_uid, stx.stx_gid);
    int flags = AT_EMPTY_PATH | AT_STATX_DONT_SYNC;
    result = statx(fd, "", flags, STATX_ALL, &stx);
    printf("statx of a descriptor: %d %u:%u\n", result, stx.stx_uid, stx.stx_gid);
    said("chown to oneself", chown(name, getuid(), getgid()));
    said("fchown to oneself", fchown(fd, getuid(), -1));
    said("lchown to oneself", lchown(name, -1, getgid()));
    close(fd);
}

static void status(void) {
    char line[512];
    FILE *text = fopen("/proc/self/status", "r");
    while (text && fgets(line, sizeof line, text))
        if (!strncmp(line, "Uid:", 4) || !strncmp(line, "Gid:", 4) || !strncmp(line, "Groups:", 7))
            fputs(line, stdout);
    fclose(text);
}

static void vector(void) {
    printf("getauxval: %lu %lu %lu %lu\n", getauxval(AT_UID), getauxval(AT_EUID), getauxval(AT_GID),
        getauxval(AT_EGID));
    unsigned long pair[2];
    int fd = open("/proc/self/auxv", O_RDONLY);
    while (read(fd, pair, sizeof pair) == sizeof pair && pair[0])
        if (pair[0] == AT_UID || pair[0] == AT_EGID)
            printf("/proc/self/auxv: %lu %lu\n", pair[0], pair[1]);
    close(fd);
}

static int same(struct stat *a, struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_mode == b->st_mode && a->st_nlink == b->st_nlink
        && a->st_uid == b->st_uid && a->st_gid == b->st_gid && a->st_size == b->st_size && a->st_blksize == b->st_blksize
        && a->st_blocks == b->st_blocks && !memcmp(&a->st_mtim, &b->st_mtim, sizeof a->st_mtim);
}

static void accounts(void) {
    struct passwd *user = getpwuid(getuid());
    if (!user)
        printf("getpwuid: none\n");
    else
        printf("getpwuid: %s %u:%u %s %s\n", user->pw_name, user->pw_uid, user->pw_gid, user->pw_dir, user->pw_shell);
    struct group *group = getgrgid(getgid());
    printf("getgrgid: %s\n", group ? group->gr_name : "none");
    user = getpwnam("alice");
    printf("getpwnam: %d\n", user ? (int)user->pw_uid : -1);
    group = getgrnam("atlas");
    printf("getgrnam: %d %s\n", group ? (int)group->gr_gid : -1, group && group->gr_mem[0] ? group->gr_mem[0] : "");
    struct stat st;
    stat("/etc/passwd", &st);
    int fd = open("/etc/passwd", O_RDONLY);
    char text[65536];
    printf("/etc/passwd has the size it shows: %d\n", read(fd, text, sizeof text) == st.st_size);
    struct stat opened;
    fstat(fd, &opened);
    printf("/etc/passwd is one file: %d\n", same(&st, &opened));
    close(fd);
}

static void host(void) {
    struct utsname names;
    uname(&names);
    char name[65], text[65] = "";
    gethostname(name, sizeof name);
    int fd = open("/proc/sys/kernel/hostname", O_RDONLY);
    read(fd, text, sizeof text - 1);
    close(fd);
    printf("host: %s %s %s", names.nodename, name, text);
    printf("kernel: %s\n", names.sysname);
}

static void peer(void) {
    int pair[2];
    struct ucred who;
    socklen_t length = sizeof who;
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    int result = getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &who, &length);
    printf("peer: %d %d %u:%u\n", result, who.pid == getpid(), who.uid, who.gid);
}

static void changes(void) {
    said("setuid to oneself", setuid(getuid()));
    said("setgid to oneself", setgid(getgid()));
    said("setresuid to oneself", setresuid(-1, getuid(), -1));
    said("setreuid to another", setreuid(77, -1));
    said("setuid to another", setuid(77));
    said("setgid to another", setgid(77));
    said("setuid to -1", setuid(-1));
    printf("setfsuid: %d\n", setfsuid(77) == (int)getuid() && setfsuid(-1) == (int)getuid());
    gid_t none = 77;
    said("setgroups", setgroups(1, &none));
}

int main(int c, char **v) {
    uid_t r, e, s;
    gid_t gr, ge, gs, groups[64];
    getresuid(&r, &e, &s);
    getresgid(&gr, &ge, &gs);
    printf("uid: %u %u %u %u %u\n", getuid(), geteuid(), r, e, s);
    printf("gid: %u %u %u %u %u\n", getgid(), getegid(), gr, ge, gs);
    int count = getgroups(0, NULL);
    int filled = getgroups(64, groups);
    printf("groups: %d", count);
    for (int i = 0; i < filled; i++)
        printf(" %u", groups[i]);
    printf("\n");
    if (count > 1)
        printf("getgroups without room: %s\n", getgroups(1, groups) < 0 ? strerrorname_np(errno) : "ok");
    status();
    vector();
    accounts();
    host();
    file(v[1]);
    struct stat st;
    owner("/proc/self", stat("/proc/self", &st), &st);
    peer();
    changes();
    return 0;
}
