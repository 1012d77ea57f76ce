//! pjdfstest: what POSIX says of names, rights and times.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use mynah_testkit::run::{Identity, run};

use super::site::Site;
use super::{SUITE_LIMIT, tool};

const PJDFSTEST: (&str, &str) = ("pjdfstest", "0.2.2");

/// A case, or all below it, that passes on the server's disk and not on a mount.
struct Exception {
    case: &'static str,
    /// The user as whom it fails; `None` for every user.
    identity: Option<Identity>,
    reason: &'static str,
}

const EXCEPTIONS: &[Exception] = &[
    Exception {
        case: "link::link_count_max",
        identity: None,
        reason: "glibc finds the greatest link count of an ext file system by its device in /sys, where that of a mount is not",
    },
    Exception {
        case: "rmdir::ebusy",
        identity: Some(Identity::Root),
        reason: "nothing is mounted by the kernel on a remote directory (EPERM)",
    },
];

impl Exception {
    fn covers(&self, identity: Identity, case: &str) -> bool {
        let below = |rest: &str| rest.is_empty() || rest.starts_with("::");
        self.identity.is_none_or(|own| own == identity) && case.strip_prefix(self.case).is_some_and(below)
    }
}

/// How many of the cases that pass natively may be exceptions, in a hundred.
const EXCEPTIONS_PER_CENT: usize = 2;

#[test]
fn pjdfstest_passes() {
    for &identity in Identity::available() {
        passes_as(identity);
    }
}

fn passes_as(identity: Identity) {
    let site = Site::of("pjdfstest", identity);
    let program = site.lend(&tool(PJDFSTEST));
    let settings = site.file("pjdfstest.toml", PJDFSTEST_SETTINGS);
    let serving = site.serve();
    let words = |place: &Path| -> [OsString; 5] {
        [program.clone().into(), "-c".into(), settings.clone().into(), "-p".into(), place.into()]
    };
    let native =
        run(site.command(&program).args(&words(&site.join("served"))[1..]), SUITE_LIMIT).expect("it runs");
    let native = cases(&native.out());
    assert!(native.len() > 200, "the suite ran: {} cases", native.len());

    let mounted = run(&mut site.mynah(&[], &words(&serving.mount())), SUITE_LIMIT).expect("it runs");
    let mounted = cases(&mounted.out());

    let passed: Vec<&String> = native.iter().filter(|(_, ok)| **ok).map(|(name, _)| name).collect();
    let failed: Vec<&String> =
        passed.iter().copied().filter(|name| !mounted.get(*name).copied().unwrap_or(false)).collect();
    let exception = |name: &str| EXCEPTIONS.iter().find(|exception| exception.covers(identity, name));
    let unexpected: Vec<_> = failed.iter().filter(|name| exception(name).is_none()).collect();
    assert!(
        unexpected.is_empty(),
        "as {identity} {} of {} fail: {unexpected:#?}",
        unexpected.len(),
        passed.len()
    );
    for exception in EXCEPTIONS.iter().filter(|one| one.identity.is_none_or(|own| own == identity)) {
        let Exception { case, reason, .. } = exception;
        let met = failed.iter().any(|failed| exception.covers(identity, failed));
        assert!(met, "{case} is listed as an exception for {identity} and passes: {reason}");
    }
    assert!(
        failed.len() * 100 <= passed.len() * EXCEPTIONS_PER_CENT,
        "as {identity} {} of {} fail",
        failed.len(),
        passed.len()
    );
}

/// The suite's own defaults name users that Debian does not have.
const PJDFSTEST_SETTINGS: &str = r#"
[features]
posix_fallocate = {}
rename_ctime = {}
utimensat = {}
utime_now = {}
stat_st_birthtime = {}
[settings]
naptime = 0.01
allow_remount = false
[dummy_auth]
entries = [["nobody", "nogroup"], ["daemon", "daemon"]]
"#;

/// The cases that the suite reports, with whether each passed; those that it skips are left out.
fn cases(report: &str) -> BTreeMap<String, bool> {
    let plain = without_colours(report);
    let parsed = plain.lines().filter_map(|line| {
        let (name, verdict) = line.split_once(char::is_whitespace)?;
        match verdict.trim() {
            "ok" => Some((name.to_owned(), true)),
            "FAILED" => Some((name.to_owned(), false)),
            _ => None,
        }
    });
    parsed.collect()
}

/// The suite colours its words also when nobody can see it.
fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}
