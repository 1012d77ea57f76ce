//! Other people's suites on a Chirp mount, as an ordinary user: what passes on the server's own disk passes under Mynah.
//!
//! They are installed from the crate registry, in fixed versions, into `target/tools` when they are not there yet.

mod site;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mynah_testkit::run::{Ended, run};

use site::{Site, assert_ended};

const PJDFSTEST: (&str, &str) = ("pjdfstest", "0.2.2");
const FSX: (&str, &str) = ("fsx", "0.3.2");

/// A whole suite, on a slow machine, with an unoptimised Mynah.
const SUITE_LIMIT: Duration = Duration::from_secs(1200);

/// The part of the cases that pass natively which may be listed in [`EXCEPTIONS`].
const EXCEPTIONS_PER_CENT: usize = 5;

/// Cases of pjdfstest that pass on the server's disk and not on a mount, each with its reason.
const EXCEPTIONS: &[(&str, &str)] = &[(
    "link::link_count_max",
    "glibc finds the greatest link count of an ext file system by its device in /sys, where that of a mount is not",
)];

#[test]
fn pjdfstest_passes() {
    let site = Site::new("pjdfstest");
    let program = site.lend(&tool(PJDFSTEST));
    let settings = site.file("pjdfstest.toml", PJDFSTEST_SETTINGS);
    let serving = site.serve();
    let words = |place: &Path| -> [OsString; 5] {
        [program.clone().into(), "-c".into(), settings.clone().into(), "-p".into(), place.into()]
    };
    let native = run(site.command(&program).args(&words(&site.join("served"))[1..]), SUITE_LIMIT).unwrap();
    let native = cases(&native.out());
    assert!(native.len() > 200, "the suite ran: {} cases", native.len());

    let mounted = run(&mut site.mynah(&[], &words(&serving.mount())), SUITE_LIMIT).unwrap();
    let mounted = cases(&mounted.out());

    let passed: Vec<&String> = native.iter().filter(|(_, ok)| **ok).map(|(name, _)| name).collect();
    let failed: Vec<&String> =
        passed.iter().copied().filter(|name| !mounted.get(*name).copied().unwrap_or(false)).collect();
    let listed = |name: &str| EXCEPTIONS.iter().any(|(listed, _)| *listed == name);
    let unexpected: Vec<_> = failed.iter().filter(|name| !listed(name)).collect();
    assert!(unexpected.is_empty(), "{} of {} fail: {unexpected:#?}", unexpected.len(), passed.len());
    for (name, _) in EXCEPTIONS {
        assert!(failed.iter().any(|failed| failed == name), "{name} is listed as an exception and passes");
    }
    assert!(EXCEPTIONS.len() * 100 <= passed.len() * EXCEPTIONS_PER_CENT, "too many exceptions");
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

#[test]
fn fsx_passes() {
    let site = Site::new("fsx");
    let program = site.lend(&tool(FSX));
    let settings = site.file("fsx.toml", FSX_SETTINGS);
    let serving = site.serve();
    for seed in 1..=8_u32 {
        let file = serving.mount().join(format!("file-{seed}"));
        let mut words: Vec<OsString> = vec![program.clone().into(), "-f".into(), settings.clone().into()];
        words.extend(["-N2000".into(), format!("-S{seed}").into(), "-P".into()]);
        words.extend([site.join("local").into(), file.into()]);
        let outcome = run(&mut site.mynah(&[], &words), SUITE_LIMIT).unwrap();
        assert_ended(&outcome, Ended::Exit(0));
        assert!(outcome.out().contains("A-OK"), "seed {seed}: {}{}", outcome.out(), outcome.err());
    }
}

/// Every operation that Linux has, closing and opening again among them.
const FSX_SETTINGS: &str = "
flen = 262144
[weights]
close_open = 5
truncate = 5
fsync = 3
fdatasync = 3
posix_fallocate = 1
punch_hole = 1
sendfile = 1
posix_fadvise = 1
copy_file_range = 1
";

/// Where the program of a crate is, after installing it if it is not there in this version.
fn tool((name, version): (&str, &str)) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("tools");
    let installed = fs::read_to_string(root.join(".crates.toml")).unwrap_or_default();
    if !installed.contains(&format!("\"{name} {version} ")) {
        let cargo = option_env!("CARGO").unwrap_or("cargo");
        let mut command = Command::new(cargo);
        command
            .args(["install", "--quiet", "--locked", "--root"])
            .arg(&root)
            .arg(format!("{name}@{version}"));
        assert!(command.status().expect("cargo runs").success(), "{name} {version} cannot be installed");
    }
    root.join("bin").join(name)
}
