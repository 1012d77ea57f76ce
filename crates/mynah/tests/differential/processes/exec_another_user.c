// A program that has changed its user changes directory and runs programs: as root, by real ids; otherwise as it is.
#include "tested.h"
#include <sys/auxv.h>

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "child")) {
        char comm[32] = "", exe[PATH_MAX] = "";
        FILE *f = fopen("/proc/self/comm", "r");
        if (f)
            fgets(comm, sizeof comm, f);
        comm[strcspn(comm, "\n")] = 0;
        readlink("/proc/self/exe", exe, sizeof exe - 1);
        printf("argv[0] %s, AT_EXECFN %s, comm %s, exe ...%s\n", argv[0], (char *)getauxval(AT_EXECFN), comm, strrchr(exe, '/'));
        for (int fd = 3; fd < 10; fd++)
            if (fcntl(fd, F_GETFD) >= 0)
                printf("%d is open\n", fd);
        return 42;
    }
    begin(argc, argv);
    char buffer[65536], cwd[PATH_MAX];
    int in = open("/proc/self/exe", O_RDONLY), out = open("prog", O_WRONLY | O_CREAT, 0755);
    ssize_t n;
    while ((n = read(in, buffer, sizeof buffer)) > 0)
        write(out, buffer, n);
    close(in);
    close(out);
    CHILD({ execl("/bin/cp", "cp", "/bin/sh", "sh", NULL); });
    mkdir("d", 0755);
    symlink("../prog", "d/link");
    put("d/f", "in d\n");
    put("text", "no program\n");
    put("script", "#!/bin/sh\necho script \"$0\" \"$1\"\n");
    put("own", "#!./sh\necho by a copy of sh: \"$0\" \"$1\"\n");
    chmod("text", 0755);
    chmod("script", 0755);
    chmod("own", 0755);
    if (geteuid() == 0) {
        chmod(".", 0755);
        setgid(1234);
        setuid(1234);
    }
    char *args[] = {"chosen", "child", NULL};
    T(chdir("d"));
    HOLDS(getcwd(cwd, sizeof cwd) && !strcmp(cwd + strlen(W), "/d"));
    show_names(".");
    show_file("f");
    T(chdir(".."));
    int d = open("d", O_RDONLY | O_CLOEXEC);
    T(fchdir(d));
    T(chdir(W));
    T(execv("text", args));
    T(execv("none", args));
    HOLDS(dup(0) == d + 1);
    close(d + 1);
    CHILD({ execv("./prog", args); });
    CHILD({ execv("d/link", args); });
    CHILD({ execv("script", args); });
    CHILD({ execv("own", args); });
    CHILD({ int fd = open("prog", O_RDONLY | O_CLOEXEC); syscall(SYS_execveat, fd, "", args, (char *[]){NULL}, AT_EMPTY_PATH); });
    CHILD({ chdir("d"); execv("./link", args); });
    pid_t pid = vfork();
    if (pid == 0) {
        execv("./prog", args);
        _exit(9);
    }
    wait_for(pid);
    return 0;
}
