//! Calls performed in place of others, and execve of other files, in real programs.
#![allow(clippy::unwrap_used)]

mod supervised;

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

use mynah_intercept::filter::Row;
use mynah_intercept::listener::{AddFd, Answer, Listener, restart};
use mynah_intercept::pidfd::PidFd;
use mynah_intercept::subreaper::Exit;
use mynah_intercept::transient::{self, ExecOutcome, ExecPlan, TransientError};
use mynah_intercept::{Mechanism, Notification, memory};
use supervised::{Do, Ended, Scratch, notify, path_of, run, run_watched, show};

/// All that transient work performs in a program is notified, too.
fn rows() -> Vec<Row> {
    notify(&[
        libc::SYS_chdir,
        libc::SYS_fchdir,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_close,
        libc::SYS_mmap,
        libc::SYS_munmap,
    ])
}

/// chdir to `/no/such/dir` leads to `real`.
fn chdir_elsewhere(real: PathBuf) -> impl FnMut(&Listener, Notification) -> Do + Send + 'static {
    move |listener, n| {
        if n.call.number != libc::SYS_chdir as u32 || path_of(&n, 0) != "/no/such/dir" {
            return Do::Resume;
        }
        let directory = std::fs::File::open(&real).unwrap();
        let Ok(fd) = listener.add_fd(n.id, directory.as_fd(), AddFd::default()) else { return Do::Answered };
        Do::Later(Box::new(move |listener| {
            let args = [fd as u64, 0, 0, 0, 0, 0];
            let done = transient::replace_call_closing(listener, &n, libc::SYS_fchdir as u64, args, fd);
            assert!(matches!(done, Ok(0) | Err(TransientError::Gone)), "{done:?}");
        }))
    }
}

#[test]
fn chdir_is_performed_as_fchdir() {
    let scratch = Scratch::new();
    let real = std::fs::canonicalize(scratch.path(".")).unwrap();
    let script = "cd /no/such/dir && readlink /proc/self/cwd; ls /proc/$$/fd";
    let ended = run(&["/bin/sh", "-c", script], &rows(), chdir_elsewhere(real.clone()));
    let native = Command::new("/bin/sh").args(["-c", "ls /proc/$$/fd"]).output().unwrap();
    let expected = format!("{}\n{}", real.display(), String::from_utf8(native.stdout).unwrap());
    assert_eq!((ended.exit, ended.output), (Exit::Code(0), expected));
}

#[test]
fn the_error_of_the_other_call_is_what_the_program_sees() {
    let ended = run(&["/bin/sh", "-c", "cd /proc"], &rows(), |_, n| {
        if n.call.number != libc::SYS_chdir as u32 || path_of(&n, 0) != "/proc" {
            return Do::Resume;
        }
        Do::Later(Box::new(move |listener| {
            let bad = [u64::from(u32::MAX), 0, 0, 0, 0, 0];
            let done = transient::replace_call(listener, &n, libc::SYS_fchdir as u64, bad).unwrap();
            assert_eq!(done, -i64::from(libc::EBADF));
        }))
    });
    assert_eq!(ended.exit, Exit::Code(2));
}

const CLOSING: &str = r#"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
  int fd = open("/dev/null", O_RDONLY), closed = close(fd), e = errno;
  printf("close %d errno %d open %d\n", closed, e, fcntl(fd, F_GETFD) >= 0);
  return 0;
}"#;

#[test]
fn a_call_can_be_performed_and_fail() {
    let scratch = Scratch::new();
    let program = scratch.cc("closing", CLOSING);
    let ended = run(&[program], &rows(), |_, n| {
        let target = std::fs::read_link(format!("/proc/{}/fd/{}", n.tid, n.call.args[0]));
        if n.call.number != libc::SYS_close as u32 || target.ok() != Some(PathBuf::from("/dev/null")) {
            return Do::Resume;
        }
        Do::Later(Box::new(move |listener| {
            transient::perform_call_failing(listener, &n, libc::EIO).unwrap();
        }))
    });
    assert_eq!(ended.output, "close -1 errno 5 open 0\n");
}

