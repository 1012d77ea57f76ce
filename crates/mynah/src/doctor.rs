//! `mynah doctor`: what this machine allows, what will be used, and what to do about the rest.
//!
//! It needs no rights and changes nothing. [`machine`] looks; here it is judged and told.

mod machine;

use machine::{Finding, Machine, Room};
use mynah_intercept::handover;
use serde_json::{Value, json};
use std::fmt::{self, Write as _};
use std::path::Path;

/// How much hangs on a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    /// Without it `mynah run` cannot work.
    Needed,
    /// Without it something that is named does not work, or works less well.
    Useful,
    /// Nothing hangs on it in this version; others ask for it.
    Told,
}

impl Weight {
    const fn name(self) -> &'static str {
        match self {
            Weight::Needed => "needed",
            Weight::Useful => "useful",
            Weight::Told => "told",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug)]
struct Line {
    name: &'static str,
    weight: Weight,
    ok: bool,
    detail: String,
    /// What to do if it is not as wished.
    advice: Option<String>,
}

/// What the doctor found. `Display` is the text for people.
#[derive(Debug)]
pub(crate) struct Report {
    machine: String,
    lines: Vec<Line>,
    uses: Vec<(&'static str, String)>,
}

/// Free space in the cache below which the report advises another place: 1 GiB.
const CACHE_WANTED_BYTES: u64 = 1 << 30;
/// Open files below which the report advises a higher hard limit: a program's own and as many for its agent.
const FILES_WANTED: u64 = 4096;
/// Watched files below which the report advises more: one for each remote file that is open for writing.
const WATCHES_WANTED: u64 = 8192;

/// Looks at this machine. `cache_dir` is where placeholders would be kept; it need not exist yet.
pub(crate) fn report(cache_dir: &Path) -> Report {
    judge(&Machine::look(cache_dir))
}

impl Report {
    /// Whether `mynah run` can work here.
    pub(crate) fn can_run(&self) -> bool {
        self.lines.iter().all(|line| line.ok || line.weight != Weight::Needed)
    }

