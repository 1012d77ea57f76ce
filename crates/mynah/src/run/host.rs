//! The process that is the agent, or hands over to the one that is there.

use super::around::Around;
use super::control::{Control, Message};
use super::launching;
use super::plan::Plan;
use super::signals::{self, Inherited, Signals};
use super::terminal::Terminal;
use super::tree::{self, Manner};
use crate::cli::SUMMARY_ROWS;
use crate::resolver::Children;
use crate::{MYNAH_FAILED, complain, logging};
use mynah_agent::{Agent, Config, Tracer};
use mynah_cache::Store;
use mynah_intercept::Tid;
use mynah_intercept::launch::Launched;
use mynah_intercept::listener::Listener;
use mynah_intercept::pidfd::PidFd;
use mynah_intercept::subreaper::{self, ChildState, Exit};
use mynah_vfs::Errno;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, setsid};
use std::error::Error;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::runtime::Runtime;

/// Not found.
const NOT_FOUND: u8 = 127;
/// Found, and not to be executed.
const NOT_EXECUTABLE: u8 = 126;
/// Added to the number of the signal that ended the program.
const BY_SIGNAL: i32 = 128;
/// Threads that wait for servers.
const WORKERS: usize = 2;
/// Threads at most that act inside programs or wait at the queue of a local socket. They are made when needed.
const BLOCKING_MAX: usize = 512;

/// Hosts the program and tells the watcher how it ended.
///
/// # Errors
/// Never returned to the user by this process: the watcher tells the status. (Errors are told here, in one line.)
pub(super) fn host(plan: &Plan, inherited: &Inherited, control: &Control) -> Result<u8, Box<dyn Error>> {
    let terminal = Terminal::note();
    let (status, violently) = match Hosting::start(plan, inherited) {
        Ok(hosting) => hosting.see_through(plan, control),
        Err(error) => {
            complain(&error.to_string());
            (MYNAH_FAILED, false)
        }
    };
    if watcher_is_gone(control)
        && violently
        && let Some(terminal) = terminal
    {
        terminal.restore();
    }
    control.tell(Message::Ended { status, violently });
    Ok(status)
}

const NOW: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };

fn watcher_is_gone(control: &Control) -> bool {
    let mut ready = [PollFd::new(control, PollFlags::IN)];
    matches!(poll(&mut ready, Some(&NOW)), Ok(n) if n > 0) && ready[0].revents().contains(PollFlags::HUP)
}

/// Lets go of the program's input and output, which somebody may wait to see closed. Error output is kept for our one line.
pub(super) fn leave_standard_streams() -> io::Result<()> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok(())
}

/// A program under way.
struct Hosting {
    answerer: Answerer,
    program: Launched,
    children: Arc<Children>,
    name: String,
    signals: Signals,
}

/// Who answers the program's calls.
enum Answerer {
    Own { agent: Arc<Agent>, runtime: Runtime, tracer: Option<Arc<Tracer>> },
    Around(Around),
}

impl Hosting {
    fn start(plan: &Plan, inherited: &Inherited) -> Result<Hosting, Box<dyn Error>> {
        end_with_panics();
        subreaper::become_subreaper()?;
        let signals = Signals::new()?;
        let name = plan.program.to_string_lossy().into_owned();
        let children = Arc::clone(&plan.children);
        if let Some(around) = plan.around {
            around.keep()?;
            let program = launching::start_inside(plan, inherited)?;
            step_aside()?;
            logging::start(plan.log.as_deref(), plan.log_file.as_deref())?;
            tracing::info!(
                "inside another mynah run: the cache, unknown system calls and the agent's log are as that one has them"
            );
            return Ok(Hosting { answerer: Answerer::Around(around), program, children, name, signals });
        }
        let tracer = plan.tracer()?;
        let store = Store::create(&plan.cache_root, plan.programs_root.as_deref(), plan.cache_size)?;
        let namespace = plan.namespace(&store, tracer.as_ref())?;
        let limits = raise_own_limits();
        let started = launching::start(plan, inherited, &limits)?;
        step_aside()?;
        logging::start(plan.log.as_deref(), plan.log_file.as_deref())?;
        started.log();
        let program = started.program;
        let listener = program.listener.clone().ok_or("the program has no listener")?;
        let runtime = runtime()?;
        let config = Config {
            namespace,
            store,
            timeout: plan.timeout,
            strict_syscalls: plan.strict_syscalls,
            tracer: tracer.clone(),
            identity: plan.shown.identity.clone(),
        };
        let agent = Agent::new(config, listener, runtime.handle())?;
        agent.program_launched(program.pid);
        Ok(Hosting { answerer: Answerer::Own { agent, runtime, tracer }, program, children, name, signals })
    }

