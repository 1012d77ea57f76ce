//! Waiting and death: servers that hang, signals while a call waits, terminals, and who outlives whom.

mod site;

use std::fs;
use std::io::{self, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use mynah_testkit::processes::{running, running_below, wait_until_none};
use mynah_testkit::run::{Ended, Running, mode_options, run, start, start_fed, wait_until};
use mynah_testkit::terminal::{INTERRUPT, QUIT, SUSPEND, Terminal};
use rustix::process::{Pid, Signal, kill_process};

use site::{Hanging, LIMIT, Site, again_traced, assert_ended};

/// Well below the default time-out of calls, so that a release by time-out is not taken for one by the signal.
const SOON: Duration = Duration::from_secs(20);

/// Starts a copy of cat on a file of a server that hangs, and waits until the server has been asked.
fn cat_that_hangs(site: &Site, hanging: &Hanging) -> (Running, TcpStream, Pid) {
    let cat = site.lend(Path::new("/bin/cat"));
    let path = hanging.path("file");
    let program = [cat.to_str().expect("UTF-8"), &path];
    let running_cat = start(&mut site.mynah(&[], &program)).expect("mynah starts");
    let caller = hanging.caller();
    let pid = only(&running(&cat).expect("processes"));
    (running_cat, caller, pid)
}

#[track_caller]
fn only(pids: &[Pid]) -> Pid {
    assert_eq!(pids.len(), 1, "exactly one process is expected");
    pids[0]
}

#[test]
fn a_call_to_a_server_that_hangs_ends_by_its_time_out() {
    let site = Site::new("time-out");
    let hanging = Hanging::new();
    let outcome =
        run(&mut site.mynah(&["--timeout", "1s"], &["/bin/cat", &hanging.path("file")]), LIMIT).unwrap();
    assert_ended(&outcome, Ended::Exit(1));
    assert!(outcome.err().contains("timed out"), "{}", outcome.err());
}

#[test]
fn a_signal_ends_a_program_in_the_middle_of_a_call() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::KILL, Signal::USR1] {
        let site = Site::new("signal");
        let hanging = Hanging::new();
        let (cat, _caller, pid) = cat_that_hangs(&site, &hanging);
        kill_process(pid, signal).unwrap();
        let outcome = cat.finish(SOON).unwrap();
        assert_ended(&outcome, Ended::Exit(128 + signal.as_raw()));
        wait_until_none(site.path(), SOON).unwrap();
    }
}

#[test]
fn a_handled_signal_interrupts_a_call() {
    let site = Site::new("handled");
    let hanging = Hanging::new();
    let open_at = site.compile("open_at");
    let path = hanging.path("file");
    let program = [open_at.to_str().unwrap(), "plain", &path];
    let running_it = start(&mut site.mynah(&[], &program)).unwrap();
    let _caller = hanging.caller();
    kill_process(only(&running(&open_at).unwrap()), Signal::USR1).unwrap();
    let outcome = running_it.finish(SOON).unwrap();
    assert_ended(&outcome, Ended::Exit(0));
    assert!(outcome.out().contains("EINTR, handler ran"), "{}", outcome.out());
}

#[test]
fn a_restartable_signal_and_then_a_fatal_one() {
    let site = Site::new("restart");
    let hanging = Hanging::new();
    let open_at = site.compile("open_at");
    let path = hanging.path("file");
    let program = [open_at.to_str().unwrap(), "restart", &path];
    let running_it = start(&mut site.mynah(&[], &program)).unwrap();
    let _caller = hanging.caller();
    let pid = only(&running(&open_at).unwrap());
    for _ in 0..5 {
        kill_process(pid, Signal::USR1).unwrap();
    }
    kill_process(pid, Signal::TERM).unwrap();
    let outcome = running_it.finish(SOON).unwrap();
    assert_ended(&outcome, Ended::Exit(128 + 15));
    assert!(!outcome.out().contains("EINTR"), "{}", outcome.out());
}

#[test]
fn stopping_and_continuing_in_the_middle_of_a_call() {
    let site = Site::new("stop");
    let hanging = Hanging::new();
    let (cat, _caller, pid) = cat_that_hangs(&site, &hanging);
    kill_process(pid, Signal::STOP).unwrap();
    wait_for_state(pid, 'T');
    kill_process(pid, Signal::CONT).unwrap();
    wait_for_state(pid, 'S');
    kill_process(pid, Signal::TERM).unwrap();
    assert_ended(&cat.finish(SOON).unwrap(), Ended::Exit(128 + 15));
}

