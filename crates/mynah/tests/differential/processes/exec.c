// execve: argv[0], environment, scripts, failures, close-on-exec, names through links and descriptors.
#include "tested.h"
#include <sys/auxv.h>

extern char **environ;

static void copy_self(const char *to) {
    char buffer[65536];
    int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    ssize_t n;
    while ((n = read(in, buffer, sizeof buffer)) > 0)
        if (write(out, buffer, n) != n)
            exit(8);
    close(in);
    close(out);
}

static int as_child(int argc, char **argv) {
    char link[PATH_MAX] = "", *base;
    if (readlink("/proc/self/exe", link, sizeof link - 1) < 0)
        perror("exe");
    base = strrchr(link, '/');
    printf("argc %d argv[0] %s argv[1] %s V=%s exe ...%s", argc, argv[0], argv[1], getenv("V"), base ? base : link);
    const char *name = (char *)getauxval(AT_EXECFN);
    printf(" AT_EXECFN %s", name[0] != '/' || !strncmp(name, "/dev/", 5) ? name : "absolute");
    char comm[32] = "";
    FILE *f = fopen("/proc/self/comm", "r");
    if (f && fgets(comm, sizeof comm, f))
        printf(" comm %s", comm);
    printf("3 is %s, 4 is %s\n", fcntl(3, F_GETFD) < 0 ? "closed" : "open", fcntl(4, F_GETFD) < 0 ? "closed" : "open");
    return 42;
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "child"))
        return as_child(argc, argv);
    begin(argc, argv);
    setenv("V", "inherited", 1);
    copy_self("prog");
    mkdir("d", 0755);
    symlink("prog", "link");
    symlink("../prog", "d/link");
    open("prog", O_RDONLY);
    open("prog", O_RDONLY | O_CLOEXEC);
    char *args[] = {"chosen name", "child", "two words", NULL}, *none[] = {NULL}, *env[] = {"V=given", NULL};
    CHILD({ execv("prog", args); });
    CHILD({ execv("./prog", args); });
    CHILD({ execve("d/../prog", args, env); });
    CHILD({ execv("link", args); });
    CHILD({ execv("d/link", args); });
    CHILD({ char absolute[PATH_MAX]; snprintf(absolute, sizeof absolute, "%s/prog", W); execv(absolute, args); });
    CHILD({ setenv("PATH", ".", 1); execvp("prog", args); });
    CHILD({ chdir("d"); execv("../prog", args); });
    CHILD({ int fd = open("prog", O_RDONLY | O_CLOEXEC); fexecve(fd, args, environ); });
    CHILD({ syscall(SYS_execveat, AT_FDCWD, "prog", args, environ, 0); });
    CHILD({ int d = open("d", O_RDONLY); syscall(SYS_execveat, d, "link", args, environ, 0); });
    CHILD({ int d = open("d", O_RDONLY); T(syscall(SYS_execveat, d, "link", args, environ, AT_SYMLINK_NOFOLLOW)); });
    CHILD({ int fd = open("prog", O_PATH); syscall(SYS_execveat, fd, "", args, environ, AT_EMPTY_PATH); });
    // A program may be unlinked once it runs.
    CHILD({ copy_self("gone"); int fd = open("gone", O_RDONLY); unlink("gone"); syscall(SYS_execveat, fd, "", args, environ, AT_EMPTY_PATH); });

    put("text", "no program\n");
    put("empty", "");
    put("script", "#!/bin/sh\necho script $0 got $# arguments: \"$@\"; exit 5\n");
    put("no-interpreter", "#!/none/such\n");
    put("by-link", "#!./prog child\n");
    char line[PATH_MAX + 20];
    snprintf(line, sizeof line, "#!%s/prog child\n", W);
    put("own-interpreter", line);
    put("nested", "#!./own-interpreter\n");
    chmod("nested", 0755);
    chmod("by-link", 0755);
    chmod("own-interpreter", 0755);
    T(execv("text", args));
    chmod("text", 0755);
    T(execv("text", args));
    chmod("empty", 0755);
    T(execv("empty", args));
    T(execv("script", args));
    chmod("script", 0755);
    chmod("no-interpreter", 0755);
    CHILD({ execv("script", args); });
    CHILD({ execv("./script", args); });
    CHILD({ chdir("d"); execv("../script", args); });
    CHILD({ execv("by-link", args); });
    CHILD({ int fd = open("script", O_RDONLY); fexecve(fd, args, environ); });
    CHILD({ int fd = open("script", O_RDONLY | O_CLOEXEC); T(fexecve(fd, args, environ)); });
    CHILD({ int d = open("d", O_RDONLY); syscall(SYS_execveat, d, "../script", args, environ, 0); });
    CHILD({ int d = open("d", O_RDONLY | O_CLOEXEC); T(syscall(SYS_execveat, d, "../script", args, environ, 0)); });
    T(execv("no-interpreter", args));
    T(execv("none", args));
    T(execv("d", args));
    T(execv("", args));
    T(execv("prog/x", args));
    T(execv("prog/", args));
    symlink("loop", "loop");
    T(execv("loop", args));
    chmod("prog", 0644);
    T(execv("prog", args));
    chmod("prog", 0755);
    int writer = open("prog", O_WRONLY);
    T(execv("prog", args));
    close(writer);
    CHILD({ execve("prog", args, none); });
    T(execvp("no-such-program-anywhere", args));
    // After all the failures everything is as it was.
    char cwd[PATH_MAX];
    getcwd(cwd, sizeof cwd);
    printf("%s\n", cwd);
    T(fcntl(3, F_GETFD));
    T(fcntl(4, F_GETFD));
    CHILD({ char **endless = calloc(200001, sizeof *endless); for (int i = 0; i < 200000; i++) endless[i] = "a long argument that is repeated"; T(execv("prog", endless)); });
    // It holds the directory's name, whose length differs from run to run.
    unlink("own-interpreter");
    return 0;
}
