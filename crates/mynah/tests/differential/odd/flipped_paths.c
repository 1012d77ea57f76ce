// A second thread changes the path while calls read it: each call means one of the two names, whole, or finds nothing (where the
// agent saw the one name and the kernel the other); never something else.
#include "tested.h"
#include <pthread.h>

static char path[PATH_MAX];
static volatile int stop;

static void *flips(void *unused) {
    (void)unused;
    while (!stop) {
        path[0] = 'a';
        __asm__ volatile("" ::: "memory");
        path[0] = '/';
    }
    return NULL;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    // "aetc" is a link to a file here, "/etc" a directory of the machine.
    put("here", "here");
    symlink("here", "aetc");
    strcpy(path, "/etc");
    pthread_t thread;
    pthread_create(&thread, NULL, flips, NULL);
    int odd = 0;
    for (int i = 0; i < 1000; i++) {
        struct stat st;
        char text[8] = "";
        odd += stat(path, &st) == 0 ? !S_ISDIR(st.st_mode) && st.st_size != 4 : errno != ENOENT;
        odd += access(path, R_OK) != 0 && errno != ENOENT;
        int fd = open(path, O_RDONLY);
        odd += fd < 0 ? errno != ENOENT : fstat(fd, &st) != 0 || (S_ISREG(st.st_mode) && (read(fd, text, 7) != 4 || strcmp(text, "here")));
        close(fd);
        odd += chdir(path) != 0 && errno != ENOTDIR && errno != ENOENT;
        odd += chdir(W) != 0;
    }
    stop = 1;
    pthread_join(thread, NULL);
    printf("odd %d\n", odd);
    return 0;
}
