// Code that is made or changed while the program runs makes calls like any other: written pages, pages mapped twice, patched
// libraries, rewritten instructions; and the program's own text stays what it is.
#include "tested.h"
#include <dlfcn.h>
#include <link.h>

#ifdef __x86_64__
// mov $number,%eax; syscall; ret
static const unsigned char CALL[] = {0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3};
typedef long (*made)(long, long, long, long);

static void make(unsigned char *at, int number) {
    memcpy(at, CALL, sizeof CALL);
    memcpy(at + 1, &number, sizeof number);
}

static unsigned long sum_of_text(void) {
    extern char __executable_start, etext;
    unsigned long sum = 14695981039346656037UL;
    for (volatile unsigned char *at = (unsigned char *)&__executable_start; at < (unsigned char *)&etext; at++)
        sum = (sum ^ *at) * 1099511628211UL;
    return sum;
}

static int patch_first_text(struct dl_phdr_info *info, size_t size, void *found) {
    (void)size;
    if (!strstr(info->dlpi_name, "libm"))
        return 0;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X)
            *(char **)found = (char *)((info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + 4095) & ~4095UL);
    return 1;
}

static void made_code(void) {
    struct stat st;
    unsigned long before = sum_of_text();
    // Writable and executable at once, and rewritten between the calls.
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    make(page, SYS_stat);
    T(((made)page)((long)"f", (long)&st, 0, 0));
    make(page, SYS_mkdir);
    T(((made)page)((long)"made", 0755, 0, 0));
    make(page, SYS_chdir);
    T(((made)page)((long)"made", 0, 0, 0));
    T(((made)page)((long)"..", 0, 0, 0));
    make(page, SYS_rmdir);
    T(((made)page)((long)"made", 0, 0, 0));
    // Written, then executable and not writable any more.
    make(page + 100, SYS_access);
    T(mprotect(page, 4096, PROT_READ | PROT_EXEC));
    T(((made)(page + 100))((long)"f", R_OK, 0, 0));
    // One page by two mappings: one to write, one to execute; and of a file of the directory.
    int fd = open("code", O_RDWR | O_CREAT, 0755);
    T(ftruncate(fd, 4096));
    unsigned char *writes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unsigned char *runs = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
    HOLDS(writes != MAP_FAILED && runs != MAP_FAILED);
    make(writes, SYS_open);
    long opened = ((made)runs)((long)"f", O_RDONLY, 0, 0);
    HOLDS(opened == fd + 1);
    make(writes, SYS_close);
    T(((made)runs)(opened, 0, 0, 0));
    munmap(writes, 4096);
    munmap(runs, 4096);
    close(fd);
    unlink("code");
    HOLDS(sum_of_text() == before);
}

// A library in this directory, loaded from it, whose text is then changed.
static void patched_library(void) {
    char command[256];
    snprintf(command, sizeof command, "cp -L /lib/x86_64-linux-gnu/libm.so.6 ./libm-copy.so");
    if (system(command) != 0)
        return;
    void *library = dlopen("./libm-copy.so", RTLD_NOW);
    HOLDS(library != NULL);
    double (*root)(double) = (double (*)(double))dlsym(library, "sqrt");
    printf("%g\n", root ? root(16) : -1);
    unsigned char *text = NULL;
    dl_iterate_phdr(patch_first_text, &text);
    HOLDS(text != NULL);
    T(mprotect(text, 4096, PROT_READ | PROT_WRITE | PROT_EXEC));
    make(text, SYS_access);
    T(mprotect(text, 4096, PROT_READ | PROT_EXEC));
    T(((made)text)((long)"f", F_OK, 0, 0));
    T(dlclose(library));
    // A private mapping's changes are not the file's.
    system("cmp /lib/x86_64-linux-gnu/libm.so.6 libm-copy.so && echo unchanged");
    unlink("libm-copy.so");
}

// time(2) by the page that old programs call, where the kernel has it.
static void vsyscall(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    int there = 0;
    while (fgets(line, sizeof line, maps))
        there |= strstr(line, "[vsyscall]") != NULL;
    fclose(maps);
    HOLDS(!there || ((time_t (*)(time_t *))0xffffffffff600400UL)(NULL) > 1600000000);
}
#else
static void made_code(void) {}
static void patched_library(void) {}
static void vsyscall(void) {}
#endif

int main(int argc, char **argv) {
    begin(argc, argv);
    put("f", "x");
    made_code();
    patched_library();
    vsyscall();
    return 0;
}
