//! Real programs at real work, natively and under Mynah: each `programs/NAME.sh` is run by bash in a fresh directory, and what
//! it prints and leaves behind must be the same in a local directory and in one of a Chirp server. Those of `programs/big`, which
//! bring servers, compilers and browsers, are run once each way, as an ordinary user.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use mynah_testkit::oracle::{Leg, Oracle, Task};
use mynah_testkit::run::{Identity, mode_options};

/// Far more than any of them needs on a slow machine; only what hangs reaches it.
const LIMIT: Duration = Duration::from_secs(300);

fn main() -> io::Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let mynah = Path::new(env!("CARGO_BIN_EXE_mynah"));
    let oracle = Arc::new(Oracle::new(mynah)?);
    let mounting = Arc::new(Oracle::new(mynah)?.mounted_at("/home-server"));
    let mut trials = Vec::new();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    // Nobody has two tracers, and no debugger works where programs are traced (docs/src/doctor.md).
    let traced = !mode_options().is_empty();
    for (name, script) in scripts(&mounting, &tests.join("programs/big"))? {
        if traced && name == "debuggers" {
            continue;
        }
        let (task, oracle) = (task(&name, &script), Arc::clone(&mounting));
        trials.push(Trial::test(format!("big::{name}"), move || check_once(&oracle, &task, user_of(&name))));
    }
    for (name, script) in scripts(&oracle, &tests.join("programs"))? {
        for &identity in Identity::available() {
            for leg in [Leg::Native, Leg::Local, Leg::Chirp] {
                let (task, oracle) = (task(&name, &script), Arc::clone(&oracle));
                let name = format!("{name}::{leg}::{identity}");
                trials.push(Trial::test(name, move || check(&oracle, &task, leg, identity)));
            }
        }
    }
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

/// The scripts by name, each a copy that every user can read.
fn scripts(oracle: &Oracle, directory: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sh") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            found.push((name, oracle.scratch().lend(&path)?));
        }
    }
    found.sort();
    Ok(found)
}

fn task(name: &str, script: &Path) -> Task {
    Task {
        name: name.to_owned(),
        program: PathBuf::from("/usr/bin/env"),
        arguments: vec![search_path().into(), "/bin/bash".into(), "-eu".into(), script.into()],
        limit: LIMIT,
    }
}

/// Everyone's programs, and the compiler that these tests were made with.
fn search_path() -> String {
    let toolchain = option_env!("CARGO").and_then(|cargo| Path::new(cargo).parent()).unwrap_or(Path::new(""));
    format!("PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin:{}", toolchain.display())
}

/// The ordinary user, except where the program is in the home directory of who runs the tests.
fn user_of(script: &str) -> Identity {
    match (script, Identity::available()) {
        ("cargo", [.., last]) => *last,
        _ => Identity::Ordinary,
    }
}

/// On every leg, against one native run.
fn check_once(oracle: &Oracle, task: &Task, identity: Identity) -> Result<(), Failed> {
    let native = perform_natively(oracle, task, identity)?;
    for leg in [Leg::Chirp, Leg::Local] {
        oracle
            .compare_with(&native, task, leg, identity, &[])
            .map_err(|difference| format!("{leg}: {difference}"))?;
    }
    Ok(())
}

fn check(oracle: &Oracle, task: &Task, leg: Leg, identity: Identity) -> Result<(), Failed> {
    if leg == Leg::Native {
        // What never does the same twice could not judge anything.
        perform_natively(oracle, task, identity)?;
    }
    Ok(oracle.compare(task, leg, identity, &[])?)
}

/// What fails natively could not judge anything either.
fn perform_natively(oracle: &Oracle, task: &Task, identity: Identity) -> Result<String, Failed> {
    let transcript = oracle.perform(task, Leg::Native, identity)?;
    if transcript.lines().any(|line| line == "end: Exit(0)") {
        return Ok(transcript);
    }
    Err(format!("it failed natively:\n{transcript}").into())
}
