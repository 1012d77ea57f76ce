// A program that is traced by another makes its calls as ever.
#include "tested.h"
#include <sys/ptrace.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "text");
    pid_t traced = fork();
    if (traced == 0) {
        if (ptrace(PTRACE_TRACEME))
            _exit(1);
        raise(SIGSTOP);
        _exit(access("a", R_OK) ? 2 : 33);
    }
    int status;
    waitpid(traced, &status, 0);
    HOLDS(WIFSTOPPED(status));
    T(ptrace(PTRACE_CONT, traced, 0, 0));
    wait_for(traced);
    return 0;
}
