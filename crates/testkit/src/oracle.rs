//! The kernel as the oracle: a program does the same work natively and under Mynah, and what it said, how it ended and
//! what it left behind must agree.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::{self, Write as _};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::run::{Identity, Outcome, mode_options, run};
use crate::scratch::Scratch;
use crate::serving::Serving;
use crate::tree;

/// Where and how a program does its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Leg {
    /// Without Mynah, in a local directory: what all else is compared with.
    Native,
    /// Under Mynah, in a local directory.
    Local,
    /// Under Mynah, in a directory of a Chirp server.
    Chirp,
    /// Under Mynah, in a local directory, with another user and host shown.
    Shown,
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Leg::Native => "native",
            Leg::Local => "local",
            Leg::Chirp => "chirp",
            Leg::Shown => "shown",
        })
    }
}

/// A program that is given a fresh, empty directory as its last argument.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its name in messages and file names, such as `files/append`.
    pub name: String,
    /// The program, found by every [`Identity`].
    pub program: PathBuf,
    /// What comes before the directory.
    pub arguments: Vec<OsString>,
    /// How long it may take.
    pub limit: Duration,
}

/// All that a run of a [`Task`] showed, as lines: `out:`, `err:`, `end:` and `tree:`.
pub type Transcript = String;

/// Lines that are known to differ under Mynah.
#[derive(Clone, Copy, Debug)]
pub struct Difference {
    /// The [`Task`]'s name.
    pub task: &'static str,
    /// The leg on which it differs.
    pub leg: Leg,
    /// The user for whom it differs, `None` for all.
    pub identity: Option<Identity>,
    /// The transcript's line natively, or several that follow each other.
    pub native: &'static str,
    /// The lines that stand there instead, or an empty text for none.
    pub mynah: &'static str,
    /// Why this is right, or as good as it can be.
    pub reason: &'static str,
}

/// What a set of comparisons shares: directories and one server for each user.
#[derive(Debug)]
pub struct Oracle {
    mynah: PathBuf,
    /// What `mynah run` is told besides.
    options: Vec<OsString>,
    scratch: Scratch,
    servers: Mutex<HashMap<Identity, Kept>>,
    count: AtomicU32,
    /// By which path programs see the server, where not by its address.
    mount_point: Option<PathBuf>,
}

impl Oracle {
    /// For the program `mynah`, of which a copy is used that every [`Identity`] can reach.
    pub fn new(mynah: &Path) -> io::Result<Oracle> {
        let scratch = Scratch::new("oracle")?;
        let mynah = scratch.lend(mynah)?;
        let options = mode_options();
        let (servers, count) = (Mutex::default(), AtomicU32::new(0));
        Ok(Oracle { mynah, options, scratch, servers, count, mount_point: None })
    }

    /// The same, with the server mounted at `path`: for programs that take the colon of an address for a separator.
    #[must_use]
    pub fn mounted_at(self, path: &str) -> Oracle {
        Oracle { mount_point: Some(PathBuf::from(path)), ..self }
    }

    /// With programs that are traced, whatever the mode of the tests.
    #[must_use]
    pub fn traced(self) -> Oracle {
        Oracle { options: vec!["--mechanism".into(), "trace".into()], ..self }
    }

    /// The directory in which all this happens; anyone may enter it.
    #[must_use]
    pub fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// Runs the task once, in a fresh directory.
    pub fn perform(&self, task: &Task, leg: Leg, identity: Identity) -> io::Result<Transcript> {
        self.perform_logged(task, leg, identity).map(|(transcript, _)| transcript)
    }

    /// Runs the task natively and on `leg`.
    ///
    /// `Err` is a text for a person: the lines that differ and are not among `known`, those of `known` that do not differ (any more), and the end of
    /// Mynah's log.
    pub fn compare(
        &self,
        task: &Task,
        leg: Leg,
        identity: Identity,
        known: &[Difference],
    ) -> Result<(), String> {
        let native = self.perform(task, Leg::Native, identity).map_err(|cause| not_run(&cause))?;
        self.compare_with(&native, task, leg, identity, known)
    }

    /// As [`Oracle::compare`], with a native run's transcript that is there already.
    pub fn compare_with(
        &self,
        native: &str,
        task: &Task,
        leg: Leg,
        identity: Identity,
        known: &[Difference],
    ) -> Result<(), String> {
        let (seen, log) = self.perform_logged(task, leg, identity).map_err(|cause| not_run(&cause))?;
        let rows = known.iter().filter(|row| {
            row.task == task.name && row.leg == leg && row.identity.is_none_or(|only| only == identity)
        });
        let expected = expect(native, rows)?;
        if expected == seen {
            return Ok(());
        }
        Err(format!(
            "native (-) and under Mynah (+) disagree:\n{}\n{}",
            differing(&expected, &seen),
            tail(&log)
        ))
    }