    /// Answers the program's calls until it has ended, then ends what it left, and carries home what it wrote.
    fn see_through(mut self, plan: &Plan, control: &Control) -> (u8, bool) {
        if let Err(error) = self.answerer.begin().and_then(|()| self.program.go()) {
            complain(&format!("cannot serve {}: {error}", self.name));
            return (MYNAH_FAILED, false);
        }
        let ended = self.follow(control);
        wake_watcher();
        let failed = self.program.exec_failure();
        let manner = if matches!(ended, Ended::Program(_)) { Manner::Grace } else { Manner::AtOnce };
        let listener = self.program.listener.clone();
        tree::end(manner, || listener.iter().for_each(|listener| listener.kill_at_next_stop()));
        let kept = self.answerer.carry_home(control);
        let (status, violently) = self.status(&ended, failed);
        let status = if kept { status } else { MYNAH_FAILED };
        self.answerer.end(plan, status);
        (status, violently)
    }

    fn status(&self, ended: &Ended, failed: io::Result<Option<i32>>) -> (u8, bool) {
        match (ended, failed) {
            (Ended::Program(_), Ok(Some(errno))) => (self.not_executed(errno), false),
            (Ended::Program(Exit::Code(code)), _) => (*code as u8, false),
            (Ended::Program(Exit::Signal(signal)), _) => ((BY_SIGNAL + signal) as u8, true),
            (Ended::Watcher, _) => (MYNAH_FAILED, true),
            (Ended::Unknown(error), _) => {
                complain(&format!("cannot follow {}: {error}", self.name));
                (MYNAH_FAILED, true)
            }
        }
    }

    fn not_executed(&self, errno: i32) -> u8 {
        let errno = Errno::new(errno).unwrap_or(Errno::EIO);
        complain(&format!("cannot run {}: {errno}", self.name));
        if matches!(errno, Errno::ENOENT | Errno::ENOTDIR) { NOT_FOUND } else { NOT_EXECUTABLE }
    }

    /// Follows the program, its orphans, and the watcher.
    fn follow(&self, control: &Control) -> Ended {
        match self.follow_events(control) {
            Ok(ended) => ended,
            Err(error) => Ended::Unknown(error),
        }
    }

    fn follow_events(&self, control: &Control) -> io::Result<Ended> {
        let pidfd = PidFd::open(self.program.pid)?;
        let mut stopped = false;
        loop {
            let mut reaped = 0;
            while reaped < tree::REAPED_AT_ONCE
                && let Some((tid, exit)) = subreaper::reap()?
            {
                self.answerer.task_ended(tid, told(exit));
                self.children.ended(tid, exit);
                if tid == self.program.pid {
                    return Ok(Ended::Program(exit));
                }
                reaped += 1;
            }
            let more = reaped == tree::REAPED_AT_ONCE;
            match subreaper::child_state(self.program.pid)? {
                ChildState::Stopped(signal) if !stopped => {
                    stopped = true;
                    control.tell(Message::Stopped(signal));
                }
                ChildState::Running if stopped => {
                    stopped = false;
                    wake_watcher();
                }
                ChildState::Running | ChildState::Stopped(_) | ChildState::Ended(_) => {}
            }
            let listener = self.program.listener.as_deref();
            let mut ready =
                vec![PollFd::new(&self.signals, PollFlags::IN), PollFd::new(control, PollFlags::IN)];
            ready.extend(
                listener.and_then(Listener::news).map(|news| PollFd::from_borrowed_fd(news, PollFlags::IN)),
            );
            match poll(&mut ready, more.then_some(&NOW)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            listener.into_iter().for_each(Listener::heard);
            if !ready[1].revents().is_empty() {
                match control.hear() {
                    Some(Message::Signal(signal)) => {
                        // A program that has just ended needs no signal.
                        let _ = pidfd.kill(signal);
                    }
                    Some(_) => {}
                    None => return Ok(Ended::Watcher),
                }
            }
            while self.signals.next().is_some() {}
        }
    }
}

impl Answerer {
    /// Begins to answer.
    fn begin(&self) -> io::Result<()> {
        if let Answerer::Own { agent, .. } = self {
            let agent = Arc::clone(agent);
            std::thread::Builder::new().name("listener".into()).spawn(move || agent.serve())?;
        }
        Ok(())
    }

    fn task_ended(&self, tid: Tid, status: i32) {
        if let Answerer::Own { agent, .. } = self {
            agent.task_ended(tid, status);
        }
    }

    /// True if everything that was written is at its server. A signal to Mynah ends the waiting for servers.
    fn carry_home(&self, control: &Control) -> bool {
        let (agent, runtime) = match self {
            Answerer::Own { agent, runtime, .. } => (agent, runtime),
            Answerer::Around(around) => return around.carry_home(control),
        };
        let (enough, told) = tokio::sync::oneshot::channel();
        let settled = AtomicBool::new(false);
        let lost = std::thread::scope(|scope| {
            scope.spawn(|| wait_for_signal(control, &settled, enough));
            let lost = runtime.block_on(agent.settle(async {
                // Without a signal the sender goes when all is settled, and nobody listens any more.
                if told.await.is_err() {
                    std::future::pending::<()>().await;
                }
            }));
            settled.store(true, Ordering::Release);
            lost
        });
        for one in &lost {
            let kept = match &one.rescued {
                Some(path) => format!("its content is kept in {}", path.display()),
                None => "its content could not be kept either".to_owned(),
            };
            complain(&format!("{} was not written: {}; {kept}", one.name, one.error));
        }
        lost.is_empty()
    }

