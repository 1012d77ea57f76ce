//! stress-ng: each stressor of the classes that concern us, for a moment. One that passes natively passes under Mynah.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mynah_testkit::run::{Ended, run};

use super::site::Site;

const CLASSES: [&str; 4] = ["filesystem", "interrupt", "os", "vm"];

/// Stressors that are not run, each with its reason.
const LEFT_OUT: &[(&str, &str)] = &[
    ("bigheap", "takes all memory of the machine"),
    ("cpu-online", "switches the machine's processors off"),
    // Its alarm comes in the middle of a creat(2) that has the arguments of the one before it, which then may be EINTR.
    ("filename", "now and then meets what docs/src/semantics.md says of EINTR"),
    ("forkheavy", "reserves all of the disk"),
    ("icmp-flood", "floods a network"),
    ("memhotplug", "takes memory out of the machine"),
    ("oom-pipe", "takes all memory of the machine"),
    ("pageswap", "swaps the machine's memory"),
    ("reboot", "reboots where it may"),
    ("resources", "reserves all of the disk"),
    ("swap", "changes the machine's swap space"),
    ("udp-flood", "floods a network"),
    ("watchdog", "arms the machine's watchdog"),
];

/// Stressors that pass natively and not under Mynah, each with its reason.
const EXCEPTIONS: &[(&str, &str)] =
    &[("dnotify", "F_NOTIFY is EINVAL for remote directories, where nobody would send the signal")];

/// What is enough to come by each way through a stressor, and no more.
const BOUNDS: [&str; 6] = ["--timeout", "1", "--verify", "--oomable", "--no-rand-seed", "--log-brief"];
/// Those that would otherwise work on a gigabyte.
const SIZES: [&str; 13] = [
    "fallocate",
    "fiemap",
    "hdd",
    "iomix",
    "malloc",
    "memfd",
    "mmap",
    "mremap",
    "readahead",
    "shm",
    "sync-file",
    "vm",
    "vm-rw",
];
const OPERATIONS: &str = "10";
/// A stressor ends after a second by itself; only what hangs reaches this.
const LIMIT: Duration = Duration::from_secs(120);
/// They are run so many at a time.
const AT_A_TIME: usize = 3;

#[test]
fn stress_ng_passes_on_a_mount() {
    let site = Site::new("stress-mount");
    let serving = site.serve();
    passes(&site, &serving.mount(), EXCEPTIONS);
}

#[test]
fn stress_ng_passes_locally() {
    let site = Site::new("stress-local");
    passes(&site, &site.directory("work"), &[]);
}

fn passes(site: &Site, directory: &Path, exceptions: &[(&str, &str)]) {
    let all: Vec<String> = stressors().into_iter().collect();
    assert!(all.len() > 150, "stress-ng has the classes: {all:?}");
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(name) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = judge(site, directory, name);
                    verdicts.lock().expect("no panic").insert(name.clone(), verdict);
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().expect("no panic");
    let told = |wanted: fn(&Verdict) -> bool| -> Vec<&String> {
        verdicts.iter().filter(|(_, verdict)| wanted(verdict)).map(|(name, _)| name).collect()
    };
    // Past the test harness, which keeps what a test prints to itself.
    let told = format!(
        "passed: {}\nskipped by themselves: {:?}\nfailed natively: {:?}\n",
        told(|verdict| matches!(verdict, Verdict::Passed)).len(),
        told(|verdict| matches!(verdict, Verdict::Skipped)),
        told(|verdict| matches!(verdict, Verdict::FailsNatively)),
    );
    std::io::stdout().write_all(told.as_bytes()).expect("it is told");
    let failed: BTreeMap<_, _> = verdicts
        .iter()
        .filter_map(|(name, verdict)| match verdict {
            Verdict::Failed(report) => Some((name.as_str(), report)),
            _ => None,
        })
        .collect();
    let unexpected: BTreeMap<_, _> =
        failed.iter().filter(|(name, _)| !exceptions.iter().any(|(listed, _)| listed == *name)).collect();
    assert!(unexpected.is_empty(), "{unexpected:#?}");
    for (name, _) in exceptions {
        assert!(failed.contains_key(name), "{name} is listed as an exception and passes");
    }
}

enum Verdict {
    Passed,
    /// It needs what is not here: a device, a privilege, a part of the kernel.
    Skipped,
    FailsNatively,
    /// It passes natively; what it said under Mynah.
    Failed(String),
}

/// A stressor that fails under Mynah is run natively, and if it passes there once more under Mynah: on a machine that is busy
/// enough some of them fail now and then anywhere.
fn judge(site: &Site, directory: &Path, name: &str) -> Verdict {
    match stress(site, Some(directory), name) {
        Ok(report) if report.contains("skip") => Verdict::Skipped,
        Ok(_) => Verdict::Passed,
        Err(_) => match stress(site, None, name) {
            Err(_) => Verdict::FailsNatively,
            Ok(_) => stress(site, Some(directory), name).map_or_else(Verdict::Failed, |_| Verdict::Passed),
        },
    }
}

/// Runs one: under Mynah in `directory`, or natively. What it said, as an error if it failed.
fn stress(site: &Site, directory: Option<&Path>, name: &str) -> Result<String, String> {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let own = site.directory(&format!("{name}-{}", RUNS.fetch_add(1, Ordering::Relaxed)));
    let place = directory.map_or(own.clone(), Path::to_owned);
    let words = words(name, place);
    let mut command = match directory {
        Some(_) => site.mynah(&[], &words),
        None => site.command(&words[0]),
    };
    if directory.is_none() {
        command.args(&words[1..]);
    }
    // Some leave files where they are started.
    command.current_dir(&own);
    let outcome = run(&mut command, LIMIT).expect("it runs");
    let _ = fs::remove_dir_all(&own);
    let report = format!("{:?}\n{}{}", outcome.ended, outcome.out(), outcome.err());
    let failed = outcome.ended != Ended::Exit(0) || report.contains("fail:");
    if failed { Err(report) } else { Ok(report) }
}

fn words(name: &str, place: PathBuf) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["stress-ng".into(), format!("--{name}").into(), "1".into()];
    words.extend([format!("--{name}-ops").into(), OPERATIONS.into()]);
    if SIZES.contains(&name) {
        words.extend([format!("--{name}-bytes").into(), "8M".into()]);
    }
    words.extend(BOUNDS.map(OsString::from));
    words.extend(["--temp-path".into(), place.into()]);
    words
}

fn stressors() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for class in CLASSES {
        let listed =
            Command::new("stress-ng").args(["--class", &format!("{class}?")]).output().expect("stress-ng");
        let text = String::from_utf8_lossy(&listed.stdout).into_owned();
        let names = text.split_once(':').map_or("", |(_, names)| names);
        all.extend(names.split_whitespace().map(str::to_owned));
    }
    for (name, _) in LEFT_OUT {
        all.remove(*name);
    }
    all
}
