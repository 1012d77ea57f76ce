//! Programs run under small filters, for the tests of this crate.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)] // a module of several test programs, each of which uses its part

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use mynah_intercept::filter::{self, Policy, Row, Rule, Verdict};
use mynah_intercept::launch::{Launch, launch};
use mynah_intercept::listener::Listener;
use mynah_intercept::memory::MemoryError;
use mynah_intercept::subreaper::{self, Exit};
use mynah_intercept::transient::takes;
use mynah_intercept::{Mechanism, Notification, Tid, memory};

/// A directory of its own, removed at the end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("intercept-{}-{serial}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Compiles a C program.
    pub fn cc(&self, name: &str, source: &str) -> PathBuf {
        let (file, program) = (self.path(&format!("{name}.c")), self.path(name));
        std::fs::write(&file, source).unwrap();
        let done = Command::new("cc")
            .args(["-O1", "-w", "-pthread", "-o"])
            .args([&program, &file])
            .status()
            .unwrap();
        assert!(done.success(), "cc {name}");
        program
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a supervised program did.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub exit: Exit,
    /// Standard output and standard error.
    pub output: String,
}

pub fn notify(numbers: &[libc::c_long]) -> Vec<Row> {
    numbers.iter().map(|&number| Row { number: number as u32, rule: Rule::Always(Verdict::Notify) }).collect()
}

pub fn program_of(rows: &[Row]) -> filter::Program {
    let policy = Policy {
        native: rows,
        unknown: Verdict::Allow,
        i386: &[],
        i386_unknown: Verdict::Notify,
        x32: Verdict::Errno(libc::ENOSYS as u16),
    };
    filter::compile(&policy).unwrap().by(mechanism())
}

/// With this variable set, all programs are traced.
const BY_TRACING: &str = "MYNAH_TEST_BY_TRACING";

/// With this variable set, all programs are run by a debugger.
const IN_A_DEBUGGER: &str = "MYNAH_TEST_IN_A_DEBUGGER";

/// How the programs of this run of the tests are intercepted.
pub fn mechanism() -> Mechanism {
    if std::env::var_os(BY_TRACING).is_some() { Mechanism::Trace } else { Mechanism::Listener }
}

pub fn strings<S: AsRef<OsStr>>(list: &[S]) -> Vec<CString> {
    list.iter().map(|string| CString::new(string.as_ref().as_bytes()).unwrap()).collect()
}

pub fn environment() -> Vec<CString> {
    std::env::vars_os()
        .map(|(name, value)| {
            CString::new([name.as_bytes(), b"=".as_slice(), value.as_bytes()].concat()).unwrap()
        })
        .collect()
}

/// What a handler does with a notification.
pub enum Do {
    Resume,
    Answer(mynah_intercept::listener::Answer),
    /// The handler has answered already.
    Answered,
    /// To be run on a thread of its own.
    Later(Work),
}

pub type Work = Box<dyn FnOnce(&Arc<Listener>) + Send>;

/// Answers all notifications until nobody is left. Panics if a piece of later work did.
pub fn serve(listener: &Arc<Listener>, mut handler: impl FnMut(&Listener, Notification) -> Do) {
    let mut later = Vec::new();
    loop {
        let notification = match listener.recv() {
            Ok(notification) => notification,
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "{error}");
                later.into_iter().for_each(|work: thread::JoinHandle<()>| work.join().unwrap());
                return;
            }
        };
        let id = notification.id;
        if takes(listener, &notification) {
            continue;
        }
        match handler(listener, notification) {
            Do::Resume => drop(listener.resume(id)),
            Do::Answer(answer) => drop(listener.answer(id, answer)),
            Do::Answered => {}
            Do::Later(work) => {
                let listener = Arc::clone(listener);
                later.push(thread::spawn(move || work(&listener)));
            }
        }
    }
}

/// Runs a program to its end under a filter that notifies `numbers`, execve among them or not.
pub fn run<S: AsRef<OsStr>>(
    argv: &[S],
    rows: &[Row],
    handler: impl FnMut(&Listener, Notification) -> Do + Send + 'static,
) -> Ended {
    run_watched(argv, rows, handler, |_| {})
}

/// [`run`], with something to do while it runs.
pub fn run_watched<S: AsRef<OsStr>>(
    argv: &[S],
    rows: &[Row],
    handler: impl FnMut(&Listener, Notification) -> Do + Send + 'static,
    meanwhile: impl FnOnce(Tid),
) -> Ended {
    let scratch = Scratch::new();
    let out = scratch.path("out");
    // The shell gives the program a file to write to.
    let mut all: Vec<&OsStr> =
        ["/bin/sh", "-c", r#"exec >"$0" 2>&1; exec "$@""#].iter().map(OsStr::new).collect();
    all.push(out.as_os_str());
    if std::env::var_os(IN_A_DEBUGGER).is_some() {
        all.extend(["strace", "-f", "-qq", "-o", "/dev/null", "--"].iter().map(OsStr::new));
    }
    all.extend(argv.iter().map(AsRef::as_ref));
    let argv = strings(&all);
    let (envp, filter) = (environment(), program_of(rows));
    let mut launched = launch(&Launch {
        program: &argv[0],
        argv: &argv,
        envp: &envp,
        filter: Some(&filter),
        limits: &[],
        ignored: &[],
        blocked: &[],
    })
    .unwrap();
    let pid = launched.pid;
    launched.go().unwrap();
    let listener = launched.listener.clone().expect("a filter's listener");
    let server = thread::spawn({
        let listener = Arc::clone(&listener);
        move || serve(&listener, handler)
    });
    meanwhile(pid);
    let exit = subreaper::wait(pid).unwrap();
    server.join().unwrap();
    Ended { exit, output: std::fs::read_to_string(&out).unwrap_or_default() }
}

/// The path that argument `index` points to; empty if the caller has been killed, and its id is perhaps that of a new
/// program by now.
pub fn path_of(n: &Notification, index: usize) -> String {
    match memory::read_c_string(n.tid, n.call.pointer(index), 4096) {
        Err(MemoryError::Gone | MemoryError::Fault) => String::new(),
        path => String::from_utf8(path.unwrap()).unwrap(),
    }
}

pub fn show(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs all other tests of this test program as a user without rights, if the present one has them.
pub fn again_as_ordinary_user(this_test: &str) {
    use std::os::unix::process::CommandExt;
    const NOBODY: u32 = 65534;
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scratch = Scratch::new();
    // Where it was built, others may not look.
    let program = scratch.path("tests");
    // By another process: what a test beside this one forks would keep the copy open for writing, and so busy.
    let copied = Command::new("cp").arg(std::env::current_exe().unwrap()).arg(&program).status().unwrap();
    assert!(copied.success());
    let done = Command::new(&program)
        .args(["--skip", this_test])
        .current_dir("/")
        .env("HOME", "/")
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

/// Runs all other tests of this test program with programs that are traced.
pub fn again_by_tracing(this_test: &str) {
    if mechanism() == Mechanism::Trace {
        return;
    }
    let done = Command::new(std::env::current_exe().unwrap())
        .args(["--skip", this_test])
        .env(BY_TRACING, "1")
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

/// Runs all tests of this test program but some with programs that a debugger has.
pub fn again_in_a_debugger(skipped: &[&str]) {
    if mechanism() == Mechanism::Trace {
        return;
    }
    let done = Command::new(std::env::current_exe().unwrap())
        .args(skipped.iter().flat_map(|test| ["--skip", test]))
        .env(IN_A_DEBUGGER, "1")
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}
