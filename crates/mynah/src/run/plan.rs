//! What a run is to be, checked before anything is started.

use super::around::Around;
use super::identity::Shown;
use crate::cli::{MechanismChoice, RunArgs};
use crate::connector::Drivers;
use crate::places;
use crate::resolver::Children;
use crate::trace::Summing;
use mynah_agent::Tracer;
use mynah_agent::trace::Sink;
use mynah_cache::Store;
use mynah_drivers::ConnectOptions;
use mynah_vfs::mounts::{self, Consistency, MountSpec, Target};
use mynah_vfs::{Connector, Namespace, VPath};
use rustix::fs::{Access, Mode};
use std::error::Error;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Schemes with a directory of their own in every namespace.
const SERVICES: &[&str] = &["chirp"];

/// A run that can be started.
pub(super) struct Plan {
    /// The agent that answers already, if this is a run inside another.
    pub(super) around: Option<Around>,
    pub(super) mounts: Vec<MountSpec>,
    cwd: VPath,
    umask: u32,
    /// The agent's children that are not the program's.
    pub(super) children: Arc<Children>,
    pub(super) program: CString,
    pub(super) argv: Vec<CString>,
    pub(super) environment: Vec<CString>,
    pub(super) cache_root: PathBuf,
    pub(super) programs_root: Option<PathBuf>,
    pub(super) cache_size: u64,
    pub(super) timeout: Duration,
    pub(super) strict_syscalls: bool,
    /// Where the trace goes.
    trace: Option<(PathBuf, File)>,
    /// What is told at the end.
    pub(super) summary: Option<Summing>,
    pub(super) shown: Shown,
    pub(super) mechanism: MechanismChoice,
    pub(super) log: Option<String>,
    pub(super) log_file: Option<PathBuf>,
}

impl Plan {
    /// # Errors
    /// A mount that makes no sense, in one line that says where.
    pub(super) fn new(args: &RunArgs, around: Option<Around>) -> Result<Plan, Box<dyn Error>> {
        let mounts = read_mounts(args)?;
        let shown = Shown::new(&args.identity);
        let mut environment = environment()?;
        if around.is_some() {
            check_inner(args, &shown)?;
        }
        shown.adjust(&mut environment);
        let argv = args.program.iter().map(c_string).collect::<Result<Vec<_>, _>>()?;
        let cache_root = places::cache_dir(args.cache.cache_dir.as_deref())?;
        let plan = Plan {
            around,
            mounts,
            cwd: working_directory()?,
            umask: own_umask(),
            children: Arc::default(),
            program: argv.first().cloned().ok_or("no program was given")?,
            argv,
            environment,
            programs_root: places::programs_dir(&cache_root),
            cache_root,
            cache_size: args.cache_size,
            timeout: args.timeout,
            strict_syscalls: args.strict_syscalls,
            trace: None,
            summary: args.summary.then(Summing::default),
            shown,
            mechanism: args.mechanism,
            log: args.log.clone(),
            log_file: args.log_file.as_deref().map(std::path::absolute).transpose()?,
        };
        // What is wrong with the names is told before anything is started: here, or by the agent that is there.
        if around.is_none() {
            plan.build(&plan.mounts, None)?;
        }
        // The agent around writes the trace.
        let trace =
            args.trace.as_ref().filter(|_| around.is_none()).map(|path| -> Result<_, Box<dyn Error>> {
                let file =
                    File::create(path).map_err(|error| format!("--trace {}: {error}", path.display()))?;
                Ok((path.clone(), file))
            });
        Ok(Plan { trace: trace.transpose()?, ..plan })
    }

    /// What writes down what the programs of the run do, if anybody wants to know.
    ///
    /// # Errors
    /// The limit of open files is reached.
    pub(super) fn tracer(&self) -> io::Result<Option<Arc<Tracer>>> {
        let mut sinks: Vec<Sink> = Vec::new();
        if let Some((_, file)) = &self.trace {
            sinks.push(Box::new(file.try_clone()?));
        }
        if let Some(summing) = &self.summary {
            sinks.push(Box::new(summing.clone()));
        }
        if sinks.is_empty() {
            return Ok(None);
        }
        let command = self.argv.iter().map(|argument| argument.as_bytes().to_vec()).collect();
        Ok(Some(Tracer::new(command, env!("CARGO_PKG_VERSION"), sinks)))
    }

    /// The trace, as the user named it.
    pub(super) fn trace_name(&self) -> String {
        self.trace.as_ref().map(|(path, _)| path.display().to_string()).unwrap_or_default()
    }