    fn perform_logged(&self, task: &Task, leg: Leg, identity: Identity) -> io::Result<(Transcript, String)> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let run_name = format!("{}-{leg}-{identity}-{number}", task.name.replace('/', "-"));
        let place = self.place(leg, identity, &run_name)?;
        let log = self.scratch.join(format!("{run_name}.log"));
        let mut command = self.command(task, leg, identity, &run_name, &log)?;
        command.args(&task.arguments).arg(&place.seen);
        let outcome = run(&mut command, task.limit)?;
        let transcript = describe(&outcome, &place)?;
        fs::remove_dir_all(&place.real).or_else(|_| force_remove(&place.real))?;
        Ok((transcript, fs::read_to_string(&log).unwrap_or_default()))
    }

    fn command(
        &self,
        task: &Task,
        leg: Leg,
        identity: Identity,
        run_name: &str,
        log: &Path,
    ) -> io::Result<Command> {
        let mut command = Command::new(if leg == Leg::Native { &task.program } else { &self.mynah });
        if leg != Leg::Native {
            fs::File::create(log)?;
            give(log, identity)?;
            let cache = self.directory(&format!("cache-{identity}"), identity)?;
            command
                .arg("run")
                .arg("--cache-dir")
                .arg(cache)
                .arg("--log-file")
                .arg(log)
                .args(["--log", "debug"])
                .args(&self.options);
            if leg == Leg::Shown {
                command.args(["--uid", "4242", "--gid", "4343", "--hostname", "home.example"]);
            }
            if let (Leg::Chirp, Some(path)) = (leg, &self.mount_point) {
                let address = self.mount(identity)?;
                let address = address.strip_prefix("/chirp").map_err(io::Error::other)?;
                let mut mount = OsString::from(path);
                mount.push("=chirp://");
                mount.push(address);
                mount.push("/,symlinks=all");
                command.arg("--mount").arg(mount);
            }
            command.arg("--").arg(&task.program);
        }
        let home = self.directory(&format!("home-{run_name}"), identity)?;
        command.env_clear().env("HOME", home).env("LC_ALL", "C").env("TZ", "UTC").env("PATH", SEARCH_PATH);
        command.current_dir("/");
        identity.apply(&mut command);
        Ok(command)
    }

    fn place(&self, leg: Leg, identity: Identity, run_name: &str) -> io::Result<Place> {
        let real = match leg {
            Leg::Native | Leg::Local | Leg::Shown => self.directory(run_name, identity)?,
            Leg::Chirp => {
                let root = self.directory(&format!("served-{identity}"), identity)?;
                self.directory_at(root.join(run_name), identity)?
            }
        };
        let seen = match leg {
            Leg::Native | Leg::Local | Leg::Shown => real.clone(),
            Leg::Chirp => {
                let mount = self.mount(identity)?;
                self.mount_point.as_ref().unwrap_or(&mount).join(run_name)
            }
        };
        Ok(Place { real, seen })
    }

    /// Where programs of `mynah run` find the server of this user, which is started when it is first asked for.
    pub fn mount(&self, identity: Identity) -> io::Result<PathBuf> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = servers.get(&identity) {
            return Ok(kept.mount.clone());
        }
        let root = self.directory(&format!("served-{identity}"), identity)?;
        let state = self.directory(&format!("server-{identity}"), identity)?;
        let kept = Kept::start(self.mynah.clone(), root, state, identity)?;
        let mount = kept.mount.clone();
        servers.insert(identity, kept);
        Ok(mount)
    }

    fn directory(&self, name: &str, identity: Identity) -> io::Result<PathBuf> {
        self.directory_at(self.scratch.join(name), identity)
    }

    fn directory_at(&self, path: PathBuf, identity: Identity) -> io::Result<PathBuf> {
        match fs::create_dir(&path) {
            Ok(()) => give(&path, identity)?,
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
        Ok(path)
    }
}