const STORM: &str = r#"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/time.h>
#include <unistd.h>
static volatile sig_atomic_t ticks, usr;
static void tick(int s) { ticks++; }
static void on_usr(int s) { usr++; }
int main(int c, char **v) {
  struct sigaction a = { .sa_handler = tick };
  sigaction(SIGALRM, &a, 0);
  a.sa_handler = on_usr;
  sigaction(SIGRTMIN, &a, 0);
  struct itimerval t = { { 0, 1000 }, { 0, 1000 } };
  setitimer(ITIMER_REAL, &t, 0);
  int bad = 0, sent = 0;
  for (int i = 0; i < 300; i++) {
    union sigval value = { 0 };
    sigqueue(getpid(), SIGRTMIN, value); sent++;
    if (chdir("/no/such/dir")) { bad++; printf("chdir: %s\n", strerror(errno)); }
  }
  memset(&t, 0, sizeof t);
  setitimer(ITIMER_REAL, &t, 0);
  printf("bad %d lost %d ticked %d\n", bad, sent - usr, ticks > 0);
  return 0;
}"#;

#[test]
fn a_storm_of_signals_disturbs_nothing_and_loses_nothing() {
    let scratch = Scratch::new();
    let program = scratch.cc("storm", STORM);
    let ended = run(&[program], &rows(), chdir_elsewhere(scratch.path(".")));
    // A tick may come before the notification is received; then the call ends as natively.
    let tail = ended.output.lines().last().unwrap();
    assert!(tail.ends_with("lost 0 ticked 1"), "{}", ended.output);
    assert!(
        ended
            .output
            .lines()
            .filter(|line| line.starts_with("chdir"))
            .all(|line| line.ends_with("Interrupted system call")),
        "{}",
        ended.output
    );
    assert_eq!(ended.exit, Exit::Code(0));
}

const QUEUED: &str = r#"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/wait.h>
static volatile sig_atomic_t got;
static void on(int s, siginfo_t *i, void *u) { got++; }
int main(int c, char **v) {
  struct sigaction a = { .sa_sigaction = on, .sa_flags = SA_SIGINFO | SA_RESTART };
  sigaction(SIGRTMIN, &a, 0);
  pid_t self = getpid(), child = fork();
  if (!child) {
    union sigval value = { 0 };
    for (int i = 0; i < 2000; i++) while (sigqueue(self, SIGRTMIN, value)) usleep(100);
    _exit(0);
  }
  int bad = 0;
  while (got < 2000) if (chdir("/no/such/dir")) bad++;
  waitpid(child, 0, 0);
  printf("bad %d got %d\n", bad, got);
  return 0;
}"#;

#[test]
fn queued_signals_all_arrive() {
    let scratch = Scratch::new();
    let program = scratch.cc("queued", QUEUED);
    let ended = run(&[program], &rows(), chdir_elsewhere(scratch.path(".")));
    assert_eq!((ended.exit, ended.output.as_str()), (Exit::Code(0), "bad 0 got 2000\n"));
}

const STOPPED: &str = r#"
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int c, char **v) {
  pid_t child = fork();
  if (!child) { for (;;) if (chdir("/no/such/dir")) _exit(9); }
  int status, stops = 0;
  for (int i = 0; i < 200; i++) {
    kill(child, SIGSTOP);
    if (waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status)) stops++;
    kill(child, SIGCONT);
  }
  kill(child, SIGKILL);
  waitpid(child, &status, 0);
  printf("stops %d killed %d\n", stops, WIFSIGNALED(status));
  return 0;
}"#;

#[test]
fn job_control_stops_take_effect_and_the_parent_sees_them() {
    let scratch = Scratch::new();
    let program = scratch.cc("stopped", STOPPED);
    let ended = run(&[program], &rows(), chdir_elsewhere(scratch.path(".")));
    assert_eq!((ended.exit, ended.output.as_str()), (Exit::Code(0), "stops 200 killed 1\n"));
}

const KILLED: &str = r#"
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(int c, char **v) {
  int killed = 0;
  for (int i = 0; i < 300; i++) {
    pid_t child = fork();
    if (!child) { for (;;) { if (c > 1) { pid_t k = vfork(); if (!k) { execl("/no/such/name", "x", (char *)0); _exit(1); } waitpid(k, 0, 0); } else chdir("/no/such/dir"); } }
    usleep(i * 10);
    kill(child, SIGKILL);
    int status;
    if (waitpid(child, &status, 0) == child && WIFSIGNALED(status)) killed++;
  }
  printf("killed %d\n", killed);
  return 0;
}"#;

