// unshare(CLONE_FILES) and CLONE_FS in a thread: from then on its descriptors and its directory are its own.
#include "tested.h"
#include <pthread.h>
#include <sched.h>

static struct event parted, looked;

static void *parts(void *unused) {
    (void)unused;
    T(unshare(CLONE_FILES | CLONE_FS));
    T(write(3, "by the thread;", 14));
    T(close(3));
    T(open("own", O_RDWR | O_CREAT, 0644));
    T(write(3, "own", 3));
    T(chdir("d"));
    tell_event(&parted);
    wait_event(&looked);
    T(close(3));
    T(open("inside", O_RDONLY));
    return NULL;
}

static int executes(void *unused) {
    (void)unused;
    execl("/bin/sh", "sh", "-c", "test -e /proc/self/fd/3 && echo leaked || echo closed", NULL);
    return 9;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    mkdir("d", 0755);
    put("d/inside", "inside");
    T(open("a", O_RDWR | O_CREAT, 0644));
    parted = new_event();
    looked = new_event();
    pthread_t thread;
    pthread_create(&thread, NULL, parts, NULL);
    wait_event(&parted);
    T(write(3, "by the first", 12));
    T(access("d/inside", R_OK));
    T(open("inside", O_RDONLY));
    FSTAT(3);
    tell_event(&looked);
    pthread_join(thread, NULL);
    T(close(3));
    show_file("a");
    show_file("own");
    // A child with the table shared until it executes another program.
    T(open("a", O_RDWR | O_APPEND | O_CLOEXEC));
    static char stack[1 << 16] __attribute__((aligned(16)));
    fflush(stdout);
    wait_for(clone(executes, stack + sizeof stack, CLONE_FILES | CLONE_VFORK | CLONE_VM | SIGCHLD, NULL));
    T(write(3, "!", 1));
    T(close(3));
    show_file("a");
    return 0;
}
