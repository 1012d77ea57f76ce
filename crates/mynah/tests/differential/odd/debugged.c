// A program that is traced by another makes its calls as ever, and goes where it wants to.
#include "tested.h"
#include <sys/ptrace.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    put("a", "text");
    T(mkdir("d", 0755));
    pid_t traced = fork();
    if (traced == 0) {
        if (ptrace(PTRACE_TRACEME))
            _exit(1);
        raise(SIGSTOP);
        if (access("a", R_OK) || chdir("d") || access("../a", R_OK))
            _exit(2);
        _exit(chdir("absent") == 0 || errno != ENOENT || chdir("..") || access("a", R_OK) ? 3 : 33);
    }
    int status;
    waitpid(traced, &status, 0);
    HOLDS(WIFSTOPPED(status));
    T(ptrace(PTRACE_CONT, traced, 0, 0));
    wait_for(traced);
    return 0;
}