    /// The last thing: tells what the user should know, and takes away what is not needed any more.
    fn end(self, plan: &Plan, status: u8) {
        let Answerer::Own { agent, runtime, tracer } = self else { return };
        agent.remove_placeholders();
        for notice in agent.notices() {
            complain(&notice);
        }
        if agent.met_unknown_call() {
            complain(
                "the program made a system call that nobody knows (--strict-syscalls); the log says which",
            );
        }
        if let Some(tracer) = tracer {
            finish_trace(&tracer, plan, status);
        }
        runtime.shutdown_background();
    }
}

/// Writes what is left of the trace, and tells what it comes to.
fn finish_trace(tracer: &Tracer, plan: &Plan, status: u8) {
    if let Some(failure) = tracer.finish(status.into()) {
        complain(&format!("--trace {}: the trace is not whole: {failure}", plan.trace_name()));
    }
    if let Some(summing) = &plan.summary {
        // Nobody is left to be told if that fails.
        let _ = io::stderr().write_all(summing.text(SUMMARY_ROWS).as_bytes());
    }
}

/// Leaves to the program what is its own, now that it has been started.
fn step_aside() -> io::Result<()> {
    // The program stays in the foreground with the watcher; what kills that whole group is not to kill us as well. We are the
    // parent of orphans, and the kernel asks of their process groups whether a parent is in their session: init is not.
    setsid()?;
    // Files of the machine's own that the agent makes for the program get the program's own mask.
    rustix::process::umask(Mode::empty());
    leave_standard_streams()
}

/// How often one who waits for a signal looks whether that is still of interest.
const SIGNAL_LOOK: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// Tells when the watcher passes a signal on.
pub(super) fn wait_for_signal(
    control: &Control,
    settled: &AtomicBool,
    enough: tokio::sync::oneshot::Sender<()>,
) {
    while !settled.load(Ordering::Acquire) {
        let mut ready = [PollFd::new(control, PollFlags::IN)];
        let readable = matches!(poll(&mut ready, Some(&SIGNAL_LOOK)), Ok(n) if n > 0);
        if !readable {
            continue;
        }
        match control.hear() {
            Some(Message::Signal(signal)) if ends_waiting(signal) => {
                // The receiver may be done at this moment.
                let _ = enough.send(());
                return;
            }
            Some(_) => {}
            // Without a watcher there is nobody to be impatient.
            None => return,
        }
    }
}

/// Whether a signal says that somebody does not want to wait.
fn ends_waiting(signal: i32) -> bool {
    use rustix::process::Signal;
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM].iter().any(|one| one.as_raw() == signal)
}

/// The watcher stops with the program. A shell continues both; somebody else may continue, or end, the program alone.
fn wake_watcher() {
    if let Some(watcher) = rustix::process::getppid() {
        // If it has ended, our parent is one that is not stopped.
        let _ = rustix::process::kill_process(watcher, rustix::process::Signal::CONT);
    }
}

/// An exit as the trace tells it: the status, or the signal, negated.
fn told(exit: Exit) -> i32 {
    match exit {
        Exit::Code(code) => code,
        Exit::Signal(signal) => -signal,
    }
}

/// How a run came to its end.
enum Ended {
    /// The program ended.
    Program(Exit),
    /// The watcher is gone, and with it whoever wanted the program.
    Watcher,
    /// The kernel would not tell.
    Unknown(io::Error),
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .max_blocking_threads(BLOCKING_MAX)
        .thread_name("worker")
        .on_thread_start(|| {
            // Threads begin with the mask of the one that makes them, in which all of ours are blocked already.
            let _ = signals::block_all();
        })
        .enable_all()
        .build()
}

/// A thread that panics would leave its program waiting for ever: the whole host ends, and the watcher cleans up.
fn end_with_panics() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |what| {
        tell(what);
        std::process::abort();
    }));
}

/// The user's limits for programs, which are not for the agent: it needs descriptors for every program below it, fetches files
/// that a program may not write, and answers for many.
const NOT_FOR_THE_AGENT: [Resource; 5] =
    [Resource::Nofile, Resource::Fsize, Resource::Cpu, Resource::As, Resource::Data];

/// Raises our own limits as far as we may. Returns what the program is to find: the limits as they were.
fn raise_own_limits() -> Vec<(Resource, Rlimit)> {
    let raise = |resource| {
        let limit = getrlimit(resource);
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        // Where that is refused we live with what there is.
        setrlimit(resource, raised).ok().map(|()| (resource, limit))
    };
    NOT_FOR_THE_AGENT.into_iter().filter_map(raise).collect()
}