/// Polls, because the kernel tells nobody but a parent and a tracer of a change of state.
#[track_caller]
fn wait_for_state(pid: Pid, wanted: char) {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    let deadline = Instant::now() + SOON;
    loop {
        let text = fs::read_to_string(&path).expect("it lives");
        let state = text.rsplit(')').next().and_then(|rest| rest.trim_start().chars().next());
        // A wait that only death can end shows as D on kernels where a notification is awaited so. A tracer's own stop, and
        // what becomes of others under a tracer, show as t.
        let traced = !mode_options().is_empty() && state == Some('t');
        if state == Some(wanted) || (wanted == 'S' && state == Some('D')) || traced {
            return;
        }
        assert!(Instant::now() < deadline, "state {state:?} instead of {wanted}");
        std::thread::yield_now();
    }
}

#[test]
fn one_hanging_server_stalls_nobody_else() {
    let site = Site::new("others");
    let hanging = Hanging::new();
    let serving = site.serve();
    site.file("served/f", "answered\n");
    let script = format!(
        "cat {} & waiter=$!; read go; cat {}/f; kill $waiter; wait $waiter; echo $?",
        hanging.path("x"),
        serving.mount().display()
    );
    let mut command = site.mynah(&[], &["/bin/sh", "-c", &script]);
    let (go, mut tell) = io::pipe().unwrap();
    let running_it = start_fed(command.stdin(go)).unwrap();
    let _caller = hanging.caller();
    tell.write_all(b"go\n").unwrap();
    let outcome = running_it.finish(SOON).unwrap();
    assert_ended(&outcome, Ended::Exit(0));
    assert_eq!(outcome.out(), "answered\n143\n");
}

#[test]
fn ctrl_c_in_the_middle_of_a_call() {
    let site = Site::new("ctrl-c");
    let hanging = Hanging::new();
    let (mut terminal, mut shell) = shell_on_a_terminal(&site, &hanging);
    terminal.type_in(b"$RUN /bin/cat $HANGING\n").unwrap();
    let _caller = hanging.caller();
    terminal.type_in(INTERRUPT).unwrap();
    terminal.wait_for("ready> ", SOON).unwrap();
    terminal.type_in(b"echo status $?.\n").unwrap();
    terminal.wait_for("status 130.", SOON).unwrap();
    leave(&site, &terminal, &mut shell);
}

#[test]
fn ctrl_backslash_in_the_middle_of_a_call() {
    let site = Site::new("ctrl-backslash");
    let hanging = Hanging::new();
    let (mut terminal, mut shell) = shell_on_a_terminal(&site, &hanging);
    terminal.type_in(b"$RUN /bin/cat $HANGING\n").unwrap();
    let _caller = hanging.caller();
    terminal.type_in(QUIT).unwrap();
    terminal.wait_for("ready> ", SOON).unwrap();
    terminal.type_in(b"echo status $?.\n").unwrap();
    terminal.wait_for("status 131.", SOON).unwrap();
    leave(&site, &terminal, &mut shell);
}

#[test]
fn ctrl_z_in_the_middle_of_a_call() {
    let site = Site::new("ctrl-z");
    let hanging = Hanging::new();
    let (mut terminal, mut shell) = shell_on_a_terminal(&site, &hanging);
    terminal.type_in(b"$RUN /bin/cat $HANGING\n").unwrap();
    let _caller = hanging.caller();
    let job = terminal.foreground().unwrap();
    terminal.type_in(SUSPEND).unwrap();
    terminal.wait_for("Stopped", SOON).unwrap();
    terminal.wait_for("ready> ", SOON).unwrap();
    terminal.type_in(b"echo here; fg\n").unwrap();
    terminal.wait_for("here\r\n", SOON).unwrap();
    terminal.wait_for("/bin/cat", SOON).unwrap();
    // The shell says what it takes up before it gives the terminal to it.
    terminal.wait_for_foreground(job, SOON).unwrap();
    terminal.type_in(INTERRUPT).unwrap();
    terminal.wait_for("ready> ", SOON).unwrap();
    terminal.type_in(b"echo status $?.\n").unwrap();
    terminal.wait_for("status 130.", SOON).unwrap();
    leave(&site, &terminal, &mut shell);
}

