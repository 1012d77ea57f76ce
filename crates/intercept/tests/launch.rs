//! Programs started under a filter, and their notifications.

#![allow(clippy::unwrap_used)]

mod supervised;

use std::ffi::CString;
use std::os::fd::AsFd;
use std::thread;

use mynah_intercept::filter::Program;
use mynah_intercept::launch::{Launch, launch};
use mynah_intercept::listener::{AddFd, Answer};
use mynah_intercept::subreaper::{self, Exit};
use rustix::process::{Resource, Rlimit};
use supervised::{Do, Scratch, environment, notify, path_of, program_of, run, serve, show, strings};

#[test]
fn a_program_runs_to_its_end() {
    assert_eq!(run(&["/bin/true"], &[], |_, _| Do::Resume).exit, Exit::Code(0));
    assert_eq!(run(&["/bin/sh", "-c", "exit 3"], &[], |_, _| Do::Resume).exit, Exit::Code(3));
    assert_eq!(
        run(&["/bin/sh", "-c", "kill -TERM $$"], &[], |_, _| Do::Resume).exit,
        Exit::Signal(libc::SIGTERM)
    );
}

#[test]
fn resumed_calls_are_performed() {
    let rows = notify(&[libc::SYS_openat, libc::SYS_execve, libc::SYS_newfstatat]);
    let ended = run(&["/bin/sh", "-c", "cat /proc/self/comm; (echo sub); ls -d /"], &rows, |_, _| Do::Resume);
    assert_eq!((ended.exit, ended.output.as_str()), (Exit::Code(0), "cat\nsub\n/\n"));
}

#[test]
fn an_injected_descriptor_answers_an_open() {
    let scratch = Scratch::new();
    let file = scratch.path("content");
    std::fs::write(&file, "from elsewhere\n").unwrap();
    let ended = run(&["cat", "/no/such/file"], &notify(&[libc::SYS_openat]), move |listener, n| {
        if path_of(&n, 1) != "/no/such/file" {
            return Do::Resume;
        }
        let source = std::fs::File::open(&file).unwrap();
        let how = AddFd { cloexec: false, at: None, answer: true };
        assert!(listener.add_fd(n.id, source.as_fd(), how).unwrap() > 2);
        Do::Answered
    });
    assert_eq!((ended.exit, ended.output.as_str()), (Exit::Code(0), "from elsewhere\n"));
}

#[test]
fn an_error_answers_a_call() {
    let ended = run(&["cat", "/etc/passwd"], &notify(&[libc::SYS_openat]), |_, n| {
        if path_of(&n, 1) == "/etc/passwd" { Do::Answer(Answer::Errno(libc::EXDEV)) } else { Do::Resume }
    });
    assert_eq!(ended.exit, Exit::Code(1));
    assert!(ended.output.contains("Invalid cross-device link"), "{}", ended.output);
}

fn plain<'a>(argv: &'a [CString], envp: &'a [CString], filter: &'a Program) -> Launch<'a> {
    Launch { program: &argv[0], argv, envp, filter: Some(filter), limits: &[], ignored: &[], blocked: &[] }
}

/// Starts `program` with all calls allowed; gives its exit and the errno of its execve.
fn exec_by_name(program: &str, envp: &[&str]) -> (Option<i32>, Exit) {
    let (name, envp, filter) = (strings(&[program]), strings(envp), program_of(&notify(&[libc::SYS_execve])));
    let ignored = [libc::SIGHUP];
    let how = Launch { ignored: &ignored, ..plain(&name, &envp, &filter) };
    let mut launched = launch(&how).unwrap();
    let listener = launched.listener.clone().expect("a filter's listener");
    let server = thread::spawn(move || serve(&listener, |_, _| Do::Resume));
    launched.go().unwrap();
    let failure = launched.exec_failure().unwrap();
    let exit = subreaper::wait(launched.pid).unwrap();
    server.join().unwrap();
    (failure, exit)
}

