//! A Mynah inside a Mynah: namespaces within namespaces, and whose end is whose.

mod site;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use mynah_testkit::processes::{running, wait_until_none};
use mynah_testkit::run::{Ended, Outcome, run, start};
use mynah_testkit::serving::Serving;
use mynah_testkit::terminal::{INTERRUPT, SUSPEND, Terminal};
use rustix::process::{Signal, kill_process};

use site::{Hanging, LIMIT, Site, assert_ended, assert_refused};

/// A site with a server over `served`, which holds a file `f` and a directory `d` with a file `g`.
fn served(name: &str) -> (Site, Serving, String) {
    let site = Site::new(name);
    site.file("served/f", "the file f\n");
    site.directory("served/d");
    site.file("served/d/g", "the file g\n");
    let serving = site.serve();
    let mount = serving.mount().display().to_string();
    (site, serving, mount)
}

/// The text of a shell command that runs a script under another `mynah run`. The script must hold no single quote.
fn inner(site: &Site, options: &str, script: &str) -> String {
    assert!(!script.contains('\''), "{script}");
    format!("{} run {options} -- /bin/sh -c '{script}'", site.mynah_path().display())
}

/// Polls, because nobody is told when somebody else's processes come and go.
#[track_caller]
fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[track_caller]
fn count(program: &Path) -> usize {
    running(program).expect("processes").len()
}

/// A shell's words that wait until the test makes the file `go`.
const WAIT_FOR_GO: &str = "until [ -e go ]; do sleep 0.02; done";

#[track_caller]
fn prints(site: &Site, options: &[&str], script: &str, expected: &str) -> Outcome {
    let outcome = site.shell(options, script);
    assert_eq!(outcome.out(), expected, "{script}\nerr: {}", outcome.err());
    assert_ended(&outcome, Ended::Exit(0));
    outcome
}

#[test]
fn a_mount_inside_a_mount() {
    let (site, serving, mount) = served("inside");
    let data = format!("/data=chirp://127.0.0.1:{}/", serving.port());
    let within = inner(
        &site,
        "-m /in=/data/d",
        "cat /in/g /data/f; cd /in; pwd; readlink /proc/self/cwd; echo new > h; ls; ls /data",
    );
    let seen = "the file g\nthe file f\n/in\n/in\ng\nh\nd\nf\n";
    prints(&site, &["-m", &data], &format!("{within}; ls -d /in || ls /data/d"), &format!("{seen}g\nh\n"));
    assert_eq!(fs::read_to_string(site.join("served/d/h")).unwrap(), "new\n");
    // A URL of the inner run's own, and a local directory.
    let url =
        format!("-m /url=chirp://127.0.0.1:{}/d -m /here={}", serving.port(), site.join("local").display());
    site.file("local/l", "local\n");
    let within = inner(
        &site,
        &url,
        &format!("cat /url/g /here/l {mount}/f; cd /here; pwd; ls / | grep -cx -e url -e here"),
    );
    prints(&site, &[], &within, "the file g\nlocal\nthe file f\n/here\n2\n");
}

#[test]
fn what_is_closed_outside_stays_closed_inside() {
    let (site, serving, _) = served("closed");
    site.directory("local/secret");
    site.file("local/secret/s", "secret");
    site.directory("local/gone");
    let local = site.join("local").display().to_string();
    let data = format!("/data=chirp://127.0.0.1:{}/,ro,noexec", serving.port());
    let options =
        ["-m", &data, "-m", &format!("{local}/secret=-,deny"), "-m", &format!("{local}/gone=-,hide")];
    let script = format!(
        "echo x > /in/f; cat /in/f; echo x > /data/f; cat /l/secret/s; ls /l; cat {local}/secret/s; ls -d {local}/gone /l/gone"
    );
    let within =
        inner(&site, &format!("-m /in=/data -m /l={local}"), &format!("{{ {script}; }} 2>/dev/null"));
    let outcome = site.shell(&options, &within);
    assert_eq!(outcome.out(), "the file f\nsecret\n", "err: {}", outcome.err());
    assert_eq!(fs::read_to_string(site.join("served/f")).unwrap(), "the file f\n");
}

