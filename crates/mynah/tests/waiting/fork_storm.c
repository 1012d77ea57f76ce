// A tree of processes that goes on making processes, a bounded number at a time, until it is killed.
// It lasts longer than the test waits for its end, and not for ever.
#include "tested.h"

enum { WIDTH = 40, GENERATIONS = 25000 };

int main(void) {
    for (int i = 0; i < WIDTH; i++)
        if (fork() == 0) {
            // Each makes its successor and ends: nobody knows their numbers beforehand.
            for (int generation = 0; generation < GENERATIONS; generation++) {
                pid_t pid = fork();
                if (pid > 0)
                    _exit(0);
                if (generation % 2)
                    setsid();
                usleep(1000);
            }
            _exit(0);
        }
    printf("storming\n");
    fflush(stdout);
    pause();
    return 0;
}