    /// The same as the text, for programs; docs/src/doctor.md describes it.
    pub(crate) fn to_json(&self) -> Value {
        let finding = |line: &Line| {
            json!({
                "name": line.name,
                "weight": line.weight.name(),
                "ok": line.ok,
                "detail": line.detail,
                "advice": line.advice,
            })
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "machine": self.machine,
            "can_run": self.can_run(),
            "findings": self.lines.iter().map(finding).collect::<Vec<_>>(),
            "uses": self.uses.iter().map(|(what, how)| ((*what).to_owned(), json!(how))).collect::<serde_json::Map<_, _>>(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "mynah {} on {}\n\nThis machine", env!("CARGO_PKG_VERSION"), self.machine)?;
        for line in &self.lines {
            let mark = match (line.ok, line.weight) {
                (true, _) => "yes",
                (false, Weight::Told) => "no",
                (false, Weight::Useful) => "no!",
                (false, Weight::Needed) => "NO!",
            };
            writeln!(f, "  {mark:4} {:22} {}", line.name, line.detail)?;
        }
        writeln!(f, "\nWhat will be used")?;
        for (what, how) in &self.uses {
            writeln!(f, "  {what:14} {how}")?;
        }
        let advice: Vec<&String> = self.lines.iter().filter_map(|line| line.advice.as_ref()).collect();
        if !advice.is_empty() {
            writeln!(f, "\nWhat to do")?;
            advice.iter().try_for_each(|advice| writeln!(f, "  - {advice}"))?;
        }
        let verdict = if self.can_run() { "can work here" } else { "cannot work here" };
        writeln!(f, "\n`mynah run` {verdict}.")
    }
}

/// Makes of what was seen what a user should know. Pure.
fn judge(machine: &Machine) -> Report {
    if let Some(version) = machine.around {
        return inside(machine, version);
    }
    let mut lines = mechanism(machine);
    lines.extend(not_used(machine));
    lines.extend(limits(machine));
    lines.push(cache(&machine.cache));
    lines.push(programs(&machine.cache));
    Report { machine: machine.system.clone(), uses: uses(machine), lines }
}

/// Below another Mynah its agent does all the work, with what it has.
fn inside(machine: &Machine, version: i64) -> Report {
    let around = Finding {
        ok: version == handover::VERSION,
        detail: format!(
            "this is inside another mynah run, whose agent speaks version {version} of the handover"
        ),
    };
    let around = line("mynah run around", Weight::Needed, &around, || {
        format!(
            "This mynah speaks version {} of the handover: use the one that runs around it.",
            handover::VERSION
        )
    });
    let as_around = |what| (what, "as the mynah run around has it".to_owned());
    let uses = vec![
        ("interception", "the agent of the mynah run around".to_owned()),
        as_around("remote files"),
        as_around("consistency"),
    ];
    Report { machine: machine.system.clone(), lines: vec![around], uses }
}

/// Whether a listener does all that is needed of one.
fn has_listener(machine: &Machine) -> bool {
    machine.seccomp_listener.ok && machine.addfd_send.ok
}

/// Memory, and one of the two mechanisms, are needed.
fn mechanism(machine: &Machine) -> Vec<Line> {
    use Weight::{Needed, Told, Useful};
    let listener = if machine.tracing.ok { Useful } else { Needed };
    let tracing = if has_listener(machine) { Told } else { Needed };
    vec![
        line("memory of programs", Needed, &machine.memory, || {
            let told = crate::run::closed_memory(machine.yama_scope);
            let mut letters = told.chars();
            letters
                .next()
                .map_or(String::new(), |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
        }),
        line("seccomp listener", listener, &machine.seccomp_listener, || {
            "No seccomp listener to be had, so programs are traced where that works: slower, and without debuggers \
             inside. Inside another supervised tree (a container engine that intercepts calls) run Mynah outside of it; \
             in a container allow seccomp(2) and the flag NEW_LISTENER (for Docker: --security-opt \
             seccomp=unconfined, or a profile that permits it); otherwise Linux 5.9 or newer is needed."
                .to_owned()
        }),
        line("descriptor hand-over", listener, &machine.addfd_send, || {
            "Descriptors cannot be handed to programs (ADDFD with SEND), so programs are traced where that works: \
             Linux 5.14 or newer is needed."
                .to_owned()
        }),
        line("tracing", tracing, &machine.tracing, || {
            "Programs cannot be traced either: in a container add the capability SYS_PTRACE or allow ptrace(2); \
             Linux 5.6 or newer is needed."
                .to_owned()
        }),
        line("uninterrupted calls", Useful, &machine.wait_killable, || {
            "Without WAIT_KILLABLE_RECV (Linux 5.19) a program that gets many signals sees EINTR from open or stat \
             more often than natively; nothing else changes."
                .to_owned()
        }),
        line("process_vm_readv", Useful, &machine.process_vm, || {
            "process_vm_readv is refused: names are read through /proc/PID/mem, a little slower. In a container, allow \
             process_vm_readv and process_vm_writev."
                .to_owned()
        }),
        line("ptrace in passing", Useful, &machine.ptrace_seize, || {
            "ptrace is refused: programs that lie on a server cannot be started, and chdir to a server fails. In a \
             container add the capability SYS_PTRACE or allow ptrace(2); where kernel.yama.ptrace_scope is 3, only \
             the administrator can lower it, with a reboot."
                .to_owned()
        }),
        yama(machine.yama_scope),
    ]
}

/// Scopes 0 to 2 leave a parent its descendants (2 with a capability); 3 refuses ptrace to all.
fn yama(scope: Option<u8>) -> Line {
    let detail = match scope {
        None => "not in this kernel: ptrace is not restricted further".to_owned(),
        Some(0) => "0: ptrace among processes of one user".to_owned(),
        Some(1) => "1: ptrace of descendants, which is all that Mynah asks for".to_owned(),
        Some(2) => "2: ptrace with CAP_SYS_PTRACE only".to_owned(),
        Some(scope) => format!("{scope}: no ptrace at all"),
    };
    let ok = scope.is_none_or(|scope| scope < 2);
    Line { name: "Yama ptrace_scope", weight: Weight::Told, ok, detail, advice: None }
}

fn not_used(machine: &Machine) -> Vec<Line> {
    let none = || String::new();
    [("user namespaces", &machine.user_namespaces), ("/dev/fuse", &machine.fuse_device)]
        .map(|(name, finding)| {
            let mut line = line(name, Weight::Told, finding, none);
            line.detail += " (not used by this version)";
            line.advice = None;
            line
        })
        .into()
}

fn limits(machine: &Machine) -> Vec<Line> {
    let soft = machine.open_files.soft.map_or("unlimited".to_owned(), |n| n.to_string());
    let hard = machine.open_files.hard.map_or("unlimited".to_owned(), |n| n.to_string());
    let files = Finding {
        ok: machine.open_files.hard.is_none_or(|hard| hard >= FILES_WANTED),
        detail: format!("{soft} for programs, {hard} for the agent"),
    };
    let watches = Finding {
        ok: machine.inotify_watches.is_some_and(|n| n >= WATCHES_WANTED),
        detail: match machine.inotify_watches {
            Some(watches) => format!("{watches} files of one user"),
            None => "the kernel tells no limit: no inotify here?".to_owned(),
        },
    };
    vec![
        line("open files", Weight::Useful, &files, || {
            format!("The hard limit of open files is low: raise it to {FILES_WANTED} or more (ulimit -Hn).")
        }),
        line("inotify watches", Weight::Useful, &watches, || {
            format!(
                "Each remote file that is open for writing takes an inotify watch: set fs.inotify.max_user_watches to \
                 {WATCHES_WANTED} or more."
            )
        }),
    ]
}

fn cache(cache: &Room) -> Line {
    let path = cache.directory.display();
    let detail = match &cache.free {
        Ok(bytes) => format!("{path}: {} free", human(*bytes)),
        Err(error) => format!("{path}: {error}"),
    };
    let roomy = cache.free.as_ref().is_ok_and(|bytes| *bytes >= CACHE_WANTED_BYTES);
    let advice = match &cache.free {
        Ok(_) if roomy => None,
        Ok(_) => Some("The cache has little room, and a remote file that it cannot hold is EFBIG".to_owned()),
        Err(_) => Some("The cache directory cannot be written".to_owned()),
    };
    let advice = advice.map(|why| format!("{why}: choose another place with --cache-dir."));
    let (ok, weight) = match cache.free {
        Ok(_) => (roomy, Weight::Useful),
        Err(_) => (false, Weight::Needed),
    };
    Line { name: "cache directory", weight, ok, detail, advice }
}

/// Where what lies on a server is executed.
fn programs(cache: &Room) -> Line {
    let finding = match &cache.programs {
        Some(place) if *place == cache.directory => {
            Finding { ok: true, detail: "run from the cache".to_owned() }
        }
        Some(place) => Finding {
            ok: true,
            detail: format!("run from {}: the cache's file system is mounted with noexec", place.display()),
        },
        None => Finding {
            ok: false,
            detail: "the cache, and all temporary places, are mounted with noexec".to_owned(),
        },
    };
    line("remote programs", Weight::Useful, &finding, || {
        "Programs and libraries that lie on a server cannot be executed: choose another place with --cache-dir."
            .to_owned()
    })
}

fn uses(machine: &Machine) -> Vec<(&'static str, String)> {
    let interception = if has_listener(machine) {
        "seccomp user notification; descriptors of ordinary files are not trapped for read and write"
    } else if machine.tracing.ok {
        "seccomp with ptrace, because no listener can be had: no debugger (gdb, strace) works inside, a trapped call \
         costs about twice as much, an open of a remote file some 100 us; read and write are not trapped"
    } else {
        "nothing that is there (see below)"
    };
    vec![
        ("interception", interception.to_owned()),
        ("remote files", format!("plain placeholder files in {}", machine.cache.directory.display())),
        (
            "consistency",
            "session on every mount (consistency=strict is refused: it is not built yet)".to_owned(),
        ),
    ]
}

fn line(name: &'static str, weight: Weight, finding: &Finding, advice: impl FnOnce() -> String) -> Line {
    let advice = (!finding.ok).then(advice);
    Line { name, weight, ok: finding.ok, detail: finding.detail.clone(), advice }
}

/// Bytes in the largest binary unit that leaves a whole number, rounded down.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let unit = (0..UNITS.len()).rev().find(|unit| bytes >> (10 * unit) > 0).unwrap_or(0);
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write!(text, "{} {}", bytes >> (10 * unit), UNITS[unit]);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::OpenFiles;
    use std::io;

    fn yes() -> Finding {
        Finding { ok: true, detail: "works".to_owned() }
    }

    fn no() -> Finding {
        Finding { ok: false, detail: "refused".to_owned() }
    }

    fn good_machine() -> Machine {
        Machine {
            system: "Linux 6.18 (x86_64)".to_owned(),
            around: None,
            seccomp_listener: yes(),
            addfd_send: yes(),
            wait_killable: yes(),
            tracing: yes(),
            memory: yes(),
            process_vm: yes(),
            ptrace_seize: yes(),
            yama_scope: Some(1),
            user_namespaces: no(),
            fuse_device: no(),
            open_files: OpenFiles { soft: Some(1024), hard: Some(1 << 20) },
            inotify_watches: Some(1 << 17),
            cache: Room {
                directory: "/home/u/.cache/mynah".into(),
                free: Ok(80 << 30),
                programs: Some("/home/u/.cache/mynah".into()),
            },
        }
    }

    #[test]
    fn a_machine_without_fuse_and_namespaces_is_a_good_machine() {
        let report = judge(&good_machine());
        let text = report.to_string();
        assert!(report.can_run());
        assert!(!text.contains("What to do"), "{text}");
        assert!(text.contains("80 GiB free") && text.contains("session on every mount"), "{text}");
        assert!(text.ends_with("`mynah run` can work here.\n"), "{text}");
    }

    #[test]
    fn without_a_listener_programs_are_traced_and_the_report_says_what_that_costs() {
        let report = judge(&Machine { seccomp_listener: no(), ..good_machine() });
        let text = report.to_string();
        assert!(report.can_run());
        assert!(text.contains("no!  seccomp listener") && text.contains("What to do"), "{text}");
        let interception = report.to_json()["uses"]["interception"].as_str().unwrap().to_owned();
        assert!(interception.contains("ptrace") && interception.contains("no debugger"), "{interception}");
    }

    #[test]
    fn where_memory_is_closed_nothing_runs_and_the_report_says_why() {
        let report = judge(&Machine { memory: no(), yama_scope: Some(3), ..good_machine() });
        assert!(!report.can_run());
        let text = report.to_string();
        assert!(text.contains("NO!  memory of programs") && text.contains("ptrace_scope is 3"), "{text}");
    }

    #[test]
    fn without_any_mechanism_nothing_runs_and_the_report_says_what_to_do() {
        let report = judge(&Machine { seccomp_listener: no(), tracing: no(), ..good_machine() });
        let text = report.to_string();
        assert!(!report.can_run());
        assert!(text.contains("NO!  seccomp listener") && text.contains("What to do"), "{text}");
        assert!(text.ends_with("`mynah run` cannot work here.\n"), "{text}");
        assert_eq!(report.to_json()["can_run"], false);
    }

    #[test]
    fn what_is_only_useful_is_told_but_does_not_fail() {
        let report = judge(&Machine { ptrace_seize: no(), yama_scope: Some(3), ..good_machine() });
        assert!(report.can_run());
        let json = report.to_json();
        let findings = json["findings"].as_array().unwrap();
        let ptrace = findings.iter().find(|f| f["name"] == "ptrace in passing").unwrap();
        assert_eq!(ptrace["ok"], false);
        assert!(ptrace["advice"].as_str().unwrap().contains("cannot be started"));
        assert_eq!(findings.iter().filter(|f| !f["advice"].is_null()).count(), 1);
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_fatal_and_a_small_one_is_not() {
        let with = |free| Machine { cache: Room { free, ..good_machine().cache }, ..good_machine() };
        assert!(!judge(&with(Err(io::ErrorKind::PermissionDenied.into()))).can_run());
        let small = judge(&with(Ok(5 << 20)));
        assert!(small.can_run());
        assert!(small.to_string().contains("EFBIG"), "{small}");
    }

    #[test]
    fn a_cache_on_noexec_is_told_with_the_place_that_is_used_instead() {
        let with = |programs| Machine { cache: Room { programs, ..good_machine().cache }, ..good_machine() };
        let elsewhere = judge(&with(Some("/var/tmp/mynah-1-programs".into())));
        assert!(elsewhere.to_string().contains("run from /var/tmp/mynah-1-programs"), "{elsewhere}");
        let nowhere = judge(&with(None));
        assert!(nowhere.can_run());
        assert!(nowhere.to_string().contains("no!  remote programs"), "{nowhere}");
    }

    #[test]
    fn inside_another_run_only_its_version_counts() {
        let with =
            |version| judge(&Machine { around: Some(version), seccomp_listener: no(), ..good_machine() });
        assert!(with(handover::VERSION).can_run());
        let other = with(handover::VERSION + 1);
        assert!(!other.can_run() && other.to_string().contains("use the one that runs around it"), "{other}");
    }

    #[test]
    fn sizes_for_people() {
        assert_eq!(human(0), "0 bytes");
        assert_eq!(human(1023), "1023 bytes");
        assert_eq!(human(3 << 20), "3 MiB");
        assert_eq!(human(u64::MAX), "16777215 TiB");
    }
}