/// An interactive bash whose `$RUN` starts `mynah run`.
fn shell_on_a_terminal(site: &Site, hanging: &Hanging) -> (Terminal, Child) {
    let mut terminal = Terminal::open().expect("a terminal");
    let mut shell = Command::new("bash");
    shell.args(["--norc", "--noprofile", "-i"]);
    let run =
        format!("{} run --cache-dir {} --", site.mynah_path().display(), site.join("cache-tty").display());
    shell.env("PS1", "ready> ").env("RUN", run).env("HOME", site.join("home")).env("HISTFILE", "");
    shell.env("HANGING", hanging.path("file"));
    let child = terminal.start(&shell).expect("bash");
    terminal.wait_for("ready> ", SOON).expect("a prompt");
    (terminal, child)
}

/// Leaves the shell; nothing that it started may be there then.
fn leave(site: &Site, terminal: &Terminal, shell: &mut Child) {
    terminal.type_in(b"exit\n").expect("it takes what is typed");
    shell.wait().expect("bash ends");
    wait_until_none(site.path(), SOON).expect("nothing is left");
    assert!(terminal.is_usable().expect("its modes"));
}

#[test]
fn the_terminal_is_usable_whatever_dies() {
    let site = Site::new("modes");
    let sleep = site.lend(Path::new("/bin/sleep"));
    let terminal = Terminal::open().unwrap();
    let mut command = Command::new(site.mynah_path());
    let script = format!("stty raw -echo; exec {} 1000", sleep.display());
    command
        .arg("run")
        .args(mode_options())
        .arg("--cache-dir")
        .arg(site.join("cache-tty"))
        .args(["--", "sh", "-c", &script]);
    let mut child = terminal.start(&command).unwrap();
    let deadline = Instant::now() + SOON;
    while running(&sleep).unwrap().is_empty() {
        assert!(Instant::now() < deadline, "the program does not start");
        std::thread::yield_now();
    }
    assert!(!terminal.is_usable().unwrap());
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    wait_until_none(site.path(), SOON).unwrap();
    assert!(terminal.is_usable().unwrap(), "raw mode was left behind");
}

#[test]
fn a_terminal_that_hangs_up_ends_all() {
    let site = Site::new("hang-up");
    let sleep = site.lend(Path::new("/bin/sleep"));
    let mut terminal = Terminal::open().unwrap();
    let mut command = Command::new(site.mynah_path());
    let script = format!("{} 1000 & echo started; {} 1000", sleep.display(), sleep.display());
    command
        .arg("run")
        .args(mode_options())
        .arg("--cache-dir")
        .arg(site.join("cache-tty"))
        .args(["--", "sh", "-c", &script]);
    let mut child = terminal.start(&command).unwrap();
    terminal.wait_for("started", SOON).unwrap();
    drop(terminal);
    child.wait().unwrap();
    wait_until_none(site.path(), SOON).unwrap();
}

#[test]
fn exit_statuses() {
    let site = Site::new("status");
    for (script, status) in
        [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137)]
    {
        assert_ended(&site.shell(&[], script), Ended::Exit(status));
    }
    let not_found = run(&mut site.mynah(&[], &["no-such-program"]), LIMIT).unwrap();
    site::assert_refused(&not_found, 127, &["no-such-program"]);
    let path = site.file("local/text", "text");
    let not_executable = run(&mut site.mynah(&[], &[path]), LIMIT).unwrap();
    site::assert_refused(&not_executable, 126, &["text"]);
    let own_failure = run(&mut site.mynah(&["-m", "nonsense"], &["true"]), LIMIT).unwrap();
    site::assert_refused(&own_failure, 125, &["nonsense"]);
}

#[test]
fn sigterm_reaches_the_program_first() {
    let site = Site::new("sigterm");
    let sleep = site.lend(Path::new("/bin/sleep"));
    let script =
        format!("trap 'echo asked to end; exit 5' TERM; echo ready; {} 1000 & wait", sleep.display());
    let mut running_it = start(&mut site.mynah(&[], &["/bin/sh", "-c", &script])).unwrap();
    running_it.wait_for("ready", SOON).unwrap();
    kill_process(running_it.pid(), Signal::TERM).unwrap();
    let outcome = running_it.finish(SOON).unwrap();
    assert_ended(&outcome, Ended::Exit(5));
    assert_eq!(outcome.out(), "ready\nasked to end\n");
    wait_until_none(site.path(), SOON).unwrap();
}