#[test]
fn a_program_is_looked_for_as_execvp_does() {
    let scratch = Scratch::new();
    let script = scratch.path("no-interpreter-line");
    std::fs::write(&script, "exit 5\n").unwrap();
    let unexecutable = scratch.path("data");
    std::fs::write(&unexecutable, "").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    let path = format!("PATH=/no/such/directory:{}:/bin", show(script.parent().unwrap()));
    assert_eq!(exec_by_name("true", &[&path]), (None, Exit::Code(0)));
    assert_eq!(exec_by_name("true", &[]), (None, Exit::Code(0)));
    assert_eq!(exec_by_name("no-interpreter-line", &[&path]), (None, Exit::Code(5)));
    assert_eq!(exec_by_name("data", &[&path]), (Some(libc::EACCES), Exit::Code(127)));
    assert_eq!(exec_by_name("no-such-program", &[&path]), (Some(libc::ENOENT), Exit::Code(127)));
    assert_eq!(exec_by_name("", &[&path]), (Some(libc::ENOENT), Exit::Code(127)));
}

#[test]
fn signals_and_descriptors_are_as_a_program_expects_them() {
    let ended = run(&["grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"], &[], |_, _| Do::Resume);
    assert_eq!(ended.output, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
    let ended = run(&["grep", "NoNewPrivs", "/proc/self/status"], &[], |_, _| Do::Resume);
    assert_eq!(ended.output, "NoNewPrivs:\t1\n");
    let native = std::process::Command::new("ls").arg("/proc/self/fd").output().unwrap();
    assert_eq!(run(&["ls", "/proc/self/fd"], &[], |_, _| Do::Resume).output.as_bytes(), native.stdout);
}

#[test]
fn signals_are_blocked_as_they_were() {
    // The last is one that the C library keeps to itself.
    let (blocked, ignored) = ([libc::SIGUSR1, 64, 32], [libc::SIGUSR2]);
    // No shell in between: some of them begin with an empty mask.
    let search = ["grep", "-qE", "^SigBlk:\t8000000080000200$", "/proc/self/status"];
    let (argv, envp, filter) = (strings(&search), environment(), program_of(&[]));
    let how = Launch { blocked: &blocked, ignored: &ignored, ..plain(&argv, &envp, &filter) };
    let mut launched = launch(&how).unwrap();
    let listener = launched.listener.clone().expect("a filter's listener");
    let server = thread::spawn(move || serve(&listener, |_, _| Do::Resume));
    launched.go().unwrap();
    assert_eq!(subreaper::wait(launched.pid).unwrap(), Exit::Code(0));
    server.join().unwrap();
}

#[test]
fn a_filter_that_would_catch_the_launch_itself_is_refused() {
    let (argv, envp) = (strings(&["true"]), environment());
    let filter = program_of(&notify(&[libc::SYS_write]));
    let how = plain(&argv, &envp, &filter);
    assert_eq!(launch(&how).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
}

#[test]
fn a_launch_that_is_given_up_leaves_no_program() {
    let filter = program_of(&notify(&[libc::SYS_exit_group]));
    let (argv, envp) = (strings(&["true"]), environment());
    let how = plain(&argv, &envp, &filter);
    let launched = launch(&how).unwrap();
    let pid = launched.pid;
    drop(launched);
    assert_eq!(subreaper::wait(pid).unwrap(), Exit::Signal(libc::SIGKILL));
}

#[test]
fn limits_are_set() {
    let (argv, envp, filter) = (strings(&["sh", "-c", "exit $(ulimit -n)"]), environment(), program_of(&[]));
    let limits = [(Resource::Nofile, Rlimit { current: Some(77), maximum: Some(99) })];
    let how = Launch { limits: &limits, ..plain(&argv, &envp, &filter) };
    let mut launched = launch(&how).unwrap();
    let listener = launched.listener.clone().expect("a filter's listener");
    let server = thread::spawn(move || serve(&listener, |_, _| Do::Resume));
    launched.go().unwrap();
    assert_eq!(launched.exec_failure().unwrap(), None);
    assert_eq!(subreaper::wait(launched.pid).unwrap(), Exit::Code(77));
    server.join().unwrap();
}

#[test]
fn all_this_holds_for_an_ordinary_user() {
    supervised::again_as_ordinary_user("ordinary_user");
}

#[test]
fn all_this_holds_by_tracing() {
    supervised::again_by_tracing("by_tracing");
}
