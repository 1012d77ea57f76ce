// What the programs share: they print each call as it is written in the source, with its result or the name of its error.
#ifndef TESTED_H
#define TESTED_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// The work directory, absolute.
static const char *W __attribute__((unused));

static const char *errno_name(int number) {
    const char *name = strerrorname_np(number);
    return name ? name : "E???";
}

// Call first: line-buffered output, umask 022, no descriptors but 0, 1, 2, the work directory as the current one.
__attribute__((unused)) static void begin(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        exit(2);
    }
    W = argv[argc - 1];
    setvbuf(stdout, NULL, _IOLBF, 0);
    umask(022);
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    if (chdir(W) != 0) {
        printf("chdir to the work directory: %s\n", errno_name(errno));
        exit(3);
    }
}

__attribute__((unused)) static long tell(const char *text, long value, int number) {
    if (value == -1)
        printf("%s = -1 %s\n", text, errno_name(number));
    else
        printf("%s = %ld\n", text, value);
    return value;
}

// Evaluates a call, prints it with its result or errno name, has its value.
#define T(call) ({ errno = 0; long value_ = (long)(call); tell(#call, value_, errno); })

// The same for a call whose result is of no interest (an address, a time): only success or the errno name.
#define OK(call) ({ errno = 0; long value_ = (long)(call); \
    printf("%s %s\n", #call, value_ == -1 ? errno_name(errno) : "ok"); value_; })

// What must hold, printed with yes or no.
#define HOLDS(condition) printf("%s: %s\n", #condition, (condition) ? "yes" : "no")

__attribute__((unused)) static const char *kind_name(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFREG: return "file";
    case S_IFDIR: return "dir";
    case S_IFLNK: return "link";
    case S_IFIFO: return "fifo";
    case S_IFSOCK: return "socket";
    case S_IFCHR: return "char";
    case S_IFBLK: return "block";
    default: return "?";
    }
}

// Sizes and link counts of directories depend on the file system and are not shown.
__attribute__((unused)) static void show_stat(const char *label, const struct stat *st) {
    printf("%s: %s %04o", label, kind_name(st->st_mode), st->st_mode & 07777);
    if (!S_ISDIR(st->st_mode))
        printf(" links=%ld size=%lld", (long)st->st_nlink, (long long)st->st_size);
    printf("%s%s\n", st->st_uid == geteuid() ? "" : " uid=other", st->st_gid == getegid() ? "" : " gid=other");
}

// Prints what stat, lstat or fstat says of a name or descriptor.
#define STAT(path) ({ struct stat st_; errno = 0; int r_ = stat(path, &st_); \
    if (r_) printf("stat(%s) = -1 %s\n", #path, errno_name(errno)); else show_stat("stat(" #path ")", &st_); r_; })
#define LSTAT(path) ({ struct stat st_; errno = 0; int r_ = lstat(path, &st_); \
    if (r_) printf("lstat(%s) = -1 %s\n", #path, errno_name(errno)); else show_stat("lstat(" #path ")", &st_); r_; })
#define FSTAT(fd) ({ struct stat st_; errno = 0; int r_ = fstat(fd, &st_); \
    if (r_) printf("fstat(%s) = -1 %s\n", #fd, errno_name(errno)); else show_stat("fstat(" #fd ")", &st_); r_; })

// Makes a file with this text, without printing anything; ends the program when that fails.
__attribute__((unused)) static void put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) != 0) {
        printf("put(%s): %s\n", path, errno_name(errno));
        exit(4);
    }
}

// Prints bytes with what is not printable escaped.
__attribute__((unused)) static void show_bytes(const char *label, const void *bytes, ssize_t length) {
    const unsigned char *at = bytes;
    printf("%s: %zd \"", label, length);
    for (ssize_t i = 0; i < length; i++)
        if (at[i] >= 32 && at[i] < 127 && at[i] != '"' && at[i] != '\\')
            putchar(at[i]);
        else
            printf("\\x%02x", at[i]);
    printf("\"\n");
}

// Prints a file's first 4095 bytes.
__attribute__((unused)) static void show_file(const char *path) {
    char text[4096];
    int fd = open(path, O_RDONLY);
    if (fd < 0) {
        printf("%s: %s\n", path, errno_name(errno));
        return;
    }
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length < 0)
        printf("%s: read: %s\n", path, errno_name(errno));
    else
        show_bytes(path, text, length);
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

// Prints a directory's names and types, sorted.
__attribute__((unused)) static void show_names(const char *path) {
    DIR *directory = opendir(path);
    if (!directory) {
        printf("names in %s: %s\n", path, errno_name(errno));
        return;
    }
    char *names[4096];
    int count = 0;
    struct dirent *entry;
    while (count < 4096 && (errno = 0, entry = readdir(directory))) {
        char line[300];
        snprintf(line, sizeof line, "%s%s", entry->d_name,
                 entry->d_type == DT_DIR ? "/" : entry->d_type == DT_LNK ? "@" : entry->d_type == DT_FIFO ? "|" : entry->d_type == DT_SOCK ? "=" : "");
        names[count++] = strdup(line);
    }
    if (errno)
        printf("readdir: %s\n", errno_name(errno));
    closedir(directory);
    qsort(names, count, sizeof *names, compare_names);
    printf("names in %s:", path);
    for (int i = 0; i < count; i++) {
        printf(" %s", names[i]);
        free(names[i]);
    }
    printf("\n");
}

// Runs a block in a child process and prints how that ended: CHILD({ ...; _exit(0); }).
#define CHILD(...) ({ fflush(NULL); pid_t pid_ = fork(); \
    if (pid_ == 0) { __VA_ARGS__; fflush(NULL); _exit(0); } \
    wait_for(pid_); })

__attribute__((unused)) static int wait_for(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) {
            printf("waitpid: %s\n", errno_name(errno));
            return -1;
        }
    if (WIFEXITED(status))
        printf("child ended with %d\n", WEXITSTATUS(status));
    else
        printf("child ended by signal %d\n", WTERMSIG(status));
    return status;
}

// A one-shot event between two processes, over a pipe: wait_event blocks until the other side tells.
struct event { int ends[2]; };
__attribute__((unused)) static struct event new_event(void) {
    struct event e;
    if (pipe2(e.ends, O_CLOEXEC)) {
        printf("pipe2: %s\n", errno_name(errno));
        exit(5);
    }
    return e;
}
__attribute__((unused)) static void tell_event(struct event *e) { if (write(e->ends[1], "", 1) != 1) exit(6); }
__attribute__((unused)) static void wait_event(struct event *e) {
    char c;
    while (read(e->ends[0], &c, 1) < 0 && errno == EINTR)
        ;
}

// Waits until a process sleeps for good: it was found asleep, or kept by a tracer, twenty times in a row.
__attribute__((unused)) static void wait_until_asleep(pid_t pid) {
    char path[64], line[512];
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    for (int calm = 0; calm < 20;) {
        FILE *f = fopen(path, "r");
        char state = '?';
        if (f) {
            if (fgets(line, sizeof line, f) && strrchr(line, ')'))
                state = strrchr(line, ')')[2];
            fclose(f);
        }
        calm = state == 'S' || state == 'D' || state == 't' ? calm + 1 : 0;
        if (state == 'Z' || state == '?')
            return;
        struct timespec pause = {0, 1000000};
        nanosleep(&pause, NULL);
    }
}

#endif