#[test]
fn sigkill_at_any_moment_ends_the_program_and_its_parent_hears_of_it() {
    let scratch = Scratch::new();
    let program = scratch.cc("killed", KILLED);
    let ended = run(&[&program], &rows(), chdir_elsewhere(scratch.path(".")));
    assert_eq!(ended.output, "killed 300\n");
    let ended = run(&[show(&program), "exec"], &rows(), exec_elsewhere("/bin/true", None, Fate::MayDie));
    assert_eq!(ended.output, "killed 300\n");
}

#[test]
fn sigkill_of_our_own_child_is_left_to_be_reaped() {
    let scratch = Scratch::new();
    let script = "while :; do cd /no/such/dir; done";
    // All on one thread, as an agent would do it: what one program leaves must not disturb the next.
    let (work, works) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
    let worker = std::thread::spawn(move || works.iter().for_each(|work| work()));
    for _ in 0..50 {
        let work = work.clone();
        let seen = Arc::new(AtomicU32::new(0));
        let mut handler = chdir_elsewhere(scratch.path("."));
        let count = Arc::clone(&seen);
        let counted = move |listener: &Listener, n: Notification| {
            count.fetch_add(u32::from(n.call.number == libc::SYS_chdir as u32), Ordering::Relaxed);
            match handler(listener, n) {
                Do::Later(job) => {
                    let (done, is_done) = mpsc::channel();
                    let work = work.clone();
                    Do::Later(Box::new(move |listener| {
                        let listener = Arc::clone(listener);
                        let job = move || {
                            job(&listener);
                            done.send(()).unwrap();
                        };
                        work.send(Box::new(job)).unwrap();
                        is_done.recv().unwrap();
                    }))
                }
                other => other,
            }
        };
        let ended = run_watched(&["/bin/sh", "-c", script], &rows(), counted, |pid| {
            while seen.load(Ordering::Relaxed) < 20 {
                std::thread::yield_now();
            }
            PidFd::open(pid).unwrap().kill(libc::SIGKILL).unwrap();
        });
        assert_eq!(ended.exit, Exit::Signal(libc::SIGKILL));
    }
    drop(work);
    worker.join().unwrap();
}

/// Whether a program may be killed while it is being worked on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Lives,
    MayDie,
}

/// execve of `/no/such/name` executes `file`.
fn exec_elsewhere(
    file: &str,
    argv: Option<&'static [&'static str]>,
    fate: Fate,
) -> impl FnMut(&Listener, Notification) -> Do + Send + 'static {
    let file = file.as_bytes().to_vec();
    move |listener, n| {
        let path_argument = match n.call.number as libc::c_long {
            libc::SYS_execve => 0,
            libc::SYS_execveat => 1,
            _ => return Do::Resume,
        };
        let shown = path_of(&n, path_argument);
        if !shown.starts_with("/no/such/name") {
            return Do::Resume;
        }
        let null = std::fs::File::open("/dev/null").unwrap();
        let fd = listener.add_fd(n.id, null.as_fd(), AddFd { cloexec: true, ..AddFd::default() });
        let Ok(fd) = fd else { return Do::Answered };
        let plan = ExecPlan {
            file: file.clone(),
            argv: argv.map(|list| list.iter().map(|arg| arg.as_bytes().to_vec()).collect()),
            shown: shown.into_bytes(),
            auxv: vec![],
            close_on_failure: vec![fd],
        };
        Do::Later(Box::new(move |listener| match transient::exec(listener, &n, &plan) {
            Ok(ExecOutcome::Done | ExecOutcome::Failed(_)) => {}
            Err(TransientError::Gone) if fate == Fate::MayDie => {}
            Err(error) => panic!("{error}"),
        }))
    }
}

fn run_exec(argv: &[&str], file: &str) -> Ended {
    run(argv, &rows(), exec_elsewhere(file, None, Fate::Lives))
}

#[test]
fn a_shell_executes_another_file() {
    let script = "/no/such/name one 'two  three'; echo status $?; exec /no/such/name last";
    let ended = run_exec(&["/bin/sh", "-c", script], "/bin/echo");
    assert_eq!((ended.exit, ended.output.as_str()), (Exit::Code(0), "one two  three\nstatus 0\nlast\n"));
}

