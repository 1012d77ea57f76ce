// cc: -static
// A static program: no loader, no library that could be replaced.
#include "tested.h"

int main(int argc, char **argv) {
    begin(argc, argv);
    char cwd[PATH_MAX];
    put("a", "written by a static program");
    show_file("a");
    STAT("a");
    mkdir("d", 0755);
    T(chdir("d"));
    getcwd(cwd, sizeof cwd);
    printf("%s\n", cwd);
    T(rename("../a", "b"));
    show_names(".");
    CHILD({ execl("/bin/cat", "cat", "b", NULL); });
    pid_t pid = vfork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", "echo; wc -c < b", NULL);
        _exit(9);
    }
    wait_for(pid);
    return 0;
}
