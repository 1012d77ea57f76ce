// vfork, posix_spawn and clone(CLONE_VM): programs of the work directory run, and what a failed or good exec leaves in the
// memory that parent and child share.
#include "tested.h"
#include <sched.h>
#include <spawn.h>

extern char **environ;

static int mappings(void) {
    FILE *f = fopen("/proc/self/maps", "r");
    int lines = 0, c;
    while ((c = fgetc(f)) != EOF)
        lines += c == '\n';
    fclose(f);
    return lines;
}

// The child's own words come before those of this: it is waited for first.
#define SPAWNED(call) ({ int number_ = call; if (number_ == 0) wait_for(pid); printf("%s = %s\n", #call, number_ ? errno_name(number_) : "0"); })

static char script_name[] = "./script";

static int run_script(void *argument) {
    char *args[] = {"zero", "one", NULL};
    execv(argument, args);
    return 12;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    char *args[] = {"zero", "one", NULL}, *echo[] = {"echo", "an ELF", NULL};
    CHILD({ execl("/bin/cp", "cp", "/bin/echo", "echo", NULL); });
    put("script", "#!/bin/sh\necho script \"$@\"; exit 3\n");
    put("own", "#!./echo by a script\n");
    put("text", "no program");
    chmod("script", 0755);
    chmod("own", 0755);
    chmod("text", 0755);
    free(malloc(100));
    int before = mappings(), status;
    for (int i = 0; i < 10; i++) {
        pid_t pid = vfork();
        if (pid == 0) {
            execv("none", args);
            execv("text", args);
            execv(script_name, args);
            _exit(9);
        }
        waitpid(pid, &status, 0);
        if (status != 3 << 8 || strcmp(script_name, "./script"))
            printf("status %x, %s\n", status, script_name);
        pid = vfork();
        if (pid == 0) {
            execv("./echo", echo);
            _exit(9);
        }
        waitpid(pid, &status, 0);
        pid = vfork();
        if (pid == 0) {
            execv("text", args);
            _exit(8);
        }
        waitpid(pid, &status, 0);
    }
    HOLDS(mappings() == before);
    pid_t pid;
    SPAWNED(posix_spawn(&pid, "./echo", NULL, NULL, echo, environ));
    SPAWNED(posix_spawn(&pid, "own", NULL, NULL, args, environ));
    SPAWNED(posix_spawn(&pid, "text", NULL, NULL, args, environ));
    setenv("PATH", ".", 1);
    SPAWNED(posix_spawnp(&pid, "echo", NULL, NULL, echo, environ));
    char *stack = malloc(65536);
    pid = clone(run_script, stack + 65536, SIGCHLD | CLONE_VM, script_name);
    wait_for(pid);
    pid = clone(run_script, stack + 65536, SIGCHLD | CLONE_VM | CLONE_FILES | CLONE_FS, script_name);
    wait_for(pid);
    printf("%s\n", script_name);
    T(open("script", O_RDONLY));
    unlink("echo");
    return 0;
}
