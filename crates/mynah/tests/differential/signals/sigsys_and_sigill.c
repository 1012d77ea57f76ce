// SIGSYS and SIGILL are the program's own: blocked, handled, ignored, queued, while calls are made.
#include "tested.h"
#include <setjmp.h>

static sigjmp_buf back;
static volatile int came[65];
static void counts(int signal) { came[signal]++; }
static void jumps(int signal) { siglongjmp(back, signal); }

static void work(const char *name) {
    put(name, "written");
    T(access(name, R_OK));
    T(chdir("."));
    show_file(name);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    sigset_t both, pending, old;
    sigemptyset(&both);
    sigaddset(&both, SIGSYS);
    sigaddset(&both, SIGILL);
    sigprocmask(SIG_BLOCK, &both, &old);
    work("blocked");
    T(raise(SIGSYS));
    T(raise(SIGILL));
    work("pending");
    sigpending(&pending);
    HOLDS(sigismember(&pending, SIGSYS) && sigismember(&pending, SIGILL));
    signal(SIGSYS, counts);
    signal(SIGILL, counts);
    sigprocmask(SIG_SETMASK, &old, NULL);
    printf("came %d %d\n", came[SIGSYS], came[SIGILL]);
    signal(SIGSYS, SIG_IGN);
    T(raise(SIGSYS));
    work("ignored");
    signal(SIGILL, jumps);
    int got = sigsetjmp(back, 1);
    if (!got)
        __builtin_trap();
    printf("jumped with %d\n", got);
    work("after");
    // What a filter of the program's own raises is SIGSYS too; Mynah raises none.
    CHILD({ signal(SIGSYS, SIG_DFL); raise(SIGSYS); });
    CHILD({ signal(SIGILL, SIG_DFL); __builtin_trap(); });
    return 0;
}
