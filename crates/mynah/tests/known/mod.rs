//! What is known to differ from the kernel, line by line, each with its reason. A row that no longer differs fails its test.
//!
//! The promises behind them are in `docs/src/semantics.md`.

use mynah_testkit::oracle::{Difference, Leg};
use mynah_testkit::run::Identity;

const READ_ONLY: &str =
    "the file with the shown user lies over the machine's, as a mount that cannot be changed";

/// All known differences of the programs in `tests/differential`.
pub(crate) const DIFFERENCES: &[Difference] = &[
    Difference {
        task: "attributes/permissions",
        leg: Leg::Chirp,
        identity: Some(Identity::Ordinary),
        native: "out: rename(\"/etc/passwd\", \"mine\") = -1 EACCES\n\
         out: link(\"/etc/shadow\", \"mine\") = -1 EPERM",
        mynah: "out: rename(\"/etc/passwd\", \"mine\") = -1 EXDEV\n\
         out: link(\"/etc/shadow\", \"mine\") = -1 EXDEV",
        reason: "the two names lie on different mounts, which is told before anything is asked of either",
    },
    Difference {
        task: "names/symlink_walks",
        leg: Leg::Chirp,
        identity: None,
        native: "out: access(\"out\", R_OK) ok\n\
         out: access(absolute, R_OK) ok",
        mynah: "out: access(\"out\", R_OK) EXDEV\n\
         out: access(absolute, R_OK) EXDEV",
        reason: "a link of a server leads only to what its mount may name (symlinks=beneath)",
    },
    Difference {
        task: "odd/entries",
        leg: Leg::Chirp,
        identity: None,
        native: "out: fd >= 3: yes\n\
         out: read 4\n\
         out: text: 4 \"text\"\n\
         out: close 0\n\
         out: access 0\n\
         out: none -2\n\
         out: mkdir 0\n\
         out: chdir 0\n\
         out: $W/made",
        mynah: "out: fd >= 3: no\n\
         out: read -9\n\
         out: text: 4 \"\\x00\\x00\\x00\\x00\"\n\
         out: close -9\n\
         out: access -95\n\
         out: none -95\n\
         out: mkdir -95\n\
         out: chdir -95\n\
         out: $W",
        reason: "32-bit calls that name remote paths get EOPNOTSUPP: their structures are not translated yet",
    },
    Difference {
        task: "odd/entries",
        leg: Leg::Chirp,
        identity: None,
        native: "out: names in .: ../ ./ a made/",
        mynah: "out: names in .: ../ ./ a",
        reason: "32-bit calls that name remote paths get EOPNOTSUPP: their structures are not translated yet",
    },
    Difference {
        task: "odd/entries",
        leg: Leg::Chirp,
        identity: None,
        native: "tree: dir 0755 /made",
        mynah: "",
        reason: "32-bit calls that name remote paths get EOPNOTSUPP: their structures are not translated yet",
    },
    Difference {
        task: "odd/i386",
        leg: Leg::Chirp,
        identity: None,
        native: "out: sizeof(void *) == 4: yes\n\
         out: open(\"a\", O_RDWR | O_CREAT | O_EXCL, 0640) = 3\n\
         out: write(fd, \"0123456789\", 10) = 10\n\
         out: lseek(fd, 4, SEEK_SET) = 4\n\
         out: read(fd, buffer, 3) = 3\n\
         out: fstat(fd): file 0640 links=1 size=10\n\
         out: stat(\"a\"): file 0640 links=1 size=10\n\
         out: lstat(\"none\") = -1 ENOENT\n\
         out: ftruncate(fd, 5) = 0\n\
         out: close(fd) = 0\n\
         out: mkdir(\"d\", 0755) = 0\n\
         out: rename(\"a\", \"d/b\") = 0\n\
         out: symlink(\"d/b\", \"l\") = 0\n\
         out: readlink(\"l\", buffer, sizeof buffer) = 3\n\
         out: link(\"d/b\", \"h\") = 0\n\
         out: chmod(\"h\", 0600) = 0\n\
         out: access(\"h\", R_OK) = 0\n\
         out: chdir(\"d\") = 0\n\
         out: $W/d\n\
         out: names in .: ../ ./ b\n\
         out: names in ..: ../ ./ d/ h l@\n\
         out: ../l: 5 \"01234\"\n\
         out: truncate(\"b\", 2) = 0\n\
         out: utimensat(AT_FDCWD, \"b\", times, 0) = 0\n\
         out: stat(\"b\", &st) = 0\n\
         out: mtime 7.8\n\
         out: 01child ended with 0\n\
         out: 01child ended with 3\n\
         out: execl(\"none\", \"none\", NULL) = -1 ENOENT\n\
         out: unlink(\"b\") = 0\n\
         out: chdir(\"..\") = 0\n\
         out: rmdir(\"d\") = 0\n\
         out: open(\"d\", O_RDONLY) = -1 ENOENT\n\
         end: Exit(0)\n\
         tree: file 0600 size=2 links=1 digest=07fc1707b4bd207a /h\n\
         tree: link 0777 -> d/b /l",
        mynah: "out: chdir to the work directory: EOPNOTSUPP\n\
         end: Exit(3)",
        reason: "32-bit calls that name remote paths get EOPNOTSUPP: their structures are not translated yet",
    },
    Difference {
        task: "paths/long_names",
        leg: Leg::Chirp,
        identity: None,
        native: "out: went 25 deep",
        mynah: "out: went 20 deep",
        reason: "a remote working directory is known by its whole name, which is at most PATH_MAX long",
    },
    Difference {
        task: "paths/long_names",
        leg: Leg::Chirp,
        identity: None,
        native: "out: getcwd: ENAMETOOLONG",
        mynah: "out: getcwd: ok",
        reason: "a remote working directory is known by its whole name, which is at most PATH_MAX long",
    },
    Difference {
        task: "paths/odd_names",
        leg: Leg::Chirp,
        identity: None,
        native: "out: failed 0\n\
         out: seen 40 strange 0",
        mynah: "out: EACCES: 10 \".__acl.not\"\n\
         out: failed 1\n\
         out: seen 39 strange 0\n\
         out: wrong content: 10 \".__acl.not\"\n\
         out: EACCES: 10 \".__acl.not\"\n\
         out: EACCES: 16 \".__acl.not.moved\"",
        reason: "names that begin with .__ belong to the Chirp server",
    },
    Difference {
        task: "paths/odd_names",
        leg: Leg::Chirp,
        identity: None,
        native: "tree: file 0644 size=10 links=1 digest=9fecec28faaa2536 /.__acl.not.moved",
        mynah: "",
        reason: "names that begin with .__ belong to the Chirp server",
    },
    Difference {
        task: "files/deleted_but_open",
        leg: Leg::Chirp,
        identity: None,
        native: "out: fgetxattr(fd, \"user.of\", buffer, 64) = 3\n\
         out: fremovexattr(fd, \"user.of\") = 0",
        mynah: "out: fgetxattr(fd, \"user.of\", buffer, 64) = -1 ESTALE\n\
         out: fremovexattr(fd, \"user.of\") = -1 ESTALE",
        reason: "a server is asked for attributes by a name, which this file has lost",
    },
    Difference {
        task: "attributes/xattrs",
        leg: Leg::Chirp,
        identity: None,
        native: "out: getxattr(\"b\", \"system.posix_acl_access\", value, sizeof value) = -1 ENODATA\n\
         out: getxattr(\"b\", \"security.capability\", value, sizeof value) = -1 ENODATA",
        mynah: "out: getxattr(\"b\", \"system.posix_acl_access\", value, sizeof value) = -1 EOPNOTSUPP\n\
         out: getxattr(\"b\", \"security.capability\", value, sizeof value) = -1 EOPNOTSUPP",
        reason: "labels and access lists are of the machine whose kernel keeps them: EOPNOTSUPP, after which programs do not ask for each file",
    },
    Difference {
        task: "attributes/xattrs",
        leg: Leg::Chirp,
        identity: None,
        native: "out: setxattr(\"b\", \"system.posix_acl_access\", list, sizeof list - 1, 0) = 0",
        mynah: "out: setxattr(\"b\", \"system.posix_acl_access\", list, sizeof list - 1, 0) = -1 EOPNOTSUPP",
        reason: "what cannot be asked for cannot be set either, as on a file system without access lists",
    },
    Difference {
        task: "attributes/xattrs",
        leg: Leg::Chirp,
        identity: None,
        native: "out: mode 644\n\
         out: removexattr(\"b\", \"system.posix_acl_access\") = 0",
        mynah: "out: mode 600\n\
         out: removexattr(\"b\", \"system.posix_acl_access\") = -1 EOPNOTSUPP",
        reason: "what cannot be asked for cannot be set either, as on a file system without access lists",
    },
    Difference {
        task: "odd/own_listener",
        leg: Leg::Local,
        identity: None,
        native: "out: syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) = 3",
        mynah: "out: syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) = -1 EBUSY",
        reason: "the kernel gives one listener to a tree of processes, and the agent has it",
    },
    Difference {
        task: "odd/own_listener",
        leg: Leg::Chirp,
        identity: None,
        native: "out: syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) = 3",
        mynah: "out: syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) = -1 EBUSY",
        reason: "the kernel gives one listener to a tree of processes, and the agent has it",
    },
    Difference {
        task: "odd/own_listener",
        leg: Leg::Shown,
        identity: None,
        native: "out: syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) = 3",
        mynah: "out: syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) = -1 EBUSY",
        reason: "the kernel gives one listener to a tree of processes, and the agent has it",
    },
    Difference {
        task: "attributes/permissions",
        leg: Leg::Shown,
        identity: None,
        native: "out: open(\"/etc/passwd\", O_RDWR) = -1 EACCES",
        mynah: "out: open(\"/etc/passwd\", O_RDWR) = -1 EROFS",
        reason: READ_ONLY,
    },
    Difference {
        task: "attributes/permissions",
        leg: Leg::Shown,
        identity: None,
        native: "out: unlink(\"/etc/passwd\") = -1 EACCES",
        mynah: "out: unlink(\"/etc/passwd\") = -1 EBUSY",
        reason: READ_ONLY,
    },
    Difference {
        task: "attributes/permissions",
        leg: Leg::Shown,
        identity: None,
        native: "out: chmod(\"/etc/passwd\", 0644) = -1 EPERM\n\
         out: rename(\"/etc/passwd\", \"mine\") = -1 EACCES",
        mynah: "out: chmod(\"/etc/passwd\", 0644) = -1 EROFS\n\
         out: rename(\"/etc/passwd\", \"mine\") = -1 EXDEV",
        reason: READ_ONLY,
    },
    Difference {
        task: "sockets/dnotify",
        leg: Leg::Chirp,
        identity: None,
        native: "out: fcntl(fd, F_NOTIFY, DN_CREATE | DN_DELETE | DN_MULTISHOT) = 0",
        mynah: "out: fcntl(fd, F_NOTIFY, DN_CREATE | DN_DELETE | DN_MULTISHOT) = -1 EINVAL",
        reason: "nobody signals what changes in a server's directory: EINVAL, as of a kernel without dnotify",
    },
];
