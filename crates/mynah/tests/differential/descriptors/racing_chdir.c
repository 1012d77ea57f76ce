// Tasks that share a current directory (CLONE_FS) or a descriptor table (CLONE_FILES) race each other: what one sees is always one of
// the two states, never an error or a mixture.
#include "tested.h"
#include <pthread.h>
#include <sched.h>

static volatile int stop;
static int rounds_failed;

static int changes_forth_and_back(void *unused) {
    (void)unused;
    for (int i = 0; i < 150; i++)
        if (chdir("../one") != 0 || chdir("../two") != 0)
            rounds_failed++;
    stop = 1;
    return 0;
}

static int opens_and_closes(void *unused) {
    (void)unused;
    for (int i = 0; i < 150; i++) {
        int fd = open("which", O_RDONLY);
        if (fd < 0 || close(fd) != 0)
            rounds_failed++;
    }
    stop = 1;
    return 0;
}

static int read_which(void) {
    char text[8] = "";
    int fd = open("which", O_RDONLY);
    if (fd < 0)
        return -1;
    int got = read(fd, text, 7);
    close(fd);
    return got == 3 && (!strcmp(text, "one") || !strcmp(text, "two")) ? 0 : -1;
}

static void race(const char *label, int (*other)(void *), int flags) {
    static char stack[1 << 16] __attribute__((aligned(16)));
    fflush(stdout);
    stop = 0;
    rounds_failed = 0;
    int failed = 0, status;
    pid_t pid = clone(other, stack + sizeof stack, flags | CLONE_VM | SIGCHLD, NULL);
    char cwd[PATH_MAX];
    struct stat st;
    while (!stop) {
        failed += read_which() != 0;
        failed += stat("../one/which", &st) != 0;
        failed += getcwd(cwd, sizeof cwd) == NULL || (strcmp(cwd + strlen(cwd) - 3, "one") && strcmp(cwd + strlen(cwd) - 3, "two"));
    }
    waitpid(pid, &status, 0);
    printf("%s: status %d, failed %d, in the other %d\n", label, status, failed, rounds_failed);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("one", 0755);
    mkdir("two", 0755);
    put("one/which", "one");
    put("two/which", "two");
    chdir("two");
    race("shared directory", changes_forth_and_back, CLONE_FS);
    race("own directory", changes_forth_and_back, 0);
    race("shared directory and files", changes_forth_and_back, CLONE_FS | CLONE_FILES);
    race("own directory, shared files", changes_forth_and_back, CLONE_FILES);
    race("opens in a shared table", opens_and_closes, CLONE_FILES);
    race("opens in an own table", opens_and_closes, 0);
    T(open("which", O_RDONLY));
    return 0;
}
