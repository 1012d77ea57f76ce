/*
 * One system-call pattern, again and again for a given time: micro OPERATION MILLISECONDS FILE
 *
 * Prints how often it was done and the nanoseconds of wall time that one took. Every result is checked. FILE is made,
 * 1 MiB long, if it is not there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 8192, FILE_SIZE = 1 << 20, MAPPED = 65536, PAGE = 4096, BATCH = 64 };

static const char *path;
static int fd;
static char block[BLOCK];

static void fail(const char *what)
{
    fprintf(stderr, "micro: %s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

static void nothing(void)
{
}

static void call_getpid(void)
{
    if (syscall(SYS_getpid) <= 0)
        fail("getpid");
}

static void call_stat(void)
{
    struct stat st;
    if (stat(path, &st) != 0 || st.st_size != FILE_SIZE)
        fail("stat");
}

static void call_open_close(void)
{
    int opened = open(path, O_RDONLY | O_CLOEXEC);
    if (opened < 0 || close(opened) != 0)
        fail("open and close");
}

static void call_fstat(void)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || st.st_size != FILE_SIZE)
        fail("fstat");
}

static void call_pread(void)
{
    if (pread(fd, block, BLOCK, BLOCK) != BLOCK)
        fail("pread");
}

static void call_pwrite(void)
{
    if (pwrite(fd, block, BLOCK, BLOCK) != BLOCK)
        fail("pwrite");
}

static void call_lseek(void)
{
    if (lseek(fd, BLOCK, SEEK_SET) != BLOCK)
        fail("lseek");
}

static void call_mmap(void)
{
    volatile char *mapped = mmap(NULL, MAPPED, PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED)
        fail("mmap");
    for (int at = 0; at < MAPPED; at += PAGE)
        (void)mapped[at];
    if (munmap((void *)mapped, MAPPED) != 0)
        fail("munmap");
}

static const struct operation {
    const char *name;
    void (*call)(void);
} operations[] = {
    { "nothing", nothing },    { "getpid", call_getpid }, { "stat", call_stat },   { "open+close", call_open_close },
    { "fstat", call_fstat },   { "pread8k", call_pread }, { "pwrite8k", call_pwrite }, { "lseek", call_lseek },
    { "mmap64k", call_mmap },
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void open_file(void)
{
    struct stat st;
    fd = open(path, O_RDWR | O_CREAT, 0644);
    if (fd < 0 || fstat(fd, &st) != 0)
        fail("open");
    for (off_t at = st.st_size; at < FILE_SIZE; at += BLOCK)
        if (pwrite(fd, block, BLOCK, at) != BLOCK)
            fail("write");
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: micro OPERATION MILLISECONDS FILE\n");
        return 2;
    }
    const struct operation *operation = NULL;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (strcmp(argv[1], operations[i].name) == 0)
            operation = &operations[i];
    if (!operation) {
        fprintf(stderr, "micro: no operation %s\n", argv[1]);
        return 2;
    }
    path = argv[3];
    open_file();

    double start = now(), end = start + atof(argv[2]) * 1e6, stop;
    unsigned long count = 0;
    do {
        for (int i = 0; i < BATCH; i++)
            operation->call();
        count += BATCH;
        stop = now();
    } while (stop < end && operation->call != nothing);
    printf("%lu %.1f\n", count, (stop - start) / count);
    return 0;
}
