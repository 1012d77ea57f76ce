//! What the machine allows, on a machine that is known to allow it.

use mynah_intercept::probe;

#[test]
fn what_the_other_tests_use_is_found_to_work() {
    for (name, probe) in [
        ("seccomp_listener", probe::seccomp_listener()),
        ("wait_killable", probe::wait_killable()),
        ("addfd_send", probe::addfd_send()),
        ("process_vm", probe::process_vm()),
        ("ptrace_seize", probe::ptrace_seize()),
        ("tracing", probe::tracing()),
        ("memory", probe::memory()),
    ] {
        assert!(probe.ok, "{name}: {}", probe.detail);
    }
}

#[test]
fn a_device_that_cannot_be_opened_is_reported_with_the_reason() {
    let native = std::fs::OpenOptions::new().read(true).write(true).open("/dev/fuse");
    let probe = probe::fuse_device();
    assert_eq!(probe.ok, native.is_ok());
    if let Err(error) = native {
        assert_eq!(probe.detail, error.to_string());
    }
}

#[test]
fn what_may_be_forbidden_gives_a_finding_either_way() {
    assert!(!probe::user_namespaces().detail.is_empty());
    assert_eq!(probe::yama_scope().is_some(), std::path::Path::new("/proc/sys/kernel/yama").exists());
}