#[test]
fn arguments_are_replaced_whole() {
    let handler = exec_elsewhere("/bin/echo", Some(&["echo", "these", "", "instead"]), Fate::Lives);
    let ended = run(&["/bin/sh", "-c", "/no/such/name one"], &rows(), handler);
    assert_eq!(ended.output, "these  instead\n");
}

#[test]
fn a_failing_execve_leaves_the_program_as_it_was() {
    let scratch = Scratch::new();
    let (closed, text) = (scratch.path("closed"), scratch.path("text"));
    std::fs::write(&closed, "").unwrap();
    std::fs::write(&text, "no program\n").unwrap();
    std::fs::set_permissions(&text, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let program = scratch.cc("failing", FAILING);
    for (file, errno) in
        [(Path::new("/no/file"), libc::ENOENT), (&closed, libc::EACCES), (&text, libc::ENOEXEC)]
    {
        for way in ["exec", "vfork", "execveat"] {
            let ended = run_exec(&[show(&program), way], show(file));
            assert_eq!(ended.output, format!("{errno} maps same fds same mask same\n"), "{way}");
        }
    }
}

const FAILING: &str = r#"
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static char before[1 << 16], after[1 << 16];
static int read_all(const char *path, char *into) {
  int fd = open(path, O_RDONLY), n = 0, k;
  while ((k = read(fd, into + n, (1 << 16) - 1 - n)) > 0) n += k;
  into[n] = 0; close(fd); return n;
}
static int fds(void) { int n = 0; for (int i = 0; i < 300; i++) n += fcntl(i, F_GETFD) >= 0; return n; }
int main(int c, char **v) {
  char *args[] = { "name", 0 }, *env[] = { 0 };
  sigset_t set, now; sigemptyset(&set); sigaddset(&set, SIGUSR2); sigprocmask(SIG_SETMASK, &set, 0);
  int n = fds(); volatile int e = 0;
  setvbuf(stdout, 0, _IONBF, 0);
  read_all("/proc/self/maps", before);
  if (!strcmp(v[1], "exec")) { execve("/no/such/name", args, env); e = errno; }
  else if (!strcmp(v[1], "execveat")) { syscall(SYS_execveat, AT_FDCWD, "/no/such/name", args, env, 0); e = errno; }
  else { pid_t p = vfork(); if (!p) { execve("/no/such/name", args, env); e = errno; _exit(0); } waitpid(p, 0, 0); }
  read_all("/proc/self/maps", after);
  sigprocmask(SIG_SETMASK, 0, &now);
  printf("%d maps %s fds %s mask %s\n", e, strcmp(before, after) ? "differ" : "same", n == fds() ? "same" : "differ",
    sigismember(&now, SIGUSR2) && !sigismember(&now, SIGUSR1) ? "same" : "differs");
  return 0;
}"#;

const SPAWNING: &str = r#"
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static char before[1 << 16], after[1 << 16];
static int read_all(const char *path, char *into) {
  int fd = open(path, O_RDONLY), n = 0, k;
  while ((k = read(fd, into + n, (1 << 16) - 1 - n)) > 0) n += k;
  into[n] = 0; close(fd); return n;
}
int main(int c, char **v) {
  char *args[] = { "name", "spawned", 0 }, *env[] = { 0 };
  setvbuf(stdout, 0, _IONBF, 0);
  sigset_t set, now; sigemptyset(&set); sigaddset(&set, SIGUSR2); sigprocmask(SIG_SETMASK, &set, 0);
  pid_t p = vfork();
  if (!p) { execve("/no/such/name", args, env); _exit(1); }
  waitpid(p, 0, 0);
  read_all("/proc/self/maps", before);
  int wrong = 0;
  for (int i = 0; i < 100; i++) {
    int status;
    if (i % 2) { p = vfork(); if (!p) { execve("/no/such/name", args, env); _exit(1); } }
    else if (posix_spawn(&p, "/no/such/name", 0, 0, args, env)) wrong++;
    waitpid(p, &status, 0);
    wrong += status != 0;
  }
  read_all("/proc/self/maps", after);
  sigprocmask(SIG_SETMASK, 0, &now);
  printf("wrong %d maps %s mask %s\n", wrong, strcmp(before, after) ? "differ" : "same",
    sigismember(&now, SIGUSR2) && !sigismember(&now, SIGUSR1) ? "same" : "differs");
  return 0;
}"#;

#[test]
fn children_of_vfork_and_posix_spawn_execute_another_file_and_leave_nothing_behind() {
    let scratch = Scratch::new();
    let program = scratch.cc("spawning", SPAWNING);
    let ended = run_exec(&[show(&program)], "/bin/echo");
    let expected = "spawned\n".repeat(101) + "wrong 0 maps same mask same\n";
    assert_eq!((ended.exit, ended.output), (Exit::Code(0), expected));
}

#[test]
fn python_subprocess_executes_another_file() {
    let script = "import subprocess,threading\n\
        def one(): return subprocess.run(['/no/such/name', 'hi'], stdout=subprocess.PIPE).stdout\n\
        results = []\n\
        threads = [threading.Thread(target=lambda: results.append(one())) for _ in range(8)]\n\
        [t.start() for t in threads]; [t.join() for t in threads]\n\
        print(results == [b'hi\\n'] * 8)";
    let ended = run_exec(&["python3", "-c", script], "/bin/echo");
    assert_eq!((ended.exit, ended.output.as_str()), (Exit::Code(0), "True\n"));
}

const BY_THREAD: &str = r#"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static char *args[] = { "name", "by a thread", 0 }, *env[] = { 0 };
static void *other(void *x) { pause(); return 0; }
static void *thread(void *path) { execve(path, args, env); printf("failed %d\n", errno); fflush(stdout); _exit(3); }
int main(int c, char **v) {
  pthread_t a, b;
  pthread_create(&a, 0, other, 0);
  pthread_create(&b, 0, thread, v[1]);
  pause();
}"#;

#[test]
fn a_thread_other_than_the_leader_executes_another_file() {
    let scratch = Scratch::new();
    let program = scratch.cc("by_thread", BY_THREAD);
    for _ in 0..20 {
        let ended = run_exec(&[show(&program), "/no/such/name"], "/bin/echo");
        assert_eq!((ended.exit, ended.output.as_str()), (Exit::Code(0), "by a thread\n"));
    }
    let ended = run_exec(&[show(&program), "/no/such/name"], "/no/file");
    assert_eq!((ended.exit, ended.output.as_str()), (Exit::Code(3), "failed 2\n"));
}

const EXECFN: &str = r#"
#include <stdio.h>
#include <sys/auxv.h>
int main(int c, char **v) { printf("%s %s\n", (char *)getauxval(AT_EXECFN), v[0]); return 0; }"#;

#[test]
fn at_execfn_says_what_was_asked_for() {
    let scratch = Scratch::new();
    let program = scratch.cc("execfn", EXECFN);
    let long = format!("/no/such/name/{}", "long/".repeat(300));
    for name in [
        "/no/such/name",
        "/no/such/name/which/is/a/good/deal/longer/than/the/other/one/is/I/should/think",
        &long,
    ] {
        let ended = run_exec(&["/bin/sh", "-c", &format!("exec {name}")], show(&program));
        assert_eq!(ended.output, format!("{name} {name}\n"));
    }
}

const AUXV: &str = r#"
#include <stdio.h>
#include <sys/auxv.h>
#include <unistd.h>
int main(void) {
  int others = getauxval(AT_PAGESZ) == sysconf(_SC_PAGESIZE) && getauxval(AT_EUID) == geteuid();
  printf("%lu %lu %d\n", getauxval(AT_UID), getauxval(AT_EGID), others);
  return 0;
}"#;

#[test]
fn entries_of_the_auxiliary_vector_are_set_at_execve() {
    const AT_UID: u64 = 11;
    const AT_EGID: u64 = 14;
    let scratch = Scratch::new();
    let program = scratch.cc("auxv", AUXV);
    let many: Vec<String> = (0..2000).map(|n| format!("N{n}=value")).collect();
    let many = format!("exec env {} {}", many.join(" "), show(&program));
    for script in [&format!("exec {}", show(&program)), &many, &format!("{}; exit 0", show(&program))] {
        let ended = run(&["/bin/sh", "-c", script], &rows(), |_, n| {
            if n.call.number != libc::SYS_execve as u32 {
                return Do::Resume;
            }
            Do::Later(Box::new(move |listener| {
                transient::exec_with_auxv(listener, &n, &[(AT_UID, 4242), (AT_EGID, 4343)]).unwrap();
            }))
        });
        assert_eq!(ended.output, "4242 4343 1\n");
    }
}

#[test]
fn an_execve_as_it_is_fails_as_it_is() {
    let ended = run(&["/bin/sh", "-c", "/no/such/name; exec /no/such/name"], &rows(), |_, n| {
        if n.call.number != libc::SYS_execve as u32 {
            return Do::Resume;
        }
        Do::Later(Box::new(move |listener| {
            transient::exec_with_auxv(listener, &n, &[(11, 4242)]).unwrap();
        }))
    });
    assert_eq!(ended.exit, Exit::Code(127));
}

const STAT: &str = r#"
#include <stdio.h>
#include <sys/stat.h>
int main(void) {
  struct stat s;
  int done = stat("/", &s);
  printf("%d %u %d\n", done, s.st_uid, S_ISDIR(s.st_mode));
  return 0;
}"#;

#[cfg(target_arch = "x86_64")]
#[test]
fn what_a_call_wrote_can_be_changed_before_the_program_sees_it() {
    const UID: u64 = 28;
    let scratch = Scratch::new();
    let program = scratch.cc("stat", STAT);
    let numbers = notify(&[libc::SYS_stat, libc::SYS_newfstatat]);
    let ended = run(&[program], &numbers, |_, n| {
        let (path, to) = if n.call.number == libc::SYS_stat as u32 { (0, 1) } else { (1, 2) };
        if path_of(&n, path) != "/" {
            return Do::Resume;
        }
        Do::Later(Box::new(move |listener| {
            let look = move |result| {
                assert_eq!(result, 0);
                memory::write(n.tid, n.call.pointer(to).offset(UID), &4242_u32.to_ne_bytes()).unwrap();
            };
            transient::perform_call_then(listener, &n, look).unwrap();
        }))
    });
    assert_eq!(ended.output, "0 4242 1\n");
}

#[test]
fn a_restart_code_makes_a_call_begin_anew() {
    let mut restarts = 0;
    let ended = run(&["/bin/sh", "-c", "cd / && pwd"], &rows(), move |_, n| {
        if n.call.number != libc::SYS_chdir as u32 || restarts == 50 {
            return Do::Resume;
        }
        restarts += 1;
        let codes = [restart::ERESTARTSYS, restart::ERESTARTNOINTR, restart::ERESTARTNOHAND];
        let code = codes[restarts % codes.len()];
        Do::Later(Box::new(move |listener| transient::interrupt(listener, &n, code).unwrap()))
    });
    assert_eq!((ended.exit, ended.output.as_str()), (Exit::Code(0), "/\n"));
}

const TRACED: &str = r#"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
static void *other(void *x) { pause(); return 0; }
int main(int c, char **v) {
  pid_t child = fork();
  pthread_t t;
  if (!child) { if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(2); raise(SIGSTOP); pthread_create(&t, 0, other, 0); _exit(chdir("/no/such/dir") ? 1 : 0); }
  int status;
  waitpid(child, &status, 0);
  if (WIFSTOPPED(status)) ptrace(PTRACE_CONT, child, 0, 0), waitpid(child, &status, 0);
  printf("exit %d\n", WEXITSTATUS(status));
  return 0;
}"#;

#[test]
fn threads_in_a_debugger_are_reported_and_their_call_stays_pending() {
    let scratch = Scratch::new();
    let program = scratch.cc("traced", TRACED);
    let ended = run(&[program], &rows(), |_, n| {
        if n.call.number != libc::SYS_chdir as u32 {
            return Do::Resume;
        }
        Do::Later(Box::new(move |listener| {
            let done = transient::replace_call(listener, &n, libc::SYS_fchdir as u64, [0; 6]);
            assert!(matches!(done, Err(TransientError::Traced)), "{done:?}");
            listener.resume(n.id).unwrap();
        }))
    });
    // Nobody has two tracers: there is no debugging inside a program that is traced already.
    let status = if supervised::mechanism() == Mechanism::Trace { 2 } else { 1 };
    assert_eq!(ended.output, format!("exit {status}\n"));
}

const RACING: &str = r#"
#include <pthread.h>
#include <unistd.h>
static char *args[] = { "name", "once", 0 }, *env[] = { 0 };
static pthread_barrier_t all;
static void *thread(void *path) { pthread_barrier_wait(&all); for (;;) execve("/no/such/name", args, env); }
int main(void) {
  pthread_t t;
  pthread_barrier_init(&all, 0, 6);
  for (int i = 0; i < 5; i++) pthread_create(&t, 0, thread, 0);
  thread(0);
}"#;

#[test]
fn of_threads_that_execute_at_once_one_wins() {
    let scratch = Scratch::new();
    let program = scratch.cc("racing", RACING);
    for _ in 0..100 {
        let ended = run(&[&program], &rows(), exec_elsewhere("/bin/echo", None, Fate::MayDie));
        assert_eq!((ended.exit, ended.output.as_str()), (Exit::Code(0), "once\n"));
    }
}

const RETRYING: &str = r#"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static char before[1 << 16], after[1 << 16];
static int read_all(const char *path, char *into) {
  int fd = open(path, O_RDONLY), n = 0, k;
  while ((k = read(fd, into + n, (1 << 16) - 1 - n)) > 0) n += k;
  into[n] = 0; close(fd); return n;
}
int main(void) {
  char *args[] = { "name", 0 }, *env[] = { 0 };
  setvbuf(stdout, 0, _IONBF, 0);
  read_all("/proc/self/maps", before);
  for (int i = 0; i < 50; i++) {
    pid_t p = vfork();
    if (!p) { execve("/no/such/name/fails", args, env); execve("/no/such/name/fails", args, env); execve("/no/such/name", args, env); _exit(1); }
    waitpid(p, 0, 0);
  }
  read_all("/proc/self/maps", after);
  printf("maps %s\n", strcmp(before, after) ? "differ" : "same");
  return 0;
}"#;

#[test]
fn a_vfork_child_may_try_several_files() {
    let scratch = Scratch::new();
    let program = scratch.cc("retrying", RETRYING);
    let mut works = exec_elsewhere("/bin/true", None, Fate::Lives);
    let mut fails = exec_elsewhere("/no/file", None, Fate::Lives);
    let ended = run(&[program], &rows(), move |listener, n| {
        if n.call.number == libc::SYS_execve as u32 && path_of(&n, 0).ends_with("/fails") {
            fails(listener, n)
        } else {
            works(listener, n)
        }
    });
    assert_eq!((ended.exit, ended.output.as_str()), (Exit::Code(0), "maps same\n"));
}

/// i386 calls by `int 0x80`, with all that they point to below 4 GiB: chdir, then execve, in vain and then not.
#[cfg(target_arch = "x86_64")]
const BY_INT_80: &str = r#"
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
static long call(long nr, long a, long b, long c) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
  return result;
}
int main(void) {
  char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  char cwd[4096];
  unsigned *argv = (unsigned *)(low + 256), *envp = (unsigned *)(low + 512);
  setvbuf(stdout, 0, _IONBF, 0);
  strcpy(low, "/no/such/dir");
  printf("chdir %ld\n", call(12, (long)low, 0, 0));
  strcpy(low + 128, "by i386");
  argv[0] = argv[1] = (unsigned)(long)(low + 128);
  strcpy(low, "/no/such/name/fails");
  printf("execve %ld\n", call(11, (long)low, (long)argv, (long)envp));
  strcpy(low, "/no/such/name");
  printf("execve %ld\n", call(11, (long)low, (long)argv, (long)envp));
}"#;

