//! `mynah demo`: an unmodified shell at work on a server, beside the same work on a local copy.
//!
//! A Chirp server in this process serves a small C project on loopback. Each step is a shell command that is run
//! twice: by this very binary in `/chirp/localhost:PORT/...`, and natively in a copy. Output, exit status and the files
//! that are then on the server's disk have to agree.

mod compare;
mod interrupt;
mod project;
mod scratch;
mod server;

use interrupt::Interrupt;
use scratch::Scratch;
use server::Serving;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};

/// What the shell does, in this order, each in the project's directory.
const STEPS: &[Step] = &[
    Step { name: "list", script: "ls -lR" },
    Step { name: "search", script: "grep -rn table_add src | sort" },
    Step { name: "copy", script: "cp -r src before && diff -r src before && ls before" },
    Step { name: "build", script: "make" },
    Step { name: "run", script: "./wordfreq -n 5 -s data/stopwords.txt data/mynahs.txt && make check" },
    Step { name: "delete", script: "make clean && rm -r before && ls" },
];

/// Lines of a step's output that are shown; the rest is counted.
const SHOWN_LINES: usize = 9;

/// What the steps need beside a shell, and the Debian package that brings it.
const NEEDED: &[(&str, &str)] = &[("make", "make"), ("cc", "gcc libc6-dev")];

struct Step {
    name: &'static str,
    script: &'static str,
}

/// Why the demo could not be given. That the two sides disagree is no such error: [`run`] tells it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// A program of [`NEEDED`] is not in PATH.
    #[error(
        "the demo builds a C program and needs {program}: install it first (Debian: apt-get install {package})"
    )]
    Missing {
        /// The program.
        program: &'static str,
        /// What brings it.
        package: &'static str,
    },
    /// The operating system refused something.
    #[error("demo: cannot {doing}: {source}")]
    Os {
        /// What was being done.
        doing: String,
        /// Its answer.
        source: io::Error,
    },
    /// SIGINT or SIGTERM came.
    #[error("demo: interrupted")]
    Interrupted,
    /// The server in this process could not be started.
    #[error("demo: cannot serve {root}: {source}")]
    Server {
        /// The directory that it was to serve.
        root: PathBuf,
        /// Why not.
        source: mynah_vfs::Error,
    },
}

impl DemoError {
    /// Says what was being done when the operating system refused.
    fn os(doing: impl Into<String>) -> impl FnOnce(io::Error) -> DemoError {
        let doing = doing.into();
        |source| DemoError::Os { doing, source }
    }
}

/// One side of the comparison: how a script is run there, and where its files then are on this machine's disk.
struct Side {
    shell: Vec<OsString>,
    directory: OsString,
    files: PathBuf,
}

/// What one run of a step gave.
struct Outcome {
    output: Vec<u8>,
    status: String,
    time: Duration,
}

/// A step with what it gave on both sides, and what differs between them.
struct Compared {
    name: &'static str,
    mynah: Duration,
    native: Duration,
    differences: Vec<String>,
}

/// Gives the demo, telling it on `out`. True if everything agreed with the native runs.
///
/// # Errors
/// [`DemoError`] when it could not be given.
pub(crate) fn run(out: &mut dyn Write) -> Result<bool, DemoError> {
    check_needed()?;
    let scratch = Scratch::new().map_err(DemoError::os("make a directory for the demo"))?;
    let served = scratch.path().join("server");
    let copy = scratch.path().join("native");
    for root in [&served, &copy] {
        project::unpack(&root.join(project::NAME))
            .map_err(DemoError::os(format!("unpack to {}", root.display())))?;
    }
    let runtime = runtime().map_err(DemoError::os("start the demo's server"))?;
    let serving = Serving::start(&runtime, &served)?;
    let interrupt = Interrupt::watch(&runtime).map_err(DemoError::os("watch for signals"))?;
    let sides = [mynah_side(&serving, &scratch)?, native_side(&copy)];
    tell(out, &introduction(&serving, &sides[0]))?;
    let mut compared = Vec::new();
    for step in STEPS {
        compared.push(take_step(step, &sides, out)?);
        if interrupt.came() {
            return Err(DemoError::Interrupted);
        }
    }
    let agrees = compared.iter().all(|step| step.differences.is_empty());
    tell(out, &summary(&compared))?;
    Ok(agrees)
}

/// Runs the server beside the steps, which are taken on the calling thread.
fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

fn check_needed() -> Result<(), DemoError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there =
        |program: &str| std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    match NEEDED.iter().find(|(program, _)| !is_there(program)) {
        Some(&(program, package)) => Err(DemoError::Missing { program, package }),
        None => Ok(()),
    }
}

fn mynah_side(serving: &Serving, scratch: &Scratch) -> Result<Side, DemoError> {
    let own = std::env::current_exe().map_err(DemoError::os("find its own program file"))?;
    let shell: [OsString; 6] = [
        own.into(),
        "run".into(),
        "--cache-dir".into(),
        scratch.path().join("cache").into(),
        "--".into(),
        "sh".into(),
    ];
    Ok(Side {
        shell: shell.into(),
        directory: format!("/chirp/localhost:{}/{}", serving.port(), project::NAME).into(),
        files: serving.root().join(project::NAME),
    })
}