#[test]
fn the_inner_run_can_close_what_is_open_outside() {
    let (site, serving, _) = served("narrower");
    let data = format!("/data=chirp://127.0.0.1:{}/", serving.port());
    // The outer shell has directory and file open, for writing, when the inner run begins.
    let within = inner(
        &site,
        "-m /data=/data,ro",
        "echo x 2>/dev/null > f || echo refused; touch d/n 2>/dev/null || echo refused; cat f; chmod 600 f 2>/dev/null || echo refused",
    );
    let hidden =
        inner(&site, "-m /data=-,hide", "/bin/pwd 2>/dev/null || echo nowhere; ls -d /data 2>/dev/null; cat");
    let script = format!("cd /data; exec 7<>f; {within}; echo outside > d/o; {hidden} < f");
    prints(&site, &["-m", &data], &script, "refused\nrefused\nthe file f\nrefused\nnowhere\nthe file f\n");
    assert_eq!(fs::read_to_string(site.join("served/d/o")).unwrap(), "outside\n");
}

#[test]
fn runs_within_runs_within_runs() {
    let (site, _serving, mount) = served("deep");
    let mynah = site.mynah_path().display().to_string();
    let script = format!("{mynah} run -m /b=/a/d -- {mynah} run -m /c=/b -- cat /c/g /b/g /a/f");
    prints(&site, &["-m", &format!("/a={mount}")], &script, "the file g\nthe file g\nthe file f\n");
    let mut program = [mynah.as_str(), "run", "--"].repeat(17);
    program.push("true");
    let outcome = run(&mut site.mynah(&[], &program), LIMIT).unwrap();
    assert_refused(&outcome, 125, &["16 runs lie around"]);
}

#[test]
fn the_status_is_the_programs() {
    let site = Site::new("status");
    let mynah = site.mynah_path().display().to_string();
    for (program, status) in [
        ("sh -c \"exit 7\"", 7),
        ("sh -c \"kill -TERM \\$\\$\"", 143),
        ("no-such-program", 127),
        ("/tmp", 126),
    ] {
        let outcome = site.shell(&[], &format!("{mynah} run -- {program}; echo $?"));
        assert_eq!(outcome.out(), format!("{status}\n"), "{program}: {}", outcome.err());
    }
    for (options, words) in [
        ("-m /a=/b -m /a=/c", ["two mounts on", "/a"]),
        ("-m /a=chirp://h:99999/", ["port", "99999"]),
        ("-m /a=/b/c -m /b=/a/c", ["ring", "/b"]),
        ("--trace t", ["--trace", "outermost"]),
        ("--summary", ["--summary", "outermost"]),
        ("--uid 12345", ["identity", "outermost"]),
        ("--hostname elsewhere", ["identity", "outermost"]),
    ] {
        let outcome = site.shell(&[], &format!("exec {mynah} run {options} -- true"));
        assert_refused(&outcome, 125, &words);
    }
}

#[test]
fn side_by_side_each_has_its_own_output() {
    let (site, _serving, mount) = served("side-by-side");
    let mynah = site.mynah_path().display().to_string();
    let rule = format!(
        "all: 1 2 3 4 5 6\n%:\n\t@{mynah} run -m output.txt={mount}/output.$@.txt -- sh -c 'echo number $@ > output.txt; cat output.txt' > seen.$@\n"
    );
    site.file("local/Makefile", rule);
    prints(&site, &[], "make -s -j3", "");
    for number in 1..=6 {
        let written = fs::read_to_string(site.join(format!("served/output.{number}.txt"))).unwrap();
        let seen = fs::read_to_string(site.join(format!("local/seen.{number}"))).unwrap();
        assert_eq!((written.as_str(), seen), (format!("number {number}\n").as_str(), written.clone()));
    }
    assert!(!site.join("local/output.txt").exists());
}

