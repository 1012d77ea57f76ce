// Scripts whose interpreter lies in the same directory, scripts run by scripts, long `#!` lines.
#include "tested.h"

static void script(const char *name, const char *format, ...) {
    char text[1024];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    put(name, text);
    chmod(name, 0755);
}

int main(int argc, char **argv) {
    begin(argc, argv);
    setenv("PATH", "/usr/bin:/bin", 1);
    char *args[] = {"zero", "one", "two", NULL};
    script("outer", "#!%s/inner with option\n", W);
    script("inner", "#!/bin/sh\necho inner: \"$0\" \"$#\" \"$1\" \"$2\"\n");
    script("spaced", "#!   /bin/sh   -e  \necho spaced \"$0\" \"$1\"\n");
    script("env", "#!/usr/bin/env sh\necho env \"$0\" \"$1\"\n");
    script("no-newline", "#!/bin/echo");
    script("only-mark", "#!\n");
    script("blank", "#!   \n");
    script("own-sh", "#!%s/sh\necho by a copy of sh\n", W);
    script("relative", "#!sh\necho relative interpreter\n");
    script("loop", "#!%s/loop\n", W);
    CHILD({ execl("/bin/cp", "cp", "/bin/sh", "sh", NULL); });
    CHILD({ execv("outer", args); });
    CHILD({ execv("inner", args); });
    CHILD({ execv("./spaced", args); });
    CHILD({ execv("env", args); });
    CHILD({ execv("no-newline", args); });
    CHILD({ T(execv("only-mark", args)); });
    CHILD({ T(execv("blank", args)); });
    CHILD({ execv("own-sh", args); });
    CHILD({ execv("relative", args); });
    CHILD({ T(execv("loop", args)); });
    // Five interpreters are followed, not six.
    script("s1", "#!/bin/echo end\n");
    for (int i = 2; i <= 7; i++) {
        char name[8], of[16];
        snprintf(name, sizeof name, "s%d", i);
        snprintf(of, sizeof of, "#!./s%d %d\n", i - 1, i);
        script(name, "%s", of);
    }
    CHILD({ execv("s4", args); });
    CHILD({ execv("s5", args); });
    CHILD({ T(execv("s6", args)); });
    CHILD({ T(execv("s7", args)); });
    // Run through the shell, with a name from the search path.
    setenv("PATH", ".", 1);
    CHILD({ execlp("inner", "inner", "x", NULL); });
    CHILD({ execl("./sh", "sh", "-c", "inner from shell; own-sh", NULL); });
    char *text = malloc(400);
    memset(text, 'p', 399);
    memcpy(text, "#!/", 3);
    text[300] = '\n';
    text[301] = 0;
    script("long", "%s", text);
    CHILD({ T(execv("long", args)); });
    unlink("sh");
    // They hold the directory's name, whose length differs from run to run.
    unlink("outer");
    unlink("own-sh");
    unlink("loop");
    return 0;
}