#[cfg(target_arch = "x86_64")]
#[test]
fn i386_calls_are_replaced_by_i386_calls() {
    use mynah_intercept::Abi;
    const CHDIR: u32 = 12;
    const FCHDIR: u64 = 133;
    const EXECVE: u32 = 11;
    let scratch = Scratch::new();
    let program = scratch.cc("by_int_80", BY_INT_80);
    let real = std::fs::canonicalize(scratch.path(".")).unwrap();
    let ended = run(&[program], &[], move |listener, n| match (n.call.abi, n.call.number) {
        (Abi::I386, CHDIR) => {
            let directory = std::fs::File::open(&real).unwrap();
            let fd = listener.add_fd(n.id, directory.as_fd(), AddFd::default()).unwrap();
            Do::Later(Box::new(move |listener| {
                let args = [fd as u64, 0, 0, 0, 0, 0];
                assert_eq!(transient::replace_call_closing(listener, &n, FCHDIR, args, fd).unwrap(), 0);
            }))
        }
        (Abi::I386, EXECVE) => {
            let shown = path_of(&n, 0);
            let file = if shown.ends_with("/fails") { "/no/file" } else { "/bin/echo" };
            let plan = ExecPlan {
                file: file.into(),
                argv: Some(vec![b"echo".to_vec(), b"by i386".to_vec()]),
                shown: shown.into_bytes(),
                auxv: vec![],
                close_on_failure: vec![],
            };
            Do::Later(Box::new(move |listener| {
                transient::exec(listener, &n, &plan).unwrap();
            }))
        }
        _ => Do::Resume,
    });
    assert_eq!((ended.exit, ended.output.as_str()), (Exit::Code(0), "chdir 0\nexecve -2\nby i386\n"));
}

