//! Children and orphans. In a test program of their own: being a subreaper concerns the whole process.
#![allow(clippy::unwrap_used, clippy::zombie_processes)] // reaping is what is tested

mod supervised;

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use mynah_intercept::Tid;
use mynah_intercept::pidfd::PidFd;
use mynah_intercept::subreaper::{ChildState, Exit, become_subreaper, child_state, reap, wait};

fn wait_readable(pidfd: &PidFd) {
    let mut fds = [rustix::event::PollFd::new(pidfd, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut fds, None).unwrap();
}

/// One test: what it reaps are all of the process's children.
#[test]
fn children_and_orphans_are_seen_and_reaped() {
    become_subreaper().unwrap();

    // An orphan: its parent tells its number and ends.
    let script = "sleep 100 & echo $!";
    let mut parent = Command::new("/bin/sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let orphan = Tid(line.trim().parse().unwrap());
    parent.wait().unwrap();
    assert_eq!(child_state(orphan).unwrap(), ChildState::Running);
    assert_eq!(reap().unwrap(), None);

    let pidfd = PidFd::open(orphan).unwrap();
    pidfd.kill(libc::SIGSTOP).unwrap();
    while child_state(orphan).unwrap() != ChildState::Stopped(libc::SIGSTOP) {
        std::thread::yield_now();
    }
    assert_eq!(reap().unwrap(), None);
    pidfd.kill(libc::SIGKILL).unwrap();
    wait_readable(&pidfd);
    assert_eq!(child_state(orphan).unwrap(), ChildState::Ended(Exit::Signal(libc::SIGKILL)));
    assert_eq!(reap().unwrap(), Some((orphan, Exit::Signal(libc::SIGKILL))));
    assert_eq!(child_state(orphan).unwrap_err().raw_os_error(), Some(libc::ECHILD));
    assert_eq!(reap().unwrap_err().raw_os_error(), Some(libc::ECHILD));

    // A child in a ptrace stop does not hide those that have ended.
    let traced = traced_child();
    let mut ended = HashSet::new();
    for _ in 0..3 {
        let child = Command::new("/bin/true").spawn().unwrap();
        let pid = Tid(child.id() as i32);
        wait_readable(&PidFd::open(pid).unwrap());
        ended.insert(pid);
    }
    for _ in 0..3 {
        let (pid, exit) = reap().unwrap().unwrap();
        assert!(ended.remove(&pid) && exit == Exit::Code(0));
    }
    assert_eq!(reap().unwrap(), None);
    assert_eq!(child_state(traced).unwrap(), ChildState::Running);
    PidFd::open(traced).unwrap().kill(libc::SIGKILL).unwrap();
    assert_eq!(wait(traced).unwrap(), Exit::Signal(libc::SIGKILL));
    assert_eq!(wait(traced).unwrap_err().raw_os_error(), Some(libc::ECHILD));
}

/// A child of ours that we trace and that is stopped.
fn traced_child() -> Tid {
    const PTRACE_SEIZE: libc::c_ulong = 0x4206;
    const PTRACE_INTERRUPT: libc::c_ulong = 0x4207;
    let child = Command::new("sleep").arg("100").spawn().unwrap();
    let pid = child.id() as i32;
    for request in [PTRACE_SEIZE, PTRACE_INTERRUPT] {
        // SAFETY: both requests take numbers only.
        assert_eq!(unsafe { libc::syscall(libc::SYS_ptrace, request, pid, 0, 0) }, 0);
    }
    // SAFETY: all zeros are a valid siginfo_t.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let how = libc::WSTOPPED | libc::WNOWAIT;
    // SAFETY: the pointer comes from an exclusive reference.
    assert_eq!(unsafe { libc::waitid(libc::P_PID, pid as libc::id_t, &mut info, how) }, 0);
    Tid(pid)
}
