//! The command line. One definition an option: its flag, its `MYNAH_*` variable and its help are all here.

use clap::{Args, Parser, Subcommand, ValueEnum};
use mynah_agent::identity::HOST_NAME_MAX;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Runs any unmodified Linux program with remote storage in its namespace.
#[derive(Debug, Parser)]
#[command(name = "mynah", version, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a program
    #[command(after_help = mount_help())]
    Run(RunArgs),
    /// Serve a directory to programs elsewhere, by the Chirp protocol
    Serve(ServeArgs),
    /// Show programs at work on a server, and compare with the same work done natively
    Demo,
    /// Tell what this machine allows, what will be used, and what to do about the rest
    Doctor(DoctorArgs),
    /// List the system calls and how each is treated
    Syscalls(SyscallsArgs),
    /// Show what a trace of mynah run --trace says
    Trace(TraceArgs),
    /// List the kinds of storage that can be mounted
    Drivers,
}

/// `mynah run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Mount TARGET (a path, a virtual path, a URL or resolver:PROGRAM) at PREFIX
    #[arg(short = 'm', long = "mount", value_name = "PREFIX=TARGET[,OPTION...]")]
    pub(crate) mounts: Vec<OsString>,
    /// Take mounts from FILE, one a line: prefix target options
    #[arg(long, value_name = "FILE", env = "MYNAH_MOUNTFILE")]
    pub(crate) mountfile: Vec<PathBuf>,
    /// How long a call may wait for a server that does not answer
    #[arg(long, value_name = "TIME", env = "MYNAH_TIMEOUT", default_value = "5m", value_parser = parse_time)]
    pub(crate) timeout: Duration,
    #[command(flatten)]
    pub(crate) identity: IdentityArgs,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    /// How many bytes of remote files may be kept at one time
    #[arg(long, value_name = "BYTES", env = "MYNAH_CACHE_SIZE", default_value = "16G", value_parser = parse_size)]
    pub(crate) cache_size: u64,
    /// End the program at a system call that nobody knows, instead of failing the call
    #[arg(long)]
    pub(crate) strict_syscalls: bool,
    /// Write down in FILE what the program asks for by name, and what that costs at servers: see mynah trace
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Tell at the end what was asked of each file and server, by each program
    #[arg(long)]
    pub(crate) summary: bool,
    /// How to intercept system calls: by a seccomp listener, by tracing, or by what can be had
    #[arg(long, value_name = "HOW", env = "MYNAH_MECHANISM", default_value = "auto")]
    pub(crate) mechanism: MechanismChoice,
    /// What to log: off, error, warn, info, debug or trace, or a filter such as mynah_agent=debug
    #[arg(long, value_name = "LEVEL", env = "MYNAH_LOG")]
    pub(crate) log: Option<String>,
    /// Where to log; standard error otherwise
    #[arg(long, value_name = "FILE", env = "MYNAH_LOG_FILE")]
    pub(crate) log_file: Option<PathBuf>,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<OsString>,
}

/// Who the program sees itself to be. What is not given is what is real.
#[derive(Debug, Args)]
pub(crate) struct IdentityArgs {
    /// Show the program's user under this number
    #[arg(long, value_name = "UID", env = "MYNAH_UID", value_parser = parse_id)]
    pub(crate) uid: Option<u32>,
    /// Show its group under this number
    #[arg(long, value_name = "GID", env = "MYNAH_GID", value_parser = parse_id)]
    pub(crate) gid: Option<u32>,
    /// Show these supplementary groups instead of the real ones; nothing for none
    #[arg(long, value_name = "GID[=NAME],...", env = "MYNAH_GROUPS", value_parser = parse_groups)]
    pub(crate) groups: Option<Groups>,
    /// Call its user this
    #[arg(long, value_name = "NAME", env = "MYNAH_USER", value_parser = parse_name)]
    pub(crate) user: Option<String>,
    /// Call its group this
    #[arg(long, value_name = "NAME", env = "MYNAH_GROUP", value_parser = parse_name)]
    pub(crate) group: Option<String>,
    /// Call the machine this
    #[arg(long, value_name = "NAME", env = "MYNAH_HOSTNAME", value_parser = parse_host_name)]
    pub(crate) hostname: Option<String>,
}