#[test]
fn all_this_holds_for_an_ordinary_user() {
    supervised::again_as_ordinary_user("ordinary_user");
}

#[test]
fn all_this_holds_by_tracing() {
    supervised::again_by_tracing("by_tracing");
}

/// What cannot be led: several threads, and 32-bit programs; what is not led, but left to the kernel; and tests that kill, or
/// bring, the debugger.
const NOT_LED: &[&str] = &[
    // Put right when the new program is first heard of, and this one may be done before: its loader's calls are not notified here.
    "at_execfn",
    "i386",
    "of_threads",
    "one_thread",
    "entries_of_the_auxiliary_vector",
    "execve_as_it_is",
    "other_than_the_leader",
    "python_subprocess",
    "restart_code",
    "sigkill",
    "what_a_call_wrote",
];

#[test]
#[cfg(target_arch = "x86_64")]
fn all_this_holds_in_a_debugger() {
    supervised::again_in_a_debugger(&[NOT_LED, &["in_a_debugger", "by_tracing", "ordinary_user"]].concat());
}

const LEAVING: &str = r#"
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>
static unsigned char code[2][64], vdso[2][8192];
static void look(int i) { memcpy(code[i], chdir, 64); memcpy(vdso[i], (void *)getauxval(AT_SYSINFO_EHDR), 8192); }
static void *other(void *x) { pause(); return 0; }
int main(int c, char **v) {
  look(0);
  int there = chdir("/no/such/dir");
  look(1);
  printf("%d code %d vdso %d\n", there, memcmp(code[0], code[1], 64), memcmp(vdso[0], vdso[1], 8192));
  pthread_t t;
  pthread_create(&t, 0, other, 0);
  printf("%d\n", chdir("/no/such/dir"));
  return 0;
}"#;

