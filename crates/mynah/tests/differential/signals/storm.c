// A timer signal at 1 kHz with SA_RESTART while every kind of call is made: none fails for it, none is lost.
#include "tested.h"
#include <sys/time.h>

static volatile int ticks;
static void tick(int signal) {
    (void)signal;
    ticks++;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 1000}, {0, 1000}};
    setitimer(ITIMER_REAL, &often, NULL);
    int failures[16] = {0};
    char name[32], other[32], buffer[256];
    struct stat st;
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "n%d", i);
        snprintf(other, sizeof other, "o%d", i);
        int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0644);
        failures[0] += fd < 0;
        failures[1] += write(fd, name, strlen(name)) != (ssize_t)strlen(name);
        failures[2] += fstat(fd, &st) != 0 || st.st_size != (off_t)strlen(name);
        failures[3] += stat(name, &st) != 0;
        failures[4] += close(fd) != 0;
        failures[5] += rename(name, other) != 0;
        failures[6] += mkdir(name, 0755) != 0;
        failures[7] += chdir(name) != 0 || chdir("..") != 0;
        failures[8] += rmdir(name) != 0;
        failures[9] += symlink(other, name) != 0;
        failures[10] += readlink(name, buffer, sizeof buffer) != (ssize_t)strlen(other);
        failures[11] += unlink(name) != 0;
        failures[12] += access(other, R_OK) != 0;
        failures[13] += unlink(other) != 0;
        failures[14] += getcwd(buffer, sizeof buffer) == NULL;
    }
    // Children are made and waited for under the same storm.
    for (int i = 0; i < 20; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            execl("/bin/true", "true", NULL);
            _exit(9);
        }
        int status;
        failures[15] += waitpid(pid, &status, 0) != pid || status != 0;
    }
    struct itimerval never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &never, NULL);
    HOLDS(ticks > 10);
    for (int i = 0; i < 16; i++)
        printf("%d: %d failures\n", i, failures[i]);
    show_names(".");
    return 0;
}