/// Supplementary groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Groups(pub(crate) Vec<Group>);

/// A group's number and, if it was given, its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) gid: u32,
    pub(crate) name: Option<String>,
}

/// `--mechanism`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MechanismChoice {
    /// A listener; where there is none, tracing
    Auto,
    /// A seccomp listener, or nothing
    Listener,
    /// ptrace and seccomp together: slower, and no debugger works inside
    Trace,
}

/// Where placeholders are kept.
#[derive(Debug, Args)]
pub(crate) struct CacheArgs {
    /// Where remote files are kept while they are open
    #[arg(long, value_name = "DIR", env = "MYNAH_CACHE_DIR")]
    pub(crate) cache_dir: Option<PathBuf>,
}

/// `mynah serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The directory to serve
    #[arg(long, value_name = "DIR")]
    pub(crate) root: PathBuf,
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9094")]
    pub(crate) listen: SocketAddr,
    /// Write the port to FILE when ready
    #[arg(long, value_name = "FILE")]
    pub(crate) port_file: Option<PathBuf>,
    /// What to log: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", env = "MYNAH_LOG", default_value = "warn")]
    pub(crate) log: String,
    /// Where to log; standard error otherwise
    #[arg(long, value_name = "FILE", env = "MYNAH_LOG_FILE")]
    pub(crate) log_file: Option<PathBuf>,
}

/// `mynah doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// For programs: one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

/// `mynah syscalls`.
#[derive(Debug, Args)]
pub(crate) struct SyscallsArgs {
    /// As the page of the guide
    #[arg(long)]
    pub(crate) markdown: bool,
}

/// `mynah trace`.
#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    #[command(subcommand)]
    pub(crate) command: TraceCommand,
}

/// How to show a trace.
#[derive(Debug, Subcommand)]
pub(crate) enum TraceCommand {
    /// Show each call on a line, in the manner of strace
    Print(TracePrintArgs),
    /// Show sums by file, by server and by program
    Summary(TraceSummaryArgs),
}

/// `mynah trace print`.
#[derive(Debug, Args)]
pub(crate) struct TracePrintArgs {
    /// Only calls of this process or thread
    #[arg(long, value_name = "N")]
    pub(crate) pid: Option<i32>,
    /// Only calls with a path that begins with PREFIX, as named or as it is at the server
    #[arg(long, value_name = "PREFIX")]
    pub(crate) path: Option<OsString>,
    /// Only calls that are known to have failed
    #[arg(long)]
    pub(crate) failed: bool,
    /// Show below each call the requests to servers that it waited for
    #[arg(long)]
    pub(crate) requests: bool,
    /// For programs: one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// The trace
    pub(crate) file: PathBuf,
}

/// `mynah trace summary`.
#[derive(Debug, Args)]
pub(crate) struct TraceSummaryArgs {
    /// How many rows of each table to show
    #[arg(long, value_name = "N", default_value_t = SUMMARY_ROWS)]
    pub(crate) top: usize,
    /// For programs: one JSON object, with all rows
    #[arg(long)]
    pub(crate) json: bool,
    /// The trace
    pub(crate) file: PathBuf,
}

/// Rows of each table of a summary, unless more are asked for: a screenful in all.
pub(crate) const SUMMARY_ROWS: usize = 20;

fn mount_help() -> String {
    let mut help = String::from("Mount options:\n");
    for option in mynah_vfs::mounts::OPTIONS {
        let form =
            option.form().map_or_else(|| option.name.to_owned(), |form| format!("{}={form}", option.name));
        help.push_str(&format!("  {form:<24} {}\n", option.help));
    }
    help
}

