// What a process is: ids, groups, names, limits; non-dumpable processes; seccomp filters of the program's own.
#include "tested.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

int main(int argc, char **argv) {
    begin(argc, argv);
    uid_t r, e, s;
    getresuid(&r, &e, &s);
    HOLDS(r == e && e == s);
    HOLDS(getpid() != getppid());
    printf("dumpable %d\n", prctl(PR_GET_DUMPABLE));
    printf("seccomp errno %s\n", prctl(PR_SET_SECCOMP, 99, 0) ? errno_name(errno) : "none");
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    HOLDS(files.rlim_cur > 0 && files.rlim_max >= files.rlim_cur);
    put("a", "text");
    int subreaper = 7;
    T(prctl(PR_GET_CHILD_SUBREAPER, &subreaper));
    printf("subreaper %d\n", subreaper);
    int death = 7;
    T(prctl(PR_GET_PDEATHSIG, &death));
    printf("parent death signal %d\n", death);
    sigset_t mask;
    sigprocmask(SIG_BLOCK, NULL, &mask);
    int blocked = 0, changed = 0;
    for (int i = 1; i < 32; i++) {
        struct sigaction action;
        blocked += sigismember(&mask, i);
        if (i != SIGKILL && i != SIGSTOP && sigaction(i, NULL, &action) == 0)
            changed += action.sa_handler != SIG_DFL;
    }
    printf("blocked %d changed %d\n", blocked, changed);
    // Children of dead children are ours or init's; they can still work.
    CHILD({
        T(prctl(PR_SET_DUMPABLE, 0));
        T(access("a", R_OK));
        show_file("a");
        put("not-dumpable", "written without being dumpable");
        T(open("none", O_RDONLY));
        char cwd[PATH_MAX];
        getcwd(cwd, sizeof cwd);
        printf("%s\n", cwd);
    });
    CHILD({ T(setsid() == getpid()); put("session", "of its own"); });
    CHILD({
        T(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
        struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {4, code};
        T(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
        T(mkdir("refused", 0755));
        T(access("a", R_OK));
        T(open("a", O_RDONLY));
    });
    if (geteuid() == 0) {
        CHILD({
            chmod(".", 0777);
            T(setgid(1234));
            T(setuid(1234));
            T(access("a", W_OK));
            T(open("a", O_RDWR));
            put("mine", "of user 1234");
            STAT("mine");
        });
        struct stat st;
        stat("mine", &st);
        printf("owner %d\n", st.st_uid);
    } else
        T(setuid(0));
    return 0;
}
