// cc: -Wl,--dynamic-linker=/loader/ld.so
// A program whose loader exists in the namespace only: says who it is, and which loader it has.
#include "tested.h"
#include <link.h>
#include <sys/auxv.h>

static int each(struct dl_phdr_info *info, size_t size, void *data) {
    if (strstr(info->dlpi_name, "/ld.so"))
        printf("loaded %s\n", info->dlpi_name);
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_name[0] == 0 && info->dlpi_phdr[i].p_type == PT_INTERP)
            printf("asks for %s\n", (char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
    return 0;
}

int main(int argc, char **argv) {
    char text[PATH_MAX] = "", line[PATH_MAX + 100];
    int named = 0;
    readlink("/proc/self/exe", text, sizeof text - 1);
    printf("exe %s\nAT_EXECFN %s\n", text, (char *)getauxval(AT_EXECFN));
    FILE *f = fopen("/proc/self/comm", "r");
    printf("comm %s", fgets(line, sizeof line, f));
    fclose(f);
    for (int i = 0; i < argc; i++)
        printf("argument %s\n", argv[i]);
    dl_iterate_phdr(each, NULL);
    f = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, f))
        named += strstr(line, "/loader/ld.so") != NULL;
    printf("%s\n", named ? "mapped from the mount" : "mapped from elsewhere");
    for (int fd = 3; fd < 10; fd++)
        if (fcntl(fd, F_GETFD) >= 0 && fd != fileno(f))
            printf("%d is open\n", fd);
    return 0;
}