#[test]
fn what_the_program_leaves_running_ends_with_it() {
    let site = Site::new("daemons");
    let sleep = site.lend(Path::new("/bin/sleep"));
    let sleep = sleep.display();
    let script = format!(
        "setsid {sleep} 1000 > /dev/null 2>&1 & (setsid {sleep} 1000 &) > /dev/null 2>&1; nohup {sleep} 1000 > /dev/null 2>&1 & exit 3"
    );
    assert_ended(&site.shell(&[], &script), Ended::Exit(3));
    wait_until_none(site.path(), SOON).unwrap();
}

/// A tree with all that is hard to end: a daemon, a stopped process, one that ignores signals, one that waits for a server.
fn hard_tree(site: &Site, hanging: &Hanging) -> (Running, TcpStream) {
    let sleep = site.lend(Path::new("/bin/sleep"));
    let cat = site.lend(Path::new("/bin/cat"));
    let (sleep, cat) = (sleep.display(), cat.display());
    let script = format!(
        "setsid {sleep} 1001 & {sleep} 1002 & kill -STOP $!; (trap '' TERM HUP INT; exec {sleep} 1003) & {cat} {} & echo up; wait",
        hanging.path("file")
    );
    let mut tree = start(&mut site.mynah(&[], &["/bin/sh", "-c", &script])).expect("it works");
    tree.wait_for("up", SOON).expect("it works");
    let caller = hanging.caller();
    (tree, caller)
}

#[test]
fn whichever_process_of_mynah_is_killed_all_end() {
    let count = {
        let site = Site::new("count");
        let hanging = Hanging::new();
        let (tree, _caller) = hard_tree(&site, &hanging);
        let count = running(&site.mynah_path()).unwrap().len();
        kill_process(tree.pid(), Signal::KILL).unwrap();
        tree.finish(SOON).unwrap();
        wait_until_none(site.path(), SOON).unwrap();
        count
    };
    assert!(count >= 1);
    for which in 0..count {
        let site = Site::new("kill");
        let hanging = Hanging::new();
        let (tree, _caller) = hard_tree(&site, &hanging);
        let before = files_outside_the_cache(&site);
        let victims = running(&site.mynah_path()).unwrap();
        assert_eq!(victims.len(), count);
        kill_process(victims[which], Signal::KILL).unwrap();
        let outcome = tree.finish(SOON).unwrap();
        assert!(!matches!(outcome.ended, Ended::TimedOut | Ended::OutputHeld), "{outcome:?}");
        assert_ne!(outcome.ended, Ended::Exit(0), "a death must not look like success");
        wait_until_none(site.path(), SOON).unwrap();
        assert_eq!(files_outside_the_cache(&site), before, "something was left behind");
    }
}

fn files_outside_the_cache(site: &Site) -> Vec<String> {
    let listing = mynah_testkit::tree::describe(site.path()).expect("it works");
    listing.lines().filter(|line| !line.contains("/cache")).map(str::to_owned).collect()
}

#[test]
fn every_ending_signal_to_mynah_ends_the_tree() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT] {
        let site = Site::new("signals");
        let sleep = site.lend(Path::new("/bin/sleep"));
        let script = format!("setsid {} 1000 & echo up; exec {} 1000", sleep.display(), sleep.display());
        let mut tree = start(&mut site.mynah(&[], &["/bin/sh", "-c", &script])).unwrap();
        tree.wait_for("up", SOON).unwrap();
        kill_process(tree.pid(), signal).unwrap();
        let outcome = tree.finish(SOON).unwrap();
        let number = signal.as_raw();
        assert!(
            [Ended::Exit(128 + number), Ended::Signal(number)].contains(&outcome.ended),
            "{signal:?}: {outcome:?}"
        );
        wait_until_none(site.path(), SOON).unwrap();
    }
}

/// As in a container whose first process was put into a new PID namespace, and not into a new session.
#[test]
fn a_signal_is_passed_on_where_the_sessions_leader_is_outside_the_pid_namespace() {
    let site = Site::new("outer-session");
    let mut command = site.command("unshare");
    command.args(["--user", "--map-current-user", "--pid", "--fork", "--mount-proc", "--kill-child"]);
    command.arg(site.mynah_path()).arg("run").args(mode_options()).arg("--cache-dir").arg(site.join("cache"));
    // Mynah is the namespace's first process.
    command.args(["--", "/bin/sh", "-c", "trap 'echo hung up; exit 7' HUP; kill -HUP 1; sleep 1000 & wait"]);
    let outcome = run(&mut command, SOON).unwrap();
    assert_ended(&outcome, Ended::Exit(7));
    assert_eq!(outcome.out(), "hung up\n");
}

