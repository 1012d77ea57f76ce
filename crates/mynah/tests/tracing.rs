//! Where there is no seccomp listener to be had, and where nothing can be had.

#![allow(clippy::unwrap_used)]

mod site;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use mynah_testkit::run::{Ended, run};
use site::{LIMIT, Site, assert_ended, assert_refused};

/// `mynah run OPTIONS -- /bin/sh -c SCRIPT`, as an engine would start it that has a listener for `call`.
fn supervised(site: &Site, call: &str, options: &[&str], script: &str) -> Command {
    let supervisor = site.compile("supervisor");
    let mynah = site.mynah_plainly(options, &["/bin/sh", "-c", script]);
    let mut command = site.command(supervisor);
    command.arg(call).arg(mynah.get_program()).args(mynah.get_args());
    command
}

const IS_TRACED: &str = "grep -q '^TracerPid:.*[1-9]' /proc/self/status";

#[test]
fn under_another_supervisor_programs_are_traced() {
    let site = Site::new("supervised");
    let serving = site.serve();
    fs::write(site.join("served/file"), "from the server\n").unwrap();
    let mount = serving.mount();
    let script = format!("cat {0}/file && cd {0} && pwd && cat < file | cat && {IS_TRACED}", mount.display());
    let outcome = run(&mut supervised(&site, "swapon", &[], &script), LIMIT).unwrap();
    assert_ended(&outcome, Ended::Exit(0));
    let expected = format!("from the server\n{}\nfrom the server\n", mount.display());
    assert_eq!(outcome.out(), expected);
}

#[test]
fn without_another_supervisor_nobody_is_traced() {
    let site = Site::new("unsupervised");
    let outcome = run(&mut site.mynah_plainly::<&str, _>(&[], &["/bin/sh", "-c", IS_TRACED]), LIMIT).unwrap();
    assert_ended(&outcome, Ended::Exit(1));
}

#[test]
fn a_supervisor_that_takes_vital_calls_is_told_at_once() {
    let site = Site::new("hidden");
    let outcome = run(&mut supervised(&site, "openat", &[], "true"), LIMIT).unwrap();
    assert_refused(&outcome, 125, &["another supervisor", "openat"]);
}

#[test]
fn whoever_insists_on_a_listener_learns_that_there_is_none() {
    let site = Site::new("insisting");
    let outcome = run(&mut supervised(&site, "swapon", &["--mechanism", "listener"], "true"), LIMIT).unwrap();
    assert_refused(&outcome, 125, &["another supervisor"]);
}

/// A program that its user may run but not read is closed to that user, and so are its children until they execute others.
#[test]
fn where_memory_cannot_be_read_nothing_is_begun() {
    let site = Site::new("closed");
    fs::set_permissions(site.mynah_path(), fs::Permissions::from_mode(0o111)).unwrap();
    for mechanism in ["auto", "listener", "trace"] {
        let options = ["--mechanism", mechanism];
        let outcome = run(&mut site.mynah_plainly(&options, &["/bin/echo", "begun"]), LIMIT).unwrap();
        assert_refused(&outcome, 125, &["memory of programs cannot be read", "readable"]);
        assert_eq!(outcome.out(), "");
    }
}

#[test]
fn no_debugger_works_inside_and_the_kernel_says_so() {
    let site = Site::new("debugger");
    let options = ["--mechanism", "trace"];
    let outcome =
        run(&mut site.mynah_plainly(&options, &["strace", "-o", "/dev/null", "true"]), LIMIT).unwrap();
    assert_ended(&outcome, Ended::Exit(1));
    assert!(outcome.err().contains("Operation not permitted"), "{}", outcome.err());
}

#[test]
fn a_listener_inside_is_refused_as_where_we_have_one_ourselves() {
    let site = Site::new("inside");
    let supervisor = site.compile("supervisor");
    let program = [supervisor.to_str().unwrap(), "swapon", "/bin/true"];
    for mechanism in ["listener", "trace"] {
        let outcome = run(&mut site.mynah_plainly(&["--mechanism", mechanism], &program), LIMIT).unwrap();
        // What the program ends with when it gets none.
        assert_ended(&outcome, Ended::Exit(99));
    }
}