    /// The names of the run, whose drivers are seen by `tracer`; files of its own go into `store`.
    ///
    /// # Errors
    /// See [`Namespace::build`]; a file cannot be written.
    pub(super) fn namespace(
        &self,
        store: &Store,
        tracer: Option<&Arc<Tracer>>,
    ) -> Result<Namespace, Box<dyn Error>> {
        let mut mounts = self.shown.mounts(store, &self.mounts)?;
        mounts.extend_from_slice(&self.mounts);
        self.build(&mounts, tracer)
    }

    fn build(&self, mounts: &[MountSpec], tracer: Option<&Arc<Tracer>>) -> Result<Namespace, Box<dyn Error>> {
        let drivers: Arc<dyn Connector> = Arc::new(Drivers::new(self.timeout, self.umask, &self.children)?);
        let drivers = match tracer {
            Some(tracer) => tracer.connector(drivers),
            None => drivers,
        };
        Ok(Namespace::build(mounts, &self.cwd, SERVICES, drivers)?)
    }
}

/// What only the agent around can do. (An identity in variables of the environment was given to that one too.)
fn check_inner(args: &RunArgs, shown: &Shown) -> Result<(), String> {
    if args.trace.is_some() || args.summary {
        return Err("--trace and --summary are the outermost mynah run's, whose agent sees all calls: give them to that one".to_owned());
    }
    if shown.differs() {
        return Err(
            "an identity is the outermost mynah run's, for all programs: give it to that one".to_owned()
        );
    }
    Ok(())
}

fn c_string(text: &OsString) -> Result<CString, std::ffi::NulError> {
    CString::new(text.as_bytes())
}

fn environment() -> Result<Vec<CString>, std::ffi::NulError> {
    std::env::vars_os()
        .map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()))
        .collect()
}

/// There is no way to ask but to set it.
fn own_umask() -> u32 {
    let own = rustix::process::umask(Mode::empty());
    rustix::process::umask(own);
    own.as_raw_mode()
}

/// A directory that was removed has no name; mounts are then taken from the root.
fn working_directory() -> Result<VPath, Box<dyn Error>> {
    let cwd = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    VPath::normal(cwd.as_os_str().as_bytes()).ok_or_else(|| "the working directory has no name".into())
}

fn read_mounts(args: &RunArgs) -> Result<Vec<MountSpec>, Box<dyn Error>> {
    let mut specs = Vec::new();
    for file in &args.mountfile {
        let text = std::fs::read(file).map_err(|error| format!("--mountfile {}: {error}", file.display()))?;
        let lines = mounts::parse_file(&text, check_spec).map_err(|error| {
            format!("{}:{}:{}: {}", file.display(), error.line, error.column, error.message)
        })?;
        specs.extend(lines);
    }
    for argument in &args.mounts {
        let spec = mounts::parse_argument(argument.as_bytes())
            .map_err(|error| format!("-m {}: {error}", argument.to_string_lossy()))?;
        check_spec(&spec).map_err(|error| format!("-m {}: {error}", argument.to_string_lossy()))?;
        specs.push(spec);
    }
    for spec in &mut specs {
        resolve_local(spec)?;
    }
    Ok(specs)
}

/// What can be told of a mount before anything is started: whether there is a driver for it, and whether it keeps what it is
/// asked to promise.
fn check_spec(spec: &MountSpec) -> Result<(), String> {
    if spec.options.consistency == Consistency::Strict {
        return Err("consistency=strict is not built yet; leave it out for session consistency (see the guide's page on semantics)".to_owned());
    }
    if let Target::Resolver(program) = &spec.target {
        let program = Path::new(OsStr::from_bytes(program));
        rustix::fs::access(program, Access::EXEC_OK)
            .map_err(|errno| format!("{}: {errno}", program.display()))?;
    }
    if let Target::Url(url) = &spec.target {
        let options = ConnectOptions { timeout: Duration::from_secs(1) };
        // Making a driver asks nobody yet.
        mynah_drivers::connect(url, &options).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Links in a local target, and in a prefix, are resolved once, here: the namespace is textual.
fn resolve_local(spec: &mut MountSpec) -> io::Result<()> {
    if let Target::Path(path) | Target::Resolver(path) = &mut spec.target {
        *path = resolved(path)?;
    }
    spec.prefix = resolved(&spec.prefix)?;
    Ok(())
}

/// The longest part of a path that exists, without links, with the rest as it is.
fn resolved(path: &[u8]) -> io::Result<Vec<u8>> {
    let path = std::path::absolute(Path::new(std::ffi::OsStr::from_bytes(path)))?;
    let mut missing = Vec::new();
    let mut at = path.as_path();
    loop {
        if let Ok(real) = at.canonicalize() {
            let whole = missing.iter().rev().fold(real, |whole, name| whole.join(name));
            return Ok(whole.into_os_string().into_vec());
        }
        match (at.parent(), at.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name);
                at = parent;
            }
            _ => return Ok(path.into_os_string().into_vec()),
        }
    }
}
