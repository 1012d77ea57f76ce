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

static int fill(const char *file, const char *text) {
    int fd = open(file, O_WRONLY);
    int length = fd < 0 ? -1 : (int)write(fd, text, strlen(text));
    close(fd);
    return length;
}

static void whose(const char *name) {
    struct stat st;
    if (lstat(name, &st))
        printf("%s: %s\n", name, errno_name(errno));
    else
        printf("%s: %d:%d %04o\n", name, st.st_uid, st.st_gid, st.st_mode & 07777);
}

// A user namespace whose root is who one was: owners have its numbers, and its capabilities end with them.
static void as_root(void) {
    char uids[64], gids[64];
    sprintf(uids, "0 %d 1", geteuid());
    sprintf(gids, "0 %d 1", getegid());
    T(unshare(CLONE_NEWUSER));
    whose("mine");
    HOLDS(fill("/proc/self/setgroups", "deny") > 0 && fill("/proc/self/gid_map", gids) > 0);
    HOLDS(fill("/proc/self/uid_map", uids) > 0);
    T(geteuid());
    whose("mine");
    whose("strange");
    T(chmod("mine", 0640));
    T(chown("mine", 0, 0));
    T(chown("mine", 5, -1));
    T(chown("mine", -1, 5));
    T(chown("absent", 0, 0));
    T(chown("strange", 0, 0));
    T(chmod("strange", 0666));
    OK(open("strange", O_RDONLY));
    put("new", "of root there");
    whose("new");
    int fd = open("new", O_RDWR);
    T(fchown(fd, 0, 0));
    T(fchown(fd, 7, 0));
    struct stat st;
    T(fstat(fd, &st));
    printf("%d:%d\n", st.st_uid, st.st_gid);
    CHILD({ T(setresuid(0, 0, 0)); whose("new"); execl("/bin/stat", "stat", "-c", "%n %u:%g", "new", "mine", NULL); });
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
    put("mine", "x");
    put("strange", "x");
    if (geteuid() == 0)
        chown("strange", 1234, 1235);
    chmod("strange", 0600);
    CHILD({ as_root(); });
    show_names(".");
    return 0;
}
