// `#!` lines with a NUL in them: the kernel takes them for C strings.
#include "tested.h"

static void script(const char *name, const char *text, size_t length) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    write(fd, text, length);
    close(fd);
}
#define SCRIPT(name, text) script(name, text, sizeof text - 1)

int main(int argc, char **argv) {
    begin(argc, argv);
    char *args[] = {"zero", "one", NULL};
    SCRIPT("in-path", "#!/bin/echo\0/none such\n");
    SCRIPT("in-argument", "#!/bin/echo given\0and not given\n");
    SCRIPT("none", "#!/none/such\0/bin/echo\n");
    SCRIPT("at-once", "#!\0/bin/echo\n");
    SCRIPT("garbage", "#!/\x13\xfeq\0\x7f\n\x80");
    CHILD({ execv("in-path", args); });
    CHILD({ execv("./in-argument", args); });
    CHILD({ T(execv("none", args)); });
    CHILD({ T(execv("at-once", args)); });
    CHILD({ T(execv("garbage", args)); });
    return 0;
}
