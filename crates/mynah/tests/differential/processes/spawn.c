// vfork, posix_spawn with file actions, clone: children that open, change directory, exec and fail.
#include "tested.h"
#include <sched.h>
#include <spawn.h>

extern char **environ;

static int in_clone(void *argument) {
    int fd = open(argument, O_RDONLY);
    return fd >= 0 && chdir("d") == 0 ? 11 : 12;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    put("input", "from the file\n");
    mkdir("d", 0755);
    put("d/inside", "inside d\n");
    char *cat[] = {"cat", NULL}, *fail[] = {"x", NULL}, *pwd[] = {"sh", "-c", "echo $(basename $(pwd))", NULL};
    pid_t pid = vfork();
    if (pid == 0) {
        int fd = open("input", O_RDONLY);
        dup2(fd, 0);
        execv("/bin/cat", cat);
        _exit(9);
    }
    wait_for(pid);
    pid = vfork();
    if (pid == 0) {
        execv("none", fail);
        execv("input", fail);
        execv("d", fail);
        _exit(9);
    }
    wait_for(pid);
    T(fcntl(3, F_GETFD));
    for (int i = 0; i < 20; i++) {
        pid = vfork();
        if (pid == 0) {
            execl("/bin/true", "true", NULL);
            _exit(9);
        }
        int status;
        waitpid(pid, &status, 0);
        if (status)
            printf("status %x\n", status);
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "input", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "output", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    T(posix_spawn(&pid, "/bin/cat", &actions, NULL, cat, environ));
    wait_for(pid);
    STAT("output");
    show_file("output");
    posix_spawn_file_actions_destroy(&actions);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, "d");
    T(posix_spawn(&pid, "/bin/sh", &actions, NULL, pwd, environ));
    wait_for(pid);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "none", O_RDONLY, 0);
    T(posix_spawn(&pid, "/bin/cat", &actions, NULL, cat, environ));
    T(posix_spawn(&pid, "none", NULL, NULL, cat, environ));
    T(posix_spawn(&pid, "input", NULL, NULL, cat, environ));
    T(posix_spawnp(&pid, "no-such-program", NULL, NULL, cat, environ));
    // Threads of a kind: shared tables and shared current directories.
    char *stack = malloc(65536);
    int kinds[] = {SIGCHLD, SIGCHLD | CLONE_FILES, SIGCHLD | CLONE_FS, SIGCHLD | CLONE_FS | CLONE_FILES, SIGCHLD | CLONE_VM | CLONE_FILES};
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        char cwd[PATH_MAX];
        chdir(W);
        fflush(stdout);
        pid = clone(in_clone, stack + 65536, kinds[i], "input");
        wait_for(pid);
        getcwd(cwd, sizeof cwd);
        printf("kind %u: descriptor 3 %s, cwd ...%s\n", i, fcntl(3, F_GETFD) < 0 ? "closed" : "open", cwd + strlen(W));
        close(3);
    }
    chdir(W);
    open("input", O_RDONLY);
    T(unshare(CLONE_FILES | CLONE_FS));
    T(fcntl(3, F_GETFD));
    system("cat input; cd d && cat inside > copy; exit 3");
    show_file("d/copy");
    FILE *p = popen("cat d/inside", "r");
    char line[64];
    printf("%s", fgets(line, sizeof line, p));
    T(pclose(p));
    return 0;
}
