// A tracer takes a call away, and puts a result in its place: strace injects errors so.
#include "tested.h"
#include <sys/ptrace.h>
#include <sys/user.h>

#ifdef __x86_64__
// At the call's beginning: no call, and this result.
static void skip(pid_t traced, long result) {
    struct user_regs_struct registers;
    ptrace(PTRACE_GETREGS, traced, 0, &registers);
    registers.orig_rax = -1;
    registers.rax = result;
    ptrace(PTRACE_SETREGS, traced, 0, &registers);
}

static void work(void) {
    T(syscall(SYS_getppid));
    T(syscall(SYS_mkdir, "made", 0755));
    T(syscall(SYS_close, 99));
    T(syscall(SYS_getppid) == getppid());
    fflush(NULL);
    _exit(33);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    fflush(NULL);
    pid_t traced = fork();
    if (traced == 0) {
        if (ptrace(PTRACE_TRACEME))
            _exit(1);
        raise(SIGSTOP);
        work();
    }
    int status, skipped[3] = {0};
    waitpid(traced, &status, 0);
    ptrace(PTRACE_SETOPTIONS, traced, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    for (int entering = 1;; entering = !entering) {
        ptrace(PTRACE_SYSCALL, traced, 0, 0);
        if (waitpid(traced, &status, 0) != traced || !WIFSTOPPED(status))
            break;
        if (!entering)
            continue;
        struct user_regs_struct registers;
        ptrace(PTRACE_GETREGS, traced, 0, &registers);
        if (registers.orig_rax == SYS_getppid && !skipped[0]++)
            skip(traced, 45000);
        if (registers.orig_rax == SYS_mkdir && !skipped[1]++)
            skip(traced, -EDQUOT);
        if (registers.orig_rax == SYS_close && registers.rdi == 99 && !skipped[2]++)
            skip(traced, 0);
    }
    HOLDS(WIFEXITED(status) && WEXITSTATUS(status) == 33);
    LSTAT("made");
    return 0;
}
#else
int main(void) {
    return 0;
}
#endif
