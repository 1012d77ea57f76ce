//! Python's own tests of what it asks of the system (Debian's `libpython3-testsuite`), by an ordinary user: what passes natively
//! passes in a directory of a Chirp server too, and in a local one.
//!
//! What fails or is left out natively is found by the run itself. Everywhere, and not only where CI has the time for it, they are
//! run with `MYNAH_TEST_ALL=1` (`make test-all`).

mod site;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use mynah_testkit::oracle::Leg;
use mynah_testkit::run::{Outcome, run};

use site::Site;

/// The modules, and whether they are run in local directories in CI as well: the quick ones are.
const MODULES: &[(&str, Local)] = &[
    ("test_eintr", Local::Always),
    ("test_epoll", Local::Always),
    ("test_fcntl", Local::Always),
    ("test_fileio", Local::Always),
    ("test_fork1", Local::Always),
    ("test_io", Local::All),
    ("test_mmap", Local::Always),
    ("test_multiprocessing_fork", Local::All),
    ("test_os", Local::Always),
    ("test_pathlib", Local::All),
    ("test_posix", Local::Always),
    ("test_pty", Local::Always),
    ("test_select", Local::Always),
    ("test_shutil", Local::Always),
    ("test_signal", Local::All),
    ("test_socket", Local::All),
    ("test_subprocess", Local::All),
    ("test_tempfile", Local::Always),
    ("test_threading", Local::All),
    ("test_wait4", Local::Always),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Local {
    Always,
    /// With `MYNAH_TEST_ALL` only.
    All,
}

/// Tests that pass natively and not under Mynah, on which leg, and why.
const EXCEPTIONS: &[(&str, Leg, &str)] = &[(
    "test.test_fcntl.TestFcntl.test_fcntl_64_bit",
    Leg::Chirp,
    "it asks for F_NOTIFY on its directory, which is refused on a mount: inotify is what tells changes there",
)];

/// One module takes two minutes at most on a slow machine; only what hangs reaches this.
const MODULE_LIMIT: Duration = Duration::from_secs(400);

/// How often a test is run, the last times alone, before it has failed: many of them set time limits for themselves, which a
/// busy machine does not keep.
const ATTEMPTS: u32 = 3;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let all = env::var_os("MYNAH_TEST_ALL").is_some();
    let trials = MODULES.iter().map(|&(module, local)| {
        let everywhere = all || local == Local::Always;
        let legs: &[Leg] = if everywhere { &[Leg::Chirp, Leg::Local] } else { &[Leg::Chirp] };
        Trial::test(module, move || check(module, legs))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn check(module: &str, legs: &[Leg]) -> Result<(), Failed> {
    let suite = Suite { site: Site::new(module), module };
    let serving = suite.site.serve();
    let (natively, _) = suite.perform(Leg::Native, serving.port(), &[])?;
    let passed: Vec<&String> =
        natively.iter().filter(|(_, verdict)| **verdict == Verdict::Passed).map(|(name, _)| name).collect();
    if passed.is_empty() {
        return Err("no test passes natively".into());
    }
    for &leg in legs {
        let mut failed: Vec<&String> = passed.clone();
        let mut said = String::new();
        for attempt in 0..ATTEMPTS {
            let only: &[&String] = if attempt == 0 { &[] } else { &failed };
            let seen;
            (seen, said) = suite.perform(leg, serving.port(), only)?;
            failed.retain(|name| seen.get(*name) != Some(&Verdict::Passed));
            if failed.is_empty() {
                break;
            }
        }
        judge(module, leg, &failed).map_err(|fault| format!("{fault}\n{said}"))?;
    }
    Ok(())
}

/// What failed must be what is listed.
fn judge(module: &str, leg: Leg, failed: &[&String]) -> Result<(), String> {
    let listed = |name: &str| EXCEPTIONS.iter().any(|row| (row.0, row.1) == (name, leg));
    let unexpected: Vec<_> = failed.iter().filter(|name| !listed(name)).collect();
    if !unexpected.is_empty() {
        return Err(format!("{leg}: these pass natively and not under Mynah: {unexpected:#?}"));
    }
    let prefix = format!("test.{module}.");
    for (name, ..) in EXCEPTIONS.iter().filter(|row| row.0.starts_with(&prefix) && row.1 == leg) {
        if !failed.iter().any(|failed| failed == name) {
            return Err(format!("{leg}: {name} is listed as an exception and passes"));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Passed,
    LeftOut,
    Failed,
}

struct Suite<'a> {
    site: Site,
    module: &'a str,
}

impl Suite<'_> {
    /// The verdicts on the module, or on only some of its tests, and the end of what it said, in a fresh directory on `leg`, where its temporary files are too.
    fn perform(
        &self,
        leg: Leg,
        port: u16,
        only: &[&String],
    ) -> Result<(BTreeMap<String, Verdict>, String), Failed> {
        let report = self.site.join(format!("local/{leg}-{}.xml", only.len()));
        let name = format!("{leg}-{}", only.len());
        let real = if leg == Leg::Chirp { "served" } else { "temporary" };
        let directory = self.site.directory(&format!("{real}/{name}"));
        let seen = if leg == Leg::Chirp { Path::new("/mounted").join(&name) } else { directory.clone() };
        let mount = format!("/mounted=chirp://127.0.0.1:{port}/,symlinks=all");
        let script = r#"cd "$1" && export TMPDIR="$1" && shift && exec /usr/bin/python3 -m test "$@""#;
        let mut program =
            vec!["/bin/sh".into(), "-c".into(), script.into(), "sh".into(), seen.into_os_string()];
        program.extend(["--verbose".into(), "--junit-xml".into(), report.clone().into_os_string()]);
        for name in only {
            program.extend(["--match".into(), name.into()]);
        }
        program.push(self.module.into());
        let mut command = match leg {
            Leg::Native => {
                let mut command = self.site.command(&program[0]);
                command.args(&program[1..]);
                command
            }
            Leg::Local | Leg::Shown => self.site.mynah(&[], &program),
            Leg::Chirp => self.site.mynah(&["--mount", &mount], &program),
        };
        let outcome = run(command.env("LC_ALL", "C.UTF-8"), MODULE_LIMIT)?;
        let verdicts = fs::read_to_string(&report).map(|report| verdicts(&report)).map_err(|_| {
            format!("{leg}: no report; it ended by {:?}: {}", outcome.ended, end_of(&outcome))
        })?;
        // The suites leave gigabytes behind where they fail; directories closed to their owner too.
        Command::new("rm").arg("-rf").arg(&directory).status()?;
        Ok((verdicts, end_of(&outcome)))
    }
}

fn end_of(outcome: &Outcome) -> String {
    const LINES: usize = 80;
    let text = format!("{}{}", outcome.out(), outcome.err());
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// The tests of a report in the format of `JUnit`; of those that are in it more than once (by their subtests), the worst verdict.
fn verdicts(report: &str) -> BTreeMap<String, Verdict> {
    let mut found = BTreeMap::new();
    // What tests print is escaped, so that a tag is a tag.
    for case in report.split("<testcase ").skip(1) {
        let Some(name) = case.split("name=\"").nth(1).and_then(|rest| rest.split('"').next()) else {
            continue;
        };
        let verdict = if case.contains("<failure") || case.contains("<error") {
            Verdict::Failed
        } else if case.contains("<skipped") {
            Verdict::LeftOut
        } else {
            Verdict::Passed
        };
        let worst = found.entry(name.to_owned()).or_insert(verdict);
        *worst = verdict.max(*worst);
    }
    found
}
