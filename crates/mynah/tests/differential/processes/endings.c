// How a process ends, seen by its parent; what it wrote is there when the parent knows.
#include "tested.h"
#include <sys/resource.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    CHILD({ put("closed", "closed"); _exit(0); });
    show_file("closed");
    CHILD({ int fd = open("left-open", O_WRONLY | O_CREAT, 0644); write(fd, "left open", 9); _exit(3); });
    show_file("left-open");
    CHILD({ FILE *f = fopen("buffered", "w"); fputs("flushed by exit", f); exit(4); });
    show_file("buffered");
    CHILD({ int fd = open("killed", O_WRONLY | O_CREAT, 0644); write(fd, "killed", 6); raise(SIGKILL); });
    show_file("killed");
    CHILD({ int fd = open("aborted", O_WRONLY | O_CREAT, 0644); write(fd, "aborted", 7); abort(); });
    show_file("aborted");
    CHILD({ int fd = open("faulted", O_WRONLY | O_CREAT, 0644); write(fd, "faulted", 7); *(volatile char *)8 = 1; });
    show_file("faulted");
    CHILD({ int fd = open("execed", O_WRONLY | O_CREAT | O_CLOEXEC, 0644); write(fd, "execed", 6); execl("/bin/true", "true", NULL); });
    show_file("execed");
    CHILD({ int fd = open("terminated", O_WRONLY | O_CREAT, 0644); write(fd, "terminated", 10); kill(getpid(), SIGTERM); });
    show_file("terminated");
    CHILD({ syscall(SYS_exit, 5); });
    CHILD({ syscall(SYS_exit_group, 259); });
    // A child that its parent does not wait for is there for waitid too.
    pid_t pid = fork();
    if (pid == 0)
        _exit(6);
    siginfo_t info;
    T(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
    printf("code %d status %d\n", info.si_code, info.si_status);
    T(waitpid(pid, NULL, 0) == pid);
    T(waitpid(-1, NULL, 0));
    // Stopped and continued.
    pid = fork();
    if (pid == 0) {
        raise(SIGSTOP);
        put("continued", "x");
        _exit(7);
    }
    int status;
    waitpid(pid, &status, WUNTRACED);
    HOLDS(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    kill(pid, SIGCONT);
    wait_for(pid);
    STAT("continued");
    T(kill(pid, 0));
    return 0;
}
