// Rights that differ by thread: ids of the file system, groups, capabilities given up, and what children and programs inherit.
#include "tested.h"
#include <grp.h>
#include <sys/sysmacros.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

enum { ANN = 1234, BOB = 1235, TEAM = 2000 };

static void effective(unsigned long long set) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data))
        exit(7);
    data[0].effective = (unsigned)set & data[0].permitted;
    data[1].effective = (unsigned)(set >> 32) & data[1].permitted;
    T(syscall(SYS_capset, &header, data));
}

static void whose(const char *path) {
    struct stat st;
    if (lstat(path, &st))
        printf("%s: %s\n", path, errno_name(errno));
    else
        printf("%s: %s %04o %d:%d\n", path, kind_name(st.st_mode), st.st_mode & 07777, st.st_uid, st.st_gid);
}

static void look(void) {
    OK(open("anns", O_RDONLY));
    OK(open("roots", O_WRONLY));
    OK(open("teams", O_RDONLY));
    OK(chmod("anns", 0600));
    OK(chown("anns", ANN, ANN));
    OK(open("dir/file", O_RDONLY));
}

static pthread_barrier_t turn;

static void *of_ann(void *unused) {
    // The raw calls change one thread.
    syscall(SYS_setfsgid, ANN);
    syscall(SYS_setfsuid, ANN);
    pthread_barrier_wait(&turn);
    look();
    OK(open("made-by-ann", O_WRONLY | O_CREAT, 0666));
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    return unused;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    if (geteuid() != 0) {
        T(setfsuid(0) == (int)geteuid());
        put("a", "one's own");
        show_file("a");
        return 0;
    }
    chmod(".", 0777);
    put("anns", "x"), chown("anns", ANN, ANN), chmod("anns", 0600);
    put("teams", "x"), chown("teams", BOB, TEAM), chmod("teams", 0640);
    put("roots", "x"), chmod("roots", 0600);
    mkdir("dir", 0700), put("dir/file", "x");

    printf("-- two threads\n");
    pthread_t thread;
    pthread_barrier_init(&turn, NULL, 2);
    pthread_create(&thread, NULL, of_ann, NULL);
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    look();
    OK(open("made-by-root", O_WRONLY | O_CREAT, 0666));
    pthread_barrier_wait(&turn);
    pthread_join(thread, NULL);
    whose("made-by-ann"), whose("made-by-root");

    printf("-- there and back\n");
    CHILD({
        setfsuid(ANN);
        OK(open("roots", O_RDONLY));
        setfsuid(0);
        OK(open("roots", O_RDONLY));
        seteuid(ANN);
        OK(open("roots", O_RDONLY));
        CHILD({ look(); });
        seteuid(0);
        OK(open("roots", O_RDONLY));
        CHILD({ look(); });
    });

    printf("-- groups\n");
    CHILD({
        gid_t groups[] = {5, TEAM, 7};
        setgroups(3, groups);
        OK(open("roots", O_WRONLY));
        setresuid(ANN, ANN, ANN);
        look();
    });

    printf("-- capabilities\n");
    CHILD({ effective(0); look(); OK(mknod("device", S_IFCHR | 0666, makedev(1, 3))); });
    CHILD({ effective(1 << CAP_DAC_READ_SEARCH); look(); });
    CHILD({ effective(1 << CAP_DAC_OVERRIDE); look(); });
    CHILD({ effective(1 << CAP_FOWNER); look(); });
    CHILD({ effective(1 << CAP_CHOWN); look(); });
    CHILD({ effective(1 << CAP_DAC_OVERRIDE | 1 << CAP_FSETID); OK(chmod("roots", 02600)); whose("roots"); });
    CHILD({
        prctl(PR_SET_KEEPCAPS, 1);
        setresuid(ANN, ANN, ANN);
        effective(1 << CAP_DAC_OVERRIDE);
        look();
        OK(open("made-with-rights", O_WRONLY | O_CREAT, 0666));
        whose("made-with-rights");
    });

    printf("-- programs\n");
    char *cat[] = {"cat", "anns", "roots", "teams", NULL};
    CHILD({ setresuid(ANN, ANN, ANN); dup2(1, 2); execv("/bin/cat", cat); });
    CHILD({ seteuid(ANN); dup2(1, 2); execv("/bin/cat", cat); });
    CHILD({
        for (int i = 0; i < 64; i++)
            prctl(PR_CAPBSET_DROP, i);
        OK(open("anns", O_RDONLY));
        dup2(1, 2);
        execv("/bin/cat", cat);
    });
    return 0;
}
