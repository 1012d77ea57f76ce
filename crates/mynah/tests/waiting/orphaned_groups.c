// A process group is orphaned when no parent of its processes is in their session: stopped ones are hung up then, and the
// terminal's stop signals do nothing to the others.
#include "tested.h"

static volatile sig_atomic_t hung_up, continued;
static void came(int signal) {
    if (signal == SIGHUP)
        hung_up = 1;
    else
        continued = 1;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    struct event done = new_event();
    struct sigaction action = {.sa_handler = came};
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGCONT, &action, NULL);
    fflush(NULL);
    pid_t leader = fork();
    if (leader == 0) {
        setpgid(0, 0);
        pid_t member = fork();
        if (member == 0) {
            raise(SIGSTOP);
            HOLDS(hung_up && continued);
            // Nobody could wake it: it is not stopped.
            raise(SIGTSTP);
            puts("not stopped");
            fflush(NULL);
            tell_event(&done);
            _exit(0);
        }
        int status;
        waitpid(member, &status, WUNTRACED);
        HOLDS(WIFSTOPPED(status));
        fflush(NULL);
        _exit(0);
    }
    pid_t ended = waitpid(leader, NULL, 0);
    wait_event(&done);
    HOLDS(ended == leader);
    return 0;
}
