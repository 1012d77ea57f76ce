//! Real programs at real work, natively and under Mynah: each `programs/NAME.sh` is run by bash in a fresh directory, and what
//! it prints and leaves behind must be the same in a local directory and in one of a Chirp server.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use mynah_testkit::oracle::{Leg, Oracle, Task};
use mynah_testkit::run::Identity;

/// Far more than any of them needs on a slow machine; only what hangs reaches it.
const LIMIT: Duration = Duration::from_secs(300);

fn main() -> io::Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let oracle = Arc::new(Oracle::new(Path::new(env!("CARGO_BIN_EXE_mynah")))?);
    let mut trials = Vec::new();
    for (name, script) in scripts(&oracle)? {
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
fn scripts(oracle: &Oracle) -> io::Result<Vec<(String, PathBuf)>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs");
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
        program: PathBuf::from("/bin/bash"),
        arguments: vec!["-eu".into(), script.into()],
        limit: LIMIT,
    }
}

fn check(oracle: &Oracle, task: &Task, leg: Leg, identity: Identity) -> Result<(), Failed> {
    if leg == Leg::Native {
        // What fails natively, or never does the same twice, could not judge anything.
        let transcript = oracle.perform(task, leg, identity)?;
        if !transcript.lines().any(|line| line == "end: Exit(0)") {
            return Err(format!("it failed natively:\n{transcript}").into());
        }
    }
    Ok(oracle.compare(task, leg, identity, &[])?)
}