fn native_side(copy: &Path) -> Side {
    let files = copy.join(project::NAME);
    Side { shell: vec!["sh".into()], directory: files.clone().into(), files }
}

/// Runs a step on both sides, shows what the shell said under Mynah, and compares.
fn take_step(step: &Step, [mynah, native]: &[Side; 2], out: &mut dyn Write) -> Result<Compared, DemoError> {
    tell(out, &format!("\n$ {}\n", step.script))?;
    let here = mynah.take(step)?;
    tell(out, &shown(&here.output))?;
    let there = native.take(step)?;
    let mut differences = Vec::new();
    if here.status != there.status {
        differences.push(format!("{}: natively {}", here.status, there.status));
    }
    if here.output != there.output {
        differences.push(format!("the output differs; natively it is\n{}", shown(&there.output)));
    }
    let trees = compare::differences(&mynah.files, &native.files);
    differences.extend(trees.map_err(DemoError::os("compare the files"))?);
    for difference in &differences {
        tell(out, &format!("DIFFERS: {difference}\n"))?;
    }
    Ok(Compared { name: step.name, mynah: here.time, native: there.time, differences })
}

impl Side {
    /// Runs a step to its end. Both outputs of the shell come back as one; what Mynah itself has to say goes to our
    /// standard error.
    fn take(&self, step: &Step) -> Result<Outcome, DemoError> {
        let script = format!("umask 022; exec 2>&1; cd \"$1\" || exit; {}", step.script);
        let mut command = Command::new(&self.shell[0]);
        command.args(&self.shell[1..]).arg("-c").arg(script).arg("sh").arg(&self.directory);
        command.env("LC_ALL", "C").env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env_remove("MFLAGS");
        command.stdin(Stdio::null()).stderr(Stdio::inherit());
        let start = Instant::now();
        let output = command.output().map_err(DemoError::os(format!("run {}", self.shell[0].display())))?;
        Ok(Outcome { output: output.stdout, status: output.status.to_string(), time: start.elapsed() })
    }
}

fn introduction(serving: &Serving, mynah: &Side) -> String {
    format!(
        "A Chirp server on 127.0.0.1:{} serves {}: a small C project.\n\
         An ordinary sh, with ordinary ls, grep, cp, make and cc, works on it in\n\
         {}. Every step is also done natively, on a copy.\n",
        serving.port(),
        serving.root().display(),
        mynah.directory.display(),
    )
}

/// The first lines of an output, indented.
fn shown(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().collect();
    let mut shown: String = lines.iter().take(SHOWN_LINES).map(|line| format!("    {line}\n")).collect();
    if lines.len() > SHOWN_LINES {
        shown += &format!("    ... {} more lines\n", lines.len() - SHOWN_LINES);
    }
    shown
}

fn summary(compared: &[Compared]) -> String {
    let mut text = format!("\n{:10} {:>14} {:>10}\n", "step", "on the server", "natively");
    let ms = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1000.0);
    for step in compared {
        let verdict = if step.differences.is_empty() { "same result" } else { "DIFFERENT RESULT" };
        text += &format!("{:10} {:>14} {:>10}   {verdict}\n", step.name, ms(step.mynah), ms(step.native));
    }
    let total = |time: fn(&Compared) -> Duration| ms(compared.iter().map(time).sum());
    text + &format!("{:10} {:>14} {:>10}\n", "all", total(|step| step.mynah), total(|step| step.native))
}

fn tell(out: &mut dyn Write, text: &str) -> Result<(), DemoError> {
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(DemoError::os("write to standard output"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_outputs_are_cut_and_counted() {
        assert_eq!(shown(b"a\nb\n"), "    a\n    b\n");
        let long = "x\n".repeat(SHOWN_LINES + 3);
        assert!(shown(long.as_bytes()).ends_with("... 3 more lines\n"));
        assert_eq!(shown(long.as_bytes()).lines().count(), SHOWN_LINES + 1);
    }

    #[test]
    fn a_difference_shows_in_the_summary() {
        let step = |differences| Compared {
            name: "build",
            mynah: Duration::from_millis(20),
            native: Duration::from_millis(7),
            differences,
        };
        let text = summary(&[step(vec![]), step(vec!["output".to_owned()])]);
        assert!(text.contains("same result") && text.contains("DIFFERENT RESULT"), "{text}");
        assert!(text.contains("40 ms") && text.contains("14 ms"), "{text}");
    }

    #[test]
    fn the_native_side_runs_every_step() {
        let scratch = Scratch::new().unwrap();
        project::unpack(&scratch.path().join(project::NAME)).unwrap();
        let side = native_side(scratch.path());
        for step in STEPS {
            let outcome = side.take(step).unwrap();
            assert_eq!(outcome.status, "exit status: 0", "{}:\n{}", step.script, shown(&outcome.output));
        }
    }
}
