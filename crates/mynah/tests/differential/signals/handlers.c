// Handlers that make calls themselves, on another stack, blocked signals, sigsuspend and signalfd, nested returns.
#include "tested.h"
#include <setjmp.h>
#include <sys/signalfd.h>

static sigjmp_buf back;
static int depth;

static void opens(int signal) {
    int saved = errno;
    char name[32];
    snprintf(name, sizeof name, "by-signal-%d", signal == SIGUSR1 ? 1 : 2);
    int fd = open(name, O_WRONLY | O_CREAT, 0644);
    write(fd, "handled", 7);
    close(fd);
    if (signal == SIGUSR1 && depth++ == 0)
        raise(SIGUSR2);
    errno = saved;
}
static void jumps(int signal) { siglongjmp(back, signal); }
static void with_info(int signal, siginfo_t *info, void *context) {
    (void)context;
    struct stat st;
    stat(".", &st);
    printf("signal %d code %d from %s\n", signal, info->si_code, info->si_pid == getpid() ? "self" : "other");
}

int main(int argc, char **argv) {
    begin(argc, argv);
    signal(SIGUSR1, opens);
    signal(SIGUSR2, opens);
    T(raise(SIGUSR1));
    show_file("by-signal-1");
    show_file("by-signal-2");
    // On a stack of its own.
    stack_t stack = {.ss_sp = malloc(SIGSTKSZ), .ss_size = SIGSTKSZ};
    T(sigaltstack(&stack, NULL));
    struct sigaction action = {.sa_sigaction = with_info, .sa_flags = SA_ONSTACK | SA_SIGINFO};
    sigaction(SIGTERM, &action, NULL);
    T(kill(getpid(), SIGTERM));
    // Blocked, then delivered.
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    unlink("by-signal-2");
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR2);
    T(access("by-signal-2", F_OK));
    sigprocmask(SIG_SETMASK, &old, NULL);
    T(access("by-signal-2", F_OK));
    // Out of a handler by a jump.
    signal(SIGHUP, jumps);
    int got = sigsetjmp(back, 1);
    if (!got)
        raise(SIGHUP);
    printf("jumped with %d\n", got);
    T(access("by-signal-1", F_OK));
    // SIGSEGV handled, in the middle of nothing.
    signal(SIGSEGV, jumps);
    got = sigsetjmp(back, 1);
    if (!got)
        *(volatile char *)8 = 1;
    printf("jumped with %d\n", got);
    // SIGSYS is the program's own.
    signal(SIGSYS, jumps);
    got = sigsetjmp(back, 1);
    if (!got)
        raise(SIGSYS);
    printf("jumped with %d\n", got);
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = T(signalfd(-1, &set, 0));
    raise(SIGRTMIN);
    struct signalfd_siginfo info;
    T(read(fd, &info, sizeof info));
    HOLDS(info.ssi_signo == (unsigned)SIGRTMIN);
    // Ignored over exec, handled is reset.
    signal(SIGUSR2, SIG_IGN);
    CHILD({ execl("/bin/sh", "sh", "-c", "kill -USR2 $$; echo ignored; kill -USR1 $$; echo not reached", NULL); });
    show_names(".");
    return 0;
}