/// What programs find on their search path, the same everywhere.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A server that lives in a thread of its own, because it is to die with the thread that started it and the threads that
/// run tests come and go.
#[derive(Debug)]
struct Kept {
    mount: PathBuf,
    stop: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Kept {
    fn start(mynah: PathBuf, root: PathBuf, state: PathBuf, identity: Identity) -> io::Result<Kept> {
        let (stop, stopped) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        let keeper = thread::spawn(move || {
            let serving = Serving::start(&mynah, &root, &state, identity);
            let _ =
                tell.send(serving.as_ref().map(Serving::mount).map_err(|e| io::Error::other(e.to_string())));
            // Ends when the sender is dropped.
            let _ = stopped.recv();
        });
        let mount = told.recv().map_err(io::Error::other)??;
        Ok(Kept { mount, stop: Some(stop), keeper: Some(keeper) })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(keeper) = self.keeper.take() {
            let _ = keeper.join();
        }
    }
}

/// A task's directory: where it really lies and by which name the program knows it.
struct Place {
    real: PathBuf,
    seen: PathBuf,
}

fn give(path: &Path, identity: Identity) -> io::Result<()> {
    identity.change_to().map_or(Ok(()), |id| chown(path, Some(id), Some(id)))
}

fn describe(outcome: &Outcome, place: &Place) -> io::Result<Transcript> {
    let mut text = String::new();
    for (label, bytes) in [("out", &outcome.stdout), ("err", &outcome.stderr)] {
        for line in bytes.split(|&b| b == b'\n').filter(|line| !line.is_empty()) {
            let line = replace(line, place.seen.as_os_str().as_bytes(), b"$W");
            let _ = writeln!(text, "{label}: {}", shown(&line));
        }
    }
    let _ = writeln!(text, "end: {:?}", outcome.ended);
    for line in tree::describe(&place.real)?.lines() {
        let line = replace(line.as_bytes(), place.seen.as_os_str().as_bytes(), b"$W");
        let _ = writeln!(text, "tree: {}", String::from_utf8_lossy(&line));
    }
    Ok(text)
}

/// Printable as it is; what is not text is escaped, so that no difference is lost.
fn shown(line: &[u8]) -> String {
    match std::str::from_utf8(line) {
        Ok(text) if !text.chars().any(|c| c.is_control() && c != '\t') => text.to_owned(),
        _ => line.escape_ascii().to_string(),
    }
}

fn replace(line: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.windows(old.len()).position(|window| window == old) {
        result.extend_from_slice(&rest[..at]);
        result.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    result.extend_from_slice(rest);
    result
}

fn not_run(cause: &io::Error) -> String {
    format!("the test could not be run: {cause}")
}

/// The native transcript with the known differences put in.
fn expect<'a>(native: &str, known: impl Iterator<Item = &'a Difference>) -> Result<String, String> {
    // Line feeds at both ends, so that only whole lines match.
    let mut text = format!("\n{native}");
    for row in known {
        let lines = format!("\n{}\n", row.native);
        if !text.contains(&lines) {
            return Err(format!(
                "a known difference names lines that the native run did not show: {:?}\nnative:\n{native}",
                row.native
            ));
        }
        let instead = if row.mynah.is_empty() { "\n".to_owned() } else { format!("\n{}\n", row.mynah) };
        text = text.replacen(&lines, &instead, 1);
    }
    text.remove(0);
    Ok(text)
}

/// The lines that differ, with two lines around each, found by the longest common subsequence.
fn differing(expected: &str, seen: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), seen.lines().collect());
    let mut lengths = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i][j] = if old[i] == new[j] {
                lengths[i + 1][j + 1] + 1
            } else {
                lengths[i + 1][j].max(lengths[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut merged = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            merged.push((' ', old[i]));
            i += 1;
            j += 1;
        } else if j == new.len() || (i < old.len() && lengths[i + 1][j] >= lengths[i][j + 1]) {
            merged.push(('-', old[i]));
            i += 1;
        } else {
            merged.push(('+', new[j]));
            j += 1;
        }
    }
    with_surroundings(&merged)
}

fn with_surroundings(merged: &[(char, &str)]) -> String {
    const AROUND: usize = 2;
    let mut text = String::new();
    for (at, (mark, line)) in merged.iter().enumerate() {
        let near = &merged[at.saturating_sub(AROUND)..(at + AROUND + 1).min(merged.len())];
        if near.iter().any(|(mark, _)| *mark != ' ') {
            let _ = writeln!(text, "  {mark} {line}");
        }
    }
    text
}

fn tail(log: &str) -> String {
    const LINES: usize = 30;
    let lines: Vec<&str> = log.lines().collect();
    let last = &lines[lines.len().saturating_sub(LINES)..];
    format!("end of Mynah's log:\n{}", last.join("\n"))
}

fn force_remove(path: &Path) -> io::Result<()> {
    // A program may have closed its directories to their owner; root is never stopped by that, an ordinary user is.
    let status = Command::new("chmod").args(["-R", "u+rwx"]).arg(path).status()?;
    if status.success() { fs::remove_dir_all(path) } else { Err(io::Error::other("chmod -R failed")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_difference_must_name_a_native_line() {
        let row = Difference {
            task: "a",
            leg: Leg::Chirp,
            identity: None,
            native: "out: x",
            mynah: "out: y",
            reason: "",
        };
        assert_eq!(
            expect("out: x\nend: Exit(0)\n", [&row].into_iter()),
            Ok("out: y\nend: Exit(0)\n".to_owned())
        );
        assert!(expect("out: z\n", [&row].into_iter()).is_err());
        assert!(expect("out: x y\n", [&row].into_iter()).is_err());
    }

    #[test]
    fn a_known_difference_may_be_a_block() {
        let row =
            Difference { task: "a", leg: Leg::Chirp, identity: None, native: "b\nc", mynah: "", reason: "" };
        assert_eq!(expect("a\nb\nc\nd\n", [&row].into_iter()), Ok("a\nd\n".to_owned()));
    }

    #[test]
    fn only_what_differs_is_shown() {
        let text = differing("a\nb\nc\nd\ne\nf\ng\n", "a\nb\nc\nd\nE\nf\ng\n");
        assert_eq!(text, "    c\n    d\n  - e\n  + E\n    f\n    g\n");
    }

    #[test]
    fn the_directory_is_named_alike() {
        assert_eq!(replace(b"at /a/b and /a/b/c", b"/a/b", b"$W"), b"at $W and $W/c");
    }
}