/// Who takes in orphans is no member of the session that Mynah was started in, so that they are as orphaned as natively.
#[test]
fn stopped_orphans_are_hung_up() {
    let site = Site::new("orphans");
    let program = site.compile("orphaned_groups");
    let mynah = site.mynah(&[], &[program.as_path(), Path::new(".")]);
    let mut command = site.command("setsid");
    command.arg("--wait").arg(mynah.get_program()).args(mynah.get_args());
    let outcome = run(&mut command, SOON).unwrap();
    assert_ended(&outcome, Ended::Exit(0));
    let expected = "WIFSTOPPED(status): yes\nhung_up && continued: yes\nnot stopped\nended == leader: yes\n";
    assert_eq!(outcome.out(), expected);
}

#[test]
fn a_fork_storm_ends_with_mynah() {
    let site = Site::new("storm");
    let storm = site.compile("fork_storm");
    let mut running_it = start(&mut site.mynah(&[], &[&storm])).unwrap();
    running_it.wait_for("storming", SOON).unwrap();
    kill_process(running_it.pid(), Signal::KILL).unwrap();
    running_it.finish(SOON).unwrap();
    // A process of the storm is alive only for a moment: none may be found several times in a row.
    // The storm has the machine while it lasts: what ends it gets its share of it, and no more.
    let deadline = Instant::now() + 6 * SOON;
    let mut calm = 0;
    while calm < 50 {
        assert!(Instant::now() < deadline, "the storm goes on");
        calm = if running_below(site.path()).unwrap().is_empty() { calm + 1 } else { 0 };
    }
}

#[test]
fn five_hundred_waiters_do_not_stop_the_one_who_releases_them() {
    let site = Site::new("waiters");
    let program = site.compile("five_hundred");
    let serving = site.serve();
    for place in [site.join("local"), serving.mount()] {
        let outcome =
            run(&mut site.mynah(&[], &[program.as_os_str(), place.as_os_str()]), LIMIT * 2).unwrap();
        assert_ended(&outcome, Ended::Exit(0));
        assert_eq!(outcome.out(), "b: 12 \"work goes on\"\nbad 0\n", "in {}", place.display());
    }
}

#[test]
fn what_a_killed_program_wrote_follows_at_once() {
    let site = Site::new("killed");
    let serving = site.serve();
    let script = format!("exec 3> {}/f; printf written >&3; kill -KILL $$", serving.mount().display());
    assert_ended(&site.shell(&[], &script), Ended::Exit(128 + 9));
    assert_eq!(fs::read_to_string(site.join("served/f")).unwrap(), "written");
}

#[test]
fn a_server_that_dies_is_an_error_that_is_told() {
    let site = Site::new("server-death");
    let serving = site.serve();
    let script = format!(
        "exec 3> {}/f; echo opened; printf lost >&3; read go; exec 3>&-; echo closed with $?",
        serving.mount().display()
    );
    let mut command = site.mynah(&["--timeout", "2s"], &["/bin/bash", "-c", &script]);
    let (go, mut tell) = io::pipe().unwrap();
    let mut running_it = start_fed(command.stdin(go)).unwrap();
    running_it.wait_for("opened", SOON).unwrap();
    let server = serving.pid();
    kill_process(server, Signal::KILL).unwrap();
    wait_until(server, Instant::now() + SOON).unwrap();
    tell.write_all(b"go\n").unwrap();
    let outcome = running_it.finish(LIMIT).unwrap();
    // Bash does not look at close's result; Mynah's own exit status and its line do tell.
    assert_ended(&outcome, Ended::Exit(125));
    assert!(outcome.err().contains("/f"), "the file is named: {}", outcome.err());
}

#[test]
fn waiting_is_the_same_where_programs_are_traced() {
    again_traced(&[
        "a_call_to_a_server_that_hangs_ends_by_its_time_out",
        "a_signal_ends_a_program_in_the_middle_of_a_call",
        "a_handled_signal_interrupts_a_call",
        "a_restartable_signal_and_then_a_fatal_one",
        "stopping_and_continuing_in_the_middle_of_a_call",
        "one_hanging_server_stalls_nobody_else",
        "ctrl_c_in_the_middle_of_a_call",
        "ctrl_z_in_the_middle_of_a_call",
        "exit_statuses",
        "sigterm_reaches_the_program_first",
        "what_the_program_leaves_running_ends_with_it",
        "whichever_process_of_mynah_is_killed_all_end",
        "what_a_killed_program_wrote_follows_at_once",
    ]);
}