fn parse_time(text: &str) -> Result<Duration, String> {
    mynah_vfs::mounts::parse_timeout(text.as_bytes())
        .ok_or_else(|| "a time such as 30, 30s, 5m or 500ms, at most a day".to_owned())
}

/// A user's or group's number. The largest stands for none in every interface.
fn parse_id(text: &str) -> Result<u32, String> {
    let id = text.parse().ok().filter(|&id| id != u32::MAX);
    id.ok_or_else(|| format!("a number from 0 to {}", u32::MAX - 1))
}

/// More groups than a process can have (NGROUPS_MAX).
const GROUPS_MAX: usize = 65536;

fn parse_groups(text: &str) -> Result<Groups, String> {
    let group = |text: &str| {
        let (gid, name) = text.split_once('=').map_or((text, None), |(gid, name)| (gid, Some(name)));
        Ok(Group { gid: parse_id(gid)?, name: name.map(parse_name).transpose()? })
    };
    let groups: Vec<Group> = match text {
        "" => Vec::new(),
        text => text.split(',').map(group).collect::<Result<_, String>>()?,
    };
    if groups.len() > GROUPS_MAX { Err(format!("at most {GROUPS_MAX} groups")) } else { Ok(Groups(groups)) }
}

/// Longest name of a user or group (LOGIN_NAME_MAX less the end).
const NAME_MAX: usize = 255;

/// What can stand in passwd(5) and group(5), and means nothing else there.
fn parse_name(text: &str) -> Result<String, String> {
    let stands = |c: char| !c.is_control() && !c.is_whitespace() && !":,/".contains(c);
    let good = !text.is_empty() && text.len() <= NAME_MAX && !text.starts_with(['-', '+', '#', '~']);
    if good && text.chars().all(stands) {
        return Ok(text.to_owned());
    }
    Err("a name without blanks, colons, commas and slashes, which does not begin with - + # or ~".to_owned())
}

fn parse_host_name(text: &str) -> Result<String, String> {
    let stands = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let good = (1..=HOST_NAME_MAX).contains(&text.len()) && !text.starts_with(['-', '.']);
    if good && text.chars().all(stands) {
        return Ok(text.to_owned());
    }
    Err(format!("1 to {HOST_NAME_MAX} letters, digits, hyphens, dots and underscores"))
}

/// Bytes, with an optional K, M, G or T for powers of 1024.
fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || "a number of bytes such as 500M or 16G".to_owned();
    let (digits, shift) = match text.chars().last().map(|c| c.to_ascii_uppercase()) {
        Some('K') => (&text[..text.len() - 1], 10),
        Some('M') => (&text[..text.len() - 1], 20),
        Some('G') => (&text[..text.len() - 1], 30),
        Some('T') => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_hold_together() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn identities() {
        assert_eq!(parse_id("0"), Ok(0));
        assert!(parse_id("4294967295").is_err() && parse_id("-1").is_err() && parse_id("x").is_err());
        let atlas = Group { gid: 500, name: Some("atlas".to_owned()) };
        assert_eq!(parse_groups("100,500=atlas"), Ok(Groups(vec![Group { gid: 100, name: None }, atlas])));
        assert_eq!(parse_groups(""), Ok(Groups(vec![])));
        assert!(
            parse_groups("100,").is_err() && parse_groups("1=a:b").is_err() && parse_groups("1=").is_err()
        );
        assert_eq!(parse_name("alice@home"), Ok("alice@home".to_owned()));
        for name in ["", "a b", "a:b", "a,b", "+", "-n", "a/b", "a\nb"] {
            assert!(parse_name(name).is_err(), "{name:?}");
        }
        assert_eq!(parse_host_name("node-1.home_net"), Ok("node-1.home_net".to_owned()));
        for name in ["", "a b", "-x", "a/b", &"x".repeat(65)] {
            assert!(parse_host_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("16g"), Ok(16 << 30));
        assert_eq!(parse_size("77"), Ok(77));
        assert!(parse_size("G").is_err());
        assert!(parse_size("99999999999T").is_err());
    }
}
