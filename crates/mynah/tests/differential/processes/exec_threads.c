// execve by a thread that is not the leader, while others run; failures leave them all as they were.
#include "tested.h"
#include <pthread.h>

extern char **environ;

static void *sleeper(void *argument) {
    for (;;)
        pause();
    return argument;
}

static void *executor(void *argument) {
    char *args[] = {"by a thread", "child", NULL};
    T(execv("none", args));
    T(execv("text", args));
    T(execv(".", args));
    T(syscall(SYS_tgkill, getpid(), getpid(), 0));
    if (argument)
        execv("./prog", args);
    return NULL;
}

static void threads(void *really) {
    pthread_t id;
    for (int i = 0; i < 5; i++)
        pthread_create(&id, NULL, sleeper, NULL);
    pthread_create(&id, NULL, executor, really);
    pthread_join(id, NULL);
    printf("the leader goes on\n");
    show_file("text");
}

int main(int argc, char **argv) {
    if (argc > 1 && !strcmp(argv[1], "child")) {
        printf("%s: leader %s, signals ", argv[0], getpid() == gettid() ? "yes" : "no");
        sigset_t mask;
        sigprocmask(SIG_BLOCK, NULL, &mask);
        printf("%s, ", sigismember(&mask, SIGUSR1) ? "blocked" : "free");
        DIR *tasks = opendir("/proc/self/task");
        int count = 0;
        while (readdir(tasks))
            count++;
        printf("%d threads, 3 is %s\n", count - 2, fcntl(3, F_GETFD) < 0 ? "closed" : "open");
        return 42;
    }
    begin(argc, argv);
    char buffer[65536];
    int in = open("/proc/self/exe", O_RDONLY), out = open("prog", O_WRONLY | O_CREAT, 0755);
    ssize_t n;
    while ((n = read(in, buffer, sizeof buffer)) > 0)
        write(out, buffer, n);
    close(in);
    close(out);
    put("text", "no program\n");
    chmod("text", 0755);
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGUSR1);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    open("text", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 3; i++)
        CHILD({ threads((void *)1); });
    CHILD({ threads(NULL); });
    return 0;
}
