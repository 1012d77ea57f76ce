// Threads share descriptors and the current directory; exec from a thread that is not the first; exit of the first.
#include "tested.h"
#include <pthread.h>

static void *opens(void *name) { return (void *)(long)open(name, O_RDONLY); }
static void *changes(void *name) { return (void *)(long)chdir(name); }
static void *closes(void *fd) { return (void *)(long)close((int)(long)fd); }
static void *execs(void *script) {
    execl("/bin/sh", "sh", "-c", script, NULL);
    return NULL;
}
static void *writes_late(void *event) {
    wait_event(event);
    put("late", "written after the first thread ended");
    exit(21);
}

static long in_thread(void *(*function)(void *), void *argument) {
    pthread_t thread;
    void *result;
    pthread_create(&thread, NULL, function, argument);
    pthread_join(thread, &result);
    return (long)result;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    char buffer[64], cwd[PATH_MAX];
    put("a", "text");
    mkdir("d", 0755);
    put("d/b", "in d");
    T(in_thread(opens, "a"));
    T(read(3, buffer, 64));
    T(in_thread(closes, (void *)3));
    T(read(3, buffer, 64));
    T(in_thread(changes, "d"));
    getcwd(cwd, sizeof cwd);
    printf("%s\n", cwd);
    T(in_thread(opens, "b"));
    T(read(3, buffer, 64));
    T(in_thread(changes, ".."));
    CHILD({ in_thread(execs, "cat a; exit 17"); });
    CHILD({ chdir("d"); in_thread(execs, "cat b; exit 18"); });
    put("script", "#!/bin/sh\necho a script from a thread\n");
    chmod("script", 0755);
    CHILD({ in_thread(execs, "./script"); });
    CHILD({
        struct event go = new_event();
        pthread_t thread;
        pthread_create(&thread, NULL, writes_late, &go);
        tell_event(&go);
        pthread_exit(NULL);
    });
    show_file("late");
    return 0;
}