#[test]
#[cfg(target_arch = "x86_64")]
fn one_thread_is_led_and_keeps_its_instructions_and_of_several_none_is() {
    if supervised::mechanism() == Mechanism::Trace {
        return;
    }
    let scratch = Scratch::new();
    let program = scratch.cc("leaving", LEAVING);
    let real = std::fs::File::open(scratch.path(".")).unwrap();
    let strace = ["strace", "-qq", "-o", "/dev/null", show(&program)];
    let ended = run(&strace, &rows(), move |listener, n| {
        // A debugger makes calls of its own to find out what its kernel can do.
        if n.call.number != libc::SYS_chdir as u32 || path_of(&n, 0) != "/no/such/dir" {
            return Do::Resume;
        }
        let fd = listener.add_fd(n.id, real.as_fd(), AddFd::default()).unwrap();
        Do::Later(Box::new(move |listener| {
            let args = [fd as u64, 0, 0, 0, 0, 0];
            match transient::replace_call_closing(listener, &n, libc::SYS_fchdir as u64, args, fd) {
                Ok(0) => {}
                Err(TransientError::Traced) => listener.answer(n.id, Answer::Errno(libc::EPERM)).unwrap(),
                other => panic!("{other:?}"),
            }
        }))
    });
    assert_eq!(ended.output, "0 code 0 vdso 0\n-1\n");
}
