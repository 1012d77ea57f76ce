//! A place for one test: a `mynah` of its own (so that its processes can be told from all others), a cache, directories.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::ffi::OsStr;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mynah_testkit::compiler::compile;
use mynah_testkit::run::{Ended, Identity, Outcome, mode_options, run};
use mynah_testkit::scratch::Scratch;
use mynah_testkit::serving::Serving;

/// Far more than anything here takes: what reaches it hangs.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Site {
    scratch: Scratch,
    identity: Identity,
}

impl Site {
    /// For programs of an ordinary user.
    pub(crate) fn new(name: &str) -> Site {
        Site::of(name, Identity::Ordinary)
    }

    /// For programs of this user.
    pub(crate) fn of(name: &str, identity: Identity) -> Site {
        let site = Site { scratch: Scratch::new(name).expect("a scratch directory"), identity };
        site.lend(Path::new(env!("CARGO_BIN_EXE_mynah")));
        for directory in ["cache", "home", "server", "served", "local", "temporary"] {
            site.directory(directory);
        }
        site
    }

    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.scratch.join(name)
    }

    /// A new directory of the user's.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.scratch.join(name);
        fs::create_dir(&path).expect("a directory");
        self.give(&path);
        path
    }

    /// A new file of the user's.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.scratch.join(name);
        fs::write(&path, text).expect("a file");
        self.give(&path);
        path
    }

    fn give(&self, path: &Path) {
        if let Some(id) = self.identity.change_to() {
            chown(path, Some(id), Some(id)).expect("chown");
        }
    }

    /// A copy of a program inside, by which its processes can be found.
    pub(crate) fn lend(&self, program: &Path) -> PathBuf {
        self.scratch.lend(program).expect("a copy")
    }

    /// A copy of a program in the directory that is served.
    pub(crate) fn put_on_the_server(&self, program: &str) {
        let name = Path::new(program).file_name().expect("a program's name");
        let status = Command::new("install").arg(program).arg(self.join("served").join(name)).status();
        assert!(status.expect("install runs").success(), "{program} cannot be copied");
    }

    /// The program of `tests/waiting/NAME.c`.
    pub(crate) fn compile(&self, name: &str) -> PathBuf {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let program = self.scratch.join(name);
        let source = tests.join("waiting").join(format!("{name}.c"));
        compile(&source, &tests.join("differential"), &program).expect("it compiles");
        program
    }

    pub(crate) fn mynah_path(&self) -> PathBuf {
        self.scratch.join("mynah")
    }

    /// A command of the user's, in a plain environment, in the directory `local`.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.join("home")).env("TMPDIR", self.join("temporary"));
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C");
        command.current_dir(self.join("local"));
        self.identity.apply(&mut command);
        command
    }

    /// `mynah run OPTIONS -- PROGRAM`, in the mode of the tests.
    pub(crate) fn mynah<P: AsRef<OsStr>>(&self, options: &[&str], program: &[P]) -> Command {
        let mode = mode_options();
        let options: Vec<&OsStr> =
            mode.iter().map(AsRef::as_ref).chain(options.iter().map(AsRef::as_ref)).collect();
        self.mynah_plainly(&options, program)
    }

    /// `mynah run OPTIONS -- PROGRAM`, whatever the mode of the tests.
    pub(crate) fn mynah_plainly<O: AsRef<OsStr>, P: AsRef<OsStr>>(
        &self,
        options: &[O],
        program: &[P],
    ) -> Command {
        let mut command = self.command(self.mynah_path());
        command.arg("run").arg("--cache-dir").arg(self.join("cache"));
        command.args(options).arg("--").args(program);
        command
    }

    /// Runs a shell's commands under Mynah.
    pub(crate) fn shell(&self, options: &[&str], script: &str) -> Outcome {
        run(&mut self.mynah(options, &["/bin/sh", "-c", script]), LIMIT).expect("mynah runs")
    }

    /// A server over the directory `served`. Drop it in the thread that called this.
    pub(crate) fn serve(&self) -> Serving {
        Serving::start(&self.mynah_path(), &self.join("served"), &self.join("server"), self.identity)
            .expect("a server")
    }

    /// The ancestor's server over the directory `served`; the rest is as in [`Site::serve`].
    pub(crate) fn serve_standard(&self) -> Serving {
        Serving::start_standard(&self.join("served"), &self.join("server")).expect("a server")
    }
}

/// A server that takes connections and never answers.
pub(crate) struct Hanging {
    listener: TcpListener,
}

impl Hanging {
    pub(crate) fn new() -> Hanging {
        Hanging { listener: TcpListener::bind(("127.0.0.1", 0)).expect("a port") }
    }

    /// A path at this server, as programs name it.
    pub(crate) fn path(&self, name: &str) -> String {
        let port = self.listener.local_addr().expect("an address").port();
        format!("/chirp/127.0.0.1:{port}/{name}")
    }

    /// Waits until somebody connects: somebody waits for an answer then. The connection must be kept.
    pub(crate) fn caller(&self) -> TcpStream {
        self.listener.accept().expect("a connection").0
    }
}

/// Asserts how a program ended, showing all it said if it did not.
#[track_caller]
pub(crate) fn assert_ended(outcome: &Outcome, ended: Ended) {
    assert_eq!(outcome.ended, ended, "out: {}\nerr: {}", outcome.out(), outcome.err());
}

/// Asserts that Mynah itself failed with one line for a person, which names all of `words`.
#[track_caller]
pub(crate) fn assert_refused(outcome: &Outcome, status: i32, words: &[&str]) {
    assert_ended(outcome, Ended::Exit(status));
    let error = outcome.err();
    assert_eq!(error.lines().count(), 1, "one line is promised: {error:?}");
    assert!(!error.contains("panicked"), "{error}");
    for word in words {
        assert!(error.contains(word), "{word:?} is not named in {error:?}");
    }
}

/// Runs tests of this test program once more, with all programs traced.
#[track_caller]
pub(crate) fn again_traced(tests: &[&str]) {
    if !mode_options().is_empty() {
        return;
    }
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--test-threads", "2", "--exact"]).args(tests).env("MYNAH_TEST_MECHANISM", "trace");
    let outcome = run(&mut command, 2 * LIMIT).expect("it runs");
    assert_ended(&outcome, Ended::Exit(0));
    let ran = format!("{} passed", tests.len());
    assert!(outcome.out().contains(&ran), "not all are tests here: {}", outcome.out());
}