#[test]
fn orphans_stay_where_they_were_born() {
    let (site, _serving, mount) = served("orphans");
    // The subshell in the middle ends at once; its child makes its first calls afterwards.
    let script = "( ( sleep 0.1; setsid cat /in/g > seen; mv seen done ) & ) ; until [ -e done ]; do sleep 0.02; done; cat done";
    let orphan = inner(&site, &format!("-m /in={mount}/d"), script);
    prints(&site, &[], &orphan, "the file g\n");
}

#[test]
fn what_the_inner_run_left_ends_with_it() {
    let site = Site::new("left");
    let sleep = site.lend(Path::new("/bin/sleep"));
    let left = format!("setsid {0} 1000 & nohup {0} 1000 >/dev/null 2>&1 & exit 3", sleep.display());
    let script = format!("{}; echo $?; {WAIT_FOR_GO}", inner(&site, "", &left));
    let mut outer = start(&mut site.mynah(&[], &["/bin/sh", "-c", &script])).unwrap();
    outer.wait_for("3\n", LIMIT).unwrap();
    assert_eq!(count(&sleep), 0, "they ended before the inner run did");
    site.file("local/go", "");
    assert_ended(&outer.finish(LIMIT).unwrap(), Ended::Exit(0));
}

#[test]
fn whoever_is_killed_nothing_stays_behind() {
    for victims in [&[0][..], &[1], &[0, 1]] {
        let site = Site::new("killed");
        let sleep = site.lend(Path::new("/bin/sleep"));
        let mynah = site.join("inner-mynah");
        fs::copy(site.mynah_path(), &mynah).unwrap();
        let script = format!("setsid {0} 1000 & {0} 1000 & {0} 1000", sleep.display());
        let command = format!("{} run -- /bin/sh -c '{script}'; echo over; {WAIT_FOR_GO}", mynah.display());
        let mut outer = start(&mut site.mynah(&[], &["/bin/sh", "-c", &command])).unwrap();
        until("three sleep", || count(&sleep) == 3);
        let mut inner = running(&mynah).unwrap();
        inner.sort_by_key(|pid| pid.as_raw_nonzero());
        assert_eq!(inner.len(), 2, "a watcher and a host");
        for &victim in victims {
            kill_process(inner[victim], Signal::KILL).unwrap();
        }
        until("they end", || count(&sleep) == 0);
        outer.wait_for("over\n", LIMIT).unwrap();
        site.file("local/go", "");
        assert_ended(&outer.finish(LIMIT).unwrap(), Ended::Exit(0));
        wait_until_none(site.path(), LIMIT).unwrap();
    }
}

#[test]
fn what_was_written_is_home_when_the_inner_run_ends() {
    let (site, _serving, mount) = served("home");
    let program =
        format!("import os\nf = open('{mount}/k', 'wb', 0)\nf.write(b'data\\n')\nos.kill(os.getpid(), 9)\n");
    site.file("local/killed.py", program);
    let inner = format!("{} run -- python3 killed.py", site.mynah_path().display());
    prints(&site, &[], &format!("{inner}; echo $?; cat {}/k", site.join("served").display()), "137\ndata\n");
}

#[test]
fn what_cannot_go_home_is_told_by_the_inner_run_and_kept() {
    let (site, serving, mount) = served("lost");
    let program = format!(
        "import os, time\nf = open('{mount}/k', 'wb', 0)\nf.write(b'data')\nprint('ready', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.02)\nos.kill(os.getpid(), 9)\n"
    );
    site.file("local/killed.py", program);
    let inner = format!("{} run --timeout 1s -- python3 killed.py", site.mynah_path().display());
    let script = format!("{inner}; echo $?");
    let mut outer = start(&mut site.mynah(&["--timeout", "1s"], &["/bin/sh", "-c", &script])).unwrap();
    outer.wait_for("ready\n", LIMIT).unwrap();
    drop(serving);
    site.file("local/go", "");
    let outcome = outer.finish(LIMIT).unwrap();
    assert_eq!(outcome.out(), "ready\n125\n", "{}", outcome.err());
    assert_ended(&outcome, Ended::Exit(125));
    for words in ["/k was not written", "tries again at its end", "its content is kept in"] {
        assert!(outcome.err().contains(words), "{words:?}: {}", outcome.err());
    }
}

