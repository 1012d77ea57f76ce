//! Small C programs, by system-call family, run natively and under Mynah: `differential/FAMILY/NAME.c`.
//!
//! Each is given an empty directory and prints what the kernel answered. Three tests come of each for each user: that it is
//! deterministic natively, and that it shows the same under Mynah in a local directory and in one of a Chirp server. A fourth
//! shows the ordinary user under another number: as programs tell owners by whether they are their own, nothing changes.
//! A line `// cc: OPTIONS` in the source adds options for the compiler.

mod known;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use mynah_testkit::compiler::compile;
use mynah_testkit::oracle::{Leg, Oracle, Task};
use mynah_testkit::run::{Identity, mode_options};

use known::DIFFERENCES;

/// Far more than any of them needs; only what hangs reaches it.
const LIMIT: Duration = Duration::from_secs(60);

/// What is also compared with all programs traced, in every run of the tests: some of each family, those that wait, are
/// signalled, start others or fill their tables of descriptors first of all. `MYNAH_TEST_MECHANISM=trace` does all of them so.
const ALSO_TRACED: &[&str] = &[
    "attributes/permissions",
    "attributes/stat_family",
    "attributes/umask",
    "attributes/xattrs",
    "descriptors/close_range",
    "descriptors/dup",
    "descriptors/fork_shared",
    "descriptors/limits",
    "descriptors/poll_files",
    "directories/cwd",
    "directories/dirfds",
    "fifos/opening",
    "files/append",
    "files/copying",
    "files/deleted_but_open",
    "files/open_flags",
    "files/openat",
    "files/read_write",
    "files/two_writers",
    "listing/getdents",
    "locks/fcntl",
    "locks/interrupted",
    "mappings/shared",
    "names/links",
    "names/mkdir_rmdir",
    "names/rename",
    "names/symlink_walks",
    "odd/entries",
    "odd/i386",
    "odd/many_processes",
    "odd/privileges",
    "odd/static_program",
    "paths/bad_pointers",
    "paths/long_names",
    "proc/no_leaks",
    "proc/self",
    "processes/endings",
    "processes/exec",
    "processes/interpreter",
    "processes/spawn",
    "random/seed_1",
    "signals/handlers",
    "signals/storm",
    "sockets/unix_names",
    "threads/racing_opens",
    "threads/shared_tables",
];

/// Programs that cannot agree with the kernel where all programs are traced: nobody has two tracers.
const NEED_NO_TRACER: &[&str] = &["odd/debugged", "odd/skipped_calls"];

fn main() -> io::Result<ExitCode> {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let sources = sources(&source_directory())?;
    let workshop = Arc::new(Workshop::new()?);
    let mut trials = vec![Trial::test("known_differences_name_programs", {
        let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
        move || known_rows_are_sound(&names)
    })];
    let traced = mode_options().iter().any(|option| option == "trace");
    for source in sources {
        if traced && NEED_NO_TRACER.contains(&source.name.as_str()) {
            continue;
        }
        if !traced && ALSO_TRACED.contains(&source.name.as_str()) {
            let (name, workshop) = (format!("{}::traced", source.name), Arc::clone(&workshop));
            let source = source.clone();
            trials.push(Trial::test(name, move || workshop.check_traced(&source)));
        }
        for &identity in Identity::available() {
            // Root keeps its rights when it is shown as an ordinary user, which no program here expects.
            let is_shown = identity == Identity::Ordinary && source.name != NEEDS_USER_NAMESPACES;
            let shown = is_shown.then_some(Leg::Shown);
            for leg in [Leg::Native, Leg::Local, Leg::Chirp].into_iter().chain(shown) {
                let (source, workshop) = (source.clone(), Arc::clone(&workshop));
                let name = format!("{}::{leg}::{identity}", source.name);
                trials.push(Trial::test(name, move || workshop.check(&source, leg, identity)));
            }
        }
    }
    Ok(libtest_mimic::run(&arguments, trials).exit_code())
}

/// User namespaces are refused where an identity is shown (docs: semantics).
const NEEDS_USER_NAMESPACES: &str = "odd/own_namespaces";

fn source_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential")
}

/// A program's name (`family/name`) and its text's place.
#[derive(Clone)]
struct Source {
    name: String,
    path: PathBuf,
}

fn sources(root: &Path) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    for family in fs::read_dir(root)?.collect::<io::Result<Vec<_>>>()? {
        if !family.file_type()?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(family.path())?.collect::<io::Result<Vec<_>>>()? {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "c") {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                found.push(Source { name: format!("{}/{stem}", family.file_name().to_string_lossy()), path });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Compiles each program once, when it is first needed, and runs it.
struct Workshop {
    oracle: Oracle,
    /// The same, with programs that are traced.
    traced: Oracle,
    programs: Mutex<HashMap<String, PathBuf>>,
}

impl Workshop {
    fn new() -> io::Result<Workshop> {
        let mynah = Path::new(env!("CARGO_BIN_EXE_mynah"));
        let (oracle, traced) = (Oracle::new(mynah)?, Oracle::new(mynah)?.traced());
        Ok(Workshop { oracle, traced, programs: Mutex::default() })
    }

    fn check(&self, source: &Source, leg: Leg, identity: Identity) -> Result<(), Failed> {
        let program = self.program(source)?;
        let task = Task { name: source.name.clone(), program, arguments: Vec::new(), limit: LIMIT };
        if leg == Leg::Native {
            return Ok(self.check_natively(&task, identity)?);
        }
        Ok(self.oracle.compare(&task, leg, identity, DIFFERENCES)?)
    }

    /// Of the ordinary user, on a server.
    fn check_traced(&self, source: &Source) -> Result<(), Failed> {
        let program = self.program(source)?;
        let task = Task { name: source.name.clone(), program, arguments: Vec::new(), limit: LIMIT };
        Ok(self.traced.compare(&task, Leg::Chirp, Identity::Ordinary, DIFFERENCES)?)
    }

    /// A program that fails natively, or never says the same twice, could not judge anything.
    fn check_natively(&self, task: &Task, identity: Identity) -> Result<(), String> {
        self.oracle.compare(task, Leg::Native, identity, &[])?;
        let transcript = self.oracle.perform(task, Leg::Native, identity).map_err(|e| e.to_string())?;
        let ended_well = transcript.lines().any(|line| line == "end: Exit(0)");
        if ended_well { Ok(()) } else { Err(format!("it failed natively:\n{transcript}")) }
    }

    fn program(&self, source: &Source) -> Result<PathBuf, String> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = programs.get(&source.name) {
            return Ok(program.clone());
        }
        let program = self.oracle.scratch().join(source.name.replace('/', "-"));
        compile(&source.path, &source_directory(), &program)?;
        programs.insert(source.name.clone(), program.clone());
        Ok(program)
    }
}

/// A row for a program that is gone, or without a reason, explains nothing.
fn known_rows_are_sound(names: &[String]) -> Result<(), Failed> {
    for named in ALSO_TRACED.iter().chain(NEED_NO_TRACER) {
        if !names.iter().any(|name| name == named) {
            return Err(format!("no such program: {named}").into());
        }
    }
    for row in DIFFERENCES {
        if !names.iter().any(|name| name == row.task) {
            return Err(format!("no such program: {}", row.task).into());
        }
        if row.reason.is_empty() || row.native == row.mynah {
            return Err(format!("{}: {:?} needs a reason and a difference", row.task, row.native).into());
        }
    }
    Ok(())
}
