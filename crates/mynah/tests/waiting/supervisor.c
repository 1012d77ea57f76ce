// Runs a program under a seccomp listener, as a container engine may: "supervisor CALL PROGRAM...", where CALL is the one
// call that it wants to see. It lets all of them go on.
#include "tested.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

int main(int argc, char **argv) {
    int number = strcmp(argv[1], "openat") == 0 ? SYS_openat : SYS_swapon;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {4, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0)
        return 99;
    if (fork() == 0) {
        execv(argv[2], argv + 2);
        _exit(98);
    }
    for (;;) {
        struct pollfd ready = {listener, POLLIN, 0};
        int status;
        if (waitpid(-1, &status, WNOHANG) > 0)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
        if (poll(&ready, 1, 10) <= 0 || !(ready.revents & POLLIN))
            continue;
        struct seccomp_notif call;
        memset(&call, 0, sizeof call);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call))
            continue;
        struct seccomp_notif_resp answer = {call.id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
}
