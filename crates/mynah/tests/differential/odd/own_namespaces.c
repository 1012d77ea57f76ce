// Programs that make namespaces of their own, as sandboxes do: PID, user, network and UTS namespaces leave files as they are.
#include "tested.h"
#include <sched.h>

static void work(const char *name) {
    char text[64], cwd[PATH_MAX];
    struct stat st;
    snprintf(text, sizeof text, "%s", name);
    put(name, text);
    show_file(name);
    T(stat(name, &st));
    T(chdir("d"));
    HOLDS(getcwd(cwd, sizeof cwd) != NULL && strstr(cwd, "/d"));
    T(chdir(".."));
    CHILD({ execl("./script", "script", name, NULL); });
}

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("d", 0755);
    put("script", "#!/bin/sh\necho script for $1; cat $1; echo\n");
    chmod("script", 0755);
    CHILD({ T(unshare(CLONE_NEWUSER)); work("user"); });
    CHILD({
        T(unshare(CLONE_NEWUSER | CLONE_NEWPID));
        fflush(stdout);
        if (fork() == 0) {
            T(getpid());
            work("pid");
            // An orphan in its own PID namespace, whose numbers are others than ours.
            _exit(0);
        }
        wait(NULL);
    });
    CHILD({ T(unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC)); work("others"); });
    show_names(".");
    return 0;
}
