/*
 * A tree of many processes that all have files open: forest PROCESSES FILE...
 *
 * Each process opens and stats every FILE, then waits. Prints "ready" when all of them wait, and ends them all when
 * standard input does.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void live(char **files, int ready)
{
    struct stat st;
    for (; *files; files++) {
        if (open(*files, O_RDONLY) < 0 || stat(*files, &st) != 0) {
            perror(*files);
            _exit(1);
        }
    }
    if (write(ready, "", 1) != 1 || close(ready) != 0)
        _exit(1);
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    int processes = argc > 1 ? atoi(argv[1]) : 0, ready[2];
    char byte;

    if (processes < 1 || pipe(ready) != 0) {
        fprintf(stderr, "usage: forest PROCESSES FILE...\n");
        return 2;
    }
    pid_t *children = calloc(processes, sizeof *children);
    for (int i = 1; i < processes; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            close(STDIN_FILENO);
            live(argv + 2, ready[1]);
        }
        if (children[i] < 0) {
            perror("fork");
            return 1;
        }
    }
    close(ready[1]);
    int waiting = 1;
    while (read(ready[0], &byte, 1) == 1)
        waiting++;
    if (waiting == processes) {
        puts("ready");
        fflush(stdout);
        while (read(STDIN_FILENO, &byte, 1) > 0)
            ;
    }
    for (int i = 1; i < processes; i++) {
        kill(children[i], SIGKILL);
        waitpid(children[i], NULL, 0);
    }
    return waiting == processes ? 0 : 1;
}
