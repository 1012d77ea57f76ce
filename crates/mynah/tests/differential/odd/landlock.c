// A program's own Landlock ruleset: it holds, or the program is told that it cannot be had. Never neither.
#include "tested.h"
#include <sys/prctl.h>

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self 446
#endif
// From linux/landlock.h, which older machines do not have.
enum { CREATE_RULESET_VERSION = 1, ACCESS_FS_WRITE_FILE = 2 };

int main(int argc, char **argv) {
    begin(argc, argv);
    put("f", "x");
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    int refused = version < 0 && (errno == EOPNOTSUPP || errno == ENOSYS);
    HOLDS(version >= 1 || refused);
    uint64_t handled[1] = {ACCESS_FS_WRITE_FILE};
    long ruleset = syscall(SYS_landlock_create_ruleset, handled, sizeof handled, 0);
    HOLDS((ruleset < 0) == refused);
    CHILD({
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        int restricted = ruleset >= 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
        int fd = open("f", O_WRONLY);
        HOLDS(restricted ? fd < 0 && errno == EACCES : fd >= 0 && refused);
    });
    return 0;
}
