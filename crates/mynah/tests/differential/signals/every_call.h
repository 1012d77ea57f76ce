// A timer signal at 1 kHz while every class of call is made; what counts is that each does what it says, once.
#include "tested.h"
#include <sched.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>

extern char **environ;
static volatile int ticks;
static void tick(int signal) {
    (void)signal;
    ticks++;
}

static void storm(int flags) {
    struct sigaction action = {.sa_handler = tick, .sa_flags = flags};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &often, NULL);
}

static void calm(void) {
    struct itimerval never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &never, NULL);
}

// What a call gave in the end. A program that handles signals without SA_RESTART begins a call again that ended with EINTR.
#define AGAIN(call) ({ long got_; do { errno = 0; got_ = (long)(call); } while (got_ == -1 && errno == EINTR && interruptible); got_; })
#define MUST(call) do { if (AGAIN(call) == -1) failed(#call); } while (0)
#define MUST_NOT(call, number) do { if (AGAIN(call) != -1 || errno != number) failed(#call); } while (0)

static int interruptible, failures;
static void failed(const char *call) {
    if (failures++ < 20)
        printf("failed: %s: %s\n", call, errno_name(errno));
}

static void names(int round) {
    char a[32], b[32], buffer[PATH_MAX];
    struct stat st;
    struct statx sx;
    struct statfs fs;
    snprintf(a, sizeof a, "a%d", round);
    snprintf(b, sizeof b, "b%d", round);
    // Each of these would fail if it were done twice.
    MUST(mknod(a, S_IFREG | 0644, 0));
    MUST_NOT(mknod(a, S_IFREG | 0644, 0), EEXIST);
    MUST(link(a, b));
    MUST(rename(b, "moved"));
    MUST_NOT(rename(b, "moved"), ENOENT);
    MUST(unlink("moved"));
    MUST(symlink(a, b));
    MUST(readlink(b, buffer, sizeof buffer));
    MUST(unlinkat(AT_FDCWD, b, 0));
    MUST(mkdir(b, 0755));
    MUST(chdir(b));
    MUST((long)getcwd(buffer, sizeof buffer) == 0 ? -1 : 0);
    MUST(chdir(".."));
    MUST(rmdir(b));
    MUST(mkfifo(b, 0600));
    MUST(unlink(b));
    MUST(stat(a, &st));
    MUST(lstat(a, &st));
    MUST(statx(AT_FDCWD, a, 0, STATX_BASIC_STATS, &sx));
    MUST(statfs(a, &fs));
    MUST(access(a, R_OK));
    MUST(faccessat(AT_FDCWD, a, W_OK, AT_EACCESS));
    MUST(chmod(a, 0600));
    MUST(chown(a, -1, -1));
    MUST(utimensat(AT_FDCWD, a, NULL, 0));
    MUST(truncate(a, 100));
    MUST(setxattr(a, "user.storm", "v", 1, XATTR_CREATE));
    MUST(getxattr(a, "user.storm", buffer, sizeof buffer));
    MUST(listxattr(a, buffer, sizeof buffer));
    MUST(removexattr(a, "user.storm"));
    MUST(unlink(a));
    MUST_NOT(unlink(a), ENOENT);
}

static void files(int round) {
    char a[32], buffer[64];
    struct stat st;
    struct statfs fs;
    snprintf(a, sizeof a, "f%d", round);
    int fd = AGAIN(open(a, O_RDWR | O_CREAT | O_EXCL, 0644));
    if (fd < 0) {
        failed("open");
        return;
    }
    MUST(write(fd, "in the storm", 12));
    MUST(fstat(fd, &st));
    MUST(st.st_size == 12 ? 0 : -1);
    MUST(fstatfs(fd, &fs));
    MUST(fchmod(fd, 0640));
    MUST(fchown(fd, -1, -1));
    MUST(futimens(fd, NULL));
    MUST(ftruncate(fd, 8192));
    MUST(fsync(fd));
    MUST(fdatasync(fd));
    MUST(flock(fd, LOCK_EX));
    MUST(flock(fd, LOCK_UN));
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    MUST(fcntl(fd, F_SETLKW, &whole));
    MUST(fcntl(fd, F_GETLK, &whole));
    char *map = (char *)AGAIN(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    if (map == MAP_FAILED)
        failed("mmap");
    else {
        map[4096] = 'm';
        MUST(msync(map, 8192, MS_SYNC));
        MUST(munmap(map, 8192));
    }
    MUST(pread(fd, buffer, 1, 4096) == 1 && buffer[0] == 'm' ? 0 : -1);
    int copy = dup(fd);
    MUST(dup2(copy, fd));
    MUST(close(copy));
    MUST(close(fd));
    int directory = AGAIN(open(".", O_RDONLY | O_DIRECTORY));
    MUST(directory);
    MUST(syscall(SYS_getdents64, directory, buffer, sizeof buffer));
    MUST(fchdir(directory));
    MUST(fstatat(directory, a, &st, 0));
    MUST(unlinkat(directory, a, 0));
    MUST(close(directory));
}

static void sockets(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    MUST(bind(server, (void *)&address, sizeof address));
    MUST(listen(server, 1));
    MUST(connect(client, (void *)&address, sizeof address));
    MUST(close(client));
    MUST(close(server));
    MUST(unlink("socket"));
}

static void children(void) {
    pid_t pid;
    int status = 0;
    char *arguments[] = {"true", NULL}, *cat[] = {"cat", "script", NULL};
    if (posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ) != 0)
        failed("posix_spawn");
    MUST(waitpid(pid, &status, 0));
    MUST(status);
    // A program that gets a signal in its execve has the timer no more, but its parent has.
    pid = fork();
    if (pid == 0) {
        storm(interruptible ? 0 : SA_RESTART);
        AGAIN(execv("script", cat));
        _exit(9);
    }
    MUST(waitpid(pid, &status, 0));
    if (!(WIFEXITED(status) && WEXITSTATUS(status) == 7) && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM))
        failed("exec of a script");
    pid = vfork();
    if (pid == 0) {
        execv("/bin/true", arguments);
        _exit(9);
    }
    MUST(waitpid(pid, &status, 0));
    MUST(status);
}

static void every_call(int flags) {
    interruptible = !(flags & SA_RESTART);
    put("script", "#!/bin/sh\nexit 7\n");
    chmod("script", 0755);
    storm(flags);
    for (int i = 0; i < 60; i++) {
        names(i);
        files(i);
        if (i % 6 == 0) {
            sockets();
            children();
        }
    }
    calm();
    HOLDS(ticks > 10);
    printf("%d failures\n", failures);
    show_names(".");
}
