// Calls from a stack with hardly any room below it, and from one whose red zone is in use: nothing below the pointer is touched.
#include "tested.h"
#include <pthread.h>

#ifdef __x86_64__
enum { RED_ZONE = 128 };

// Makes a call with a pattern in the red zone; has the call's result, or -1000 if the pattern was changed.
static long with_red_zone(long number, long a, long b, long c) {
    long result, intact;
    __asm__ volatile(
        "mov $16, %%rcx\n"
        "1: mov %%rcx, -136(%%rsp, %%rcx, 8)\n dec %%rcx\n jnz 1b\n"
        "mov %[number], %%rax\n syscall\n mov %%rax, %[result]\n"
        "mov $1, %[intact]\n mov $16, %%rcx\n"
        "2: cmp %%rcx, -136(%%rsp, %%rcx, 8)\n je 3f\n mov $0, %[intact]\n"
        "3: dec %%rcx\n jnz 2b\n"
        : [result] "=&r"(result), [intact] "=&r"(intact)
        : [number] "r"(number), "D"(a), "S"(b), "d"(c)
        : "rax", "rcx", "r11", "memory", "cc");
    return intact ? result : -1000;
}

// The same with the stack pointer at the very start of a page below which nothing is mapped.
static long at_the_edge(char *edge, long number, long a, long b, long c) {
    long result;
    __asm__ volatile(
        "mov %%rsp, %%r12\n mov %[edge], %%rsp\n mov %[number], %%rax\n syscall\n mov %%r12, %%rsp\n"
        : "=&a"(result)
        : [number] "r"(number), [edge] "r"(edge), "D"(a), "S"(b), "d"(c)
        : "rcx", "r11", "r12", "memory", "cc");
    return result;
}

static void calls(void) {
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(pages, 4096);
    char *edge = pages + 4096;
    struct stat st;
    long fd;
    printf("stat %ld\n", with_red_zone(SYS_stat, (long)"f", (long)&st, 0));
    printf("open %ld\n", fd = with_red_zone(SYS_open, (long)"f", O_RDONLY, 0));
    printf("close %ld\n", with_red_zone(SYS_close, fd, 0, 0));
    printf("chdir %ld\n", with_red_zone(SYS_chdir, (long)"d", 0, 0));
    printf("chdir %ld\n", with_red_zone(SYS_chdir, (long)"..", 0, 0));
    printf("edge: stat %ld\n", at_the_edge(edge, SYS_stat, (long)"f", (long)&st, 0));
    printf("edge: open %ld\n", fd = at_the_edge(edge, SYS_open, (long)"f", O_RDONLY, 0));
    printf("edge: close %ld\n", at_the_edge(edge, SYS_close, fd, 0, 0));
    printf("edge: chdir %ld\n", at_the_edge(edge, SYS_chdir, (long)"d", 0, 0));
    printf("edge: chdir %ld\n", at_the_edge(edge, SYS_chdir, (long)"..", 0, 0));
    char *script[] = {"./script", NULL}, *none[] = {NULL};
    CHILD({ printf("%ld\n", with_red_zone(SYS_execve, (long)"none", (long)script, (long)none)); });
    CHILD({ with_red_zone(SYS_execve, (long)"script", (long)script, (long)none); });
}
#else
static void calls(void) {}
#endif

static void *in_thread(void *argument) {
    struct stat st;
    *(int *)argument = stat("f", &st) != 0 || chdir("d") != 0 || chdir("..") != 0 || access("f", R_OK) != 0;
    return NULL;
}

int main(int argc, char **argv) {
    begin(argc, argv);
    put("f", "x");
    mkdir("d", 0755);
    put("script", "#!/bin/sh\necho the script ran\n");
    chmod("script", 0755);
    calls();
    // The least stack that a thread may have.
    pthread_attr_t least;
    pthread_attr_init(&least);
    T(pthread_attr_setstacksize(&least, PTHREAD_STACK_MIN));
    pthread_t thread;
    int bad = 7;
    T(pthread_create(&thread, &least, in_thread, &bad));
    pthread_join(thread, NULL);
    printf("bad %d\n", bad);
    return 0;
}