#[test]
fn job_control_in_the_inner_run() {
    let site = Site::new("terminal");
    let hanging = Hanging::new();
    let mut terminal = Terminal::open().unwrap();
    let mut shell = Command::new(site.mynah_path());
    // The terminal's programs are the one's who runs the tests.
    shell.arg("run").arg("--cache-dir").arg(site.join("cache-tty"));
    shell.args(["--", "bash", "--norc", "--noprofile", "-i"]);
    shell.env("PS1", "ready> ").env("HISTFILE", "").env("HANGING", hanging.path("file"));
    shell.env("RUN", format!("{} run --", site.mynah_path().display()));
    let mut child = terminal.start(&shell).unwrap();
    terminal.wait_for("ready> ", LIMIT).unwrap();
    terminal.type_in(b"$RUN sh -c 'cat $HANGING; echo never'\n").unwrap();
    let _caller = hanging.caller();
    terminal.type_in(SUSPEND).unwrap();
    terminal.wait_for("Stopped", LIMIT).unwrap();
    terminal.wait_for("ready> ", LIMIT).unwrap();
    terminal.type_in(b"fg\n").unwrap();
    terminal.wait_for("echo never", LIMIT).unwrap();
    let mut signalled = 0;
    // The shell says what it takes up before it gives the terminal to it.
    while terminal.wait_for("ready> ", Duration::from_millis(500)).is_err() {
        terminal.type_in(INTERRUPT).unwrap();
        signalled += 1;
        assert!(signalled < 60, "the inner program ignores Ctrl-C");
    }
    terminal.type_in(b"echo status $?.; exit\n").unwrap();
    terminal.wait_for("status 130.", LIMIT).unwrap();
    child.wait().unwrap();
    wait_until_none(site.path(), LIMIT).unwrap();
}

#[test]
fn a_signal_to_the_inner_run_reaches_its_program() {
    let site = Site::new("signal");
    let mynah = site.join("inner-mynah");
    fs::copy(site.mynah_path(), &mynah).unwrap();
    let program = "trap \"echo got it; exit 9\" TERM; echo ready; while :; do sleep 0.02; done";
    let script = format!("{} run -- /bin/sh -c '{program}'; echo $?", mynah.display());
    let mut outer = start(&mut site.mynah(&[], &["/bin/sh", "-c", &script])).unwrap();
    outer.wait_for("ready\n", LIMIT).unwrap();
    let watcher = running(&mynah).unwrap().into_iter().min_by_key(|pid| pid.as_raw_nonzero()).unwrap();
    kill_process(watcher, Signal::TERM).unwrap();
    assert_eq!(outer.finish(LIMIT).unwrap().out(), "ready\ngot it\n9\n");
}

#[test]
fn the_inner_time_out_counts_inside() {
    let site = Site::new("inner-time-out");
    let hanging = Hanging::new();
    let script = inner(&site, "--timeout 1s", &format!("cat {}", hanging.path("file")));
    let outcome = site.shell(&[], &format!("{script}; echo $?"));
    assert_eq!(outcome.out(), "1\n", "{}", outcome.err());
    assert!(outcome.err().contains("timed out"), "{}", outcome.err());
}

#[test]
fn doctor_and_demo_work_inside() {
    let site = Site::new("doctor-inside");
    let mynah = site.mynah_path().display().to_string();
    let outcome = site.shell(&[], &format!("{mynah} doctor"));
    assert_ended(&outcome, Ended::Exit(0));
    assert!(outcome.out().contains("inside another mynah run"), "{}", outcome.out());
    assert_ended(&site.shell(&[], &format!("{mynah} demo")), Ended::Exit(0));
}

/// The question is no call of any kernel, and must not disturb who asks it without an agent.
#[test]
fn without_a_mynah_around_there_is_nobody_to_ask() {
    let site = Site::new("nobody");
    let status = Command::new(site.mynah_path()).args(["doctor"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&status.stdout).contains("inside another"));
}
