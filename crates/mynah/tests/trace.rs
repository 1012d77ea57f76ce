//! `mynah run --trace` and `mynah trace`: what a program did is told, by the call and in sums; a trace that is cut, whose disk is
//! full or whose Mynah was killed tells all that came before.

mod site;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use mynah_testkit::processes::running;
use mynah_testkit::run::{Ended, Outcome, run, start};
use rustix::process::{Signal, kill_process};
use serde_json::Value;

use site::{LIMIT, Site, assert_ended, assert_refused};

/// `mynah trace ARGUMENTS`.
fn trace<A: AsRef<OsStr>>(site: &Site, arguments: &[A]) -> Outcome {
    let mut command = site.command(site.mynah_path());
    run(command.arg("trace").args(arguments), LIMIT).expect("mynah runs")
}

/// What `mynah trace ARGUMENTS` prints of a trace that is whole.
#[track_caller]
fn told(site: &Site, arguments: &[&str]) -> String {
    let outcome = trace(site, arguments);
    assert_ended(&outcome, Ended::Exit(0));
    assert_eq!(outcome.err(), "");
    outcome.out()
}

/// The one line that has all these parts.
#[track_caller]
fn line<'a>(text: &'a str, parts: &[&str]) -> &'a str {
    let mut lines = text.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
    match (lines.next(), lines.next()) {
        (Some(line), None) => line,
        found => panic!("not one line with {parts:?} ({found:?}) in:\n{text}"),
    }
}

/// The row of this name in a table of a summary.
#[track_caller]
fn row<'a>(summary: &'a Value, table: &str, name: &str) -> &'a Value {
    let rows = summary[table].as_array().expect("a table");
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {rows:#?}"))
}

#[test]
fn a_shell_at_work_is_told() {
    let site = Site::new("traced");
    let serving = site.serve();
    let mount = serving.mount().display().to_string();
    let server = format!("chirp://127.0.0.1:{}", serving.port());
    // Three pieces, fetched at once by tasks of their own.
    fs::write(site.join("served/big"), vec![b'x'; 3_000_000]).unwrap();
    fs::set_permissions(site.join("served/big"), fs::Permissions::from_mode(0o644)).unwrap();
    let file = site.join("home/trace");
    let name = file.to_str().unwrap();
    let script = format!(
        "cd {mount}; echo hello > f; cat f; cat nothere; cat big > /dev/null; cat big > /dev/null
        : > \"$(printf 'a\\303\\244\\t1')\"; rm f; exit 3"
    );
    let outcome = site.shell(&["--trace", name, "--summary"], &script);
    assert_ended(&outcome, Ended::Exit(3));
    assert_eq!(outcome.out(), "hello\n");

    let text = told(&site, &["print", name]);
    line(&text, &[" sh] chdir(\"/chirp/127", " = 0 <", &format!("> → {server}/, ")]);
    line(
        &text,
        &[
            " sh] openat(AT_FDCWD, \"f\", O_WRONLY|O_CREAT|O_TRUNC, 0666) = ",
            &format!("{server}/f, 1 request"),
        ],
    );
    line(&text, &[" sh] ", &format!("{server}/f"), "sent 6 bytes"]);
    line(&text, &[" cat] openat(AT_FDCWD, \"f\", O_RDONLY) = ", &format!(" → {server}/f")]);
    line(
        &text,
        &[
            " cat] openat(AT_FDCWD, \"nothere\", O_RDONLY) = -1 ENOENT (no such file or directory) <",
            &format!("→ {server}/nothere"),
        ],
    );
    line(&text, &[" cat] openat(AT_FDCWD, \"big\", O_RDONLY) = ", ", fetched 3000000 bytes"]);
    line(&text, &[" openat(AT_FDCWD, \"a\\303\\244\\t1\", ", &format!("→ {server}/a\\303\\244\\t1")]);
    line(&text, &[" rm] unlinkat(AT_FDCWD, \"f\", 0) = 0 <"]);
    line(&text, &[" sh] exit_group(3) = ? <"]);
    line(&text, &[" sh] +++ exited with 3 +++"]);
    assert_eq!(text.matches("/cat\", ..., ...) = ?").count(), 4, "{text}");

    let failed = told(&site, &["print", "--failed", name]);
    line(&failed, &["\"nothere\""]);
    assert!(failed.lines().all(|line| line.contains(" = -1 E")), "{failed}");
    let below = told(&site, &["print", "--requests", "--path", &format!("{server}/nothere"), name]);
    let below: Vec<&str> = below.lines().collect();
    assert_eq!(below.len(), 2, "{below:?}");
    assert!(below[1].starts_with(&format!("    open {server}/nothere = -1 ENOENT")), "{below:?}");
    let shell = text.split_once('[').unwrap().1.split_once(' ').unwrap().0;
    let of_shell = told(&site, &["print", "--pid", shell, name]);
    assert!(of_shell.lines().all(|line| line.contains(&format!("[{shell} "))), "{of_shell}");
    for line in told(&site, &["print", "--json", "--requests", name]).lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok_and(|value| value["kind"].is_string()), "{line}");
    }

    let summary: Value = serde_json::from_str(&told(&site, &["summary", "--json", name])).unwrap();
    assert_eq!(summary["status"], 3);
    let big = row(&summary, "files", &format!("{server}/big"));
    // Opened twice, fetched once.
    assert_eq!((&big["fetched"], &big["size"]), (&3_000_000.into(), &3_000_000.into()));
    // Two opens, and three pieces read: nobody asks whether it can be read.
    assert_eq!(big["requests"], 5);
    assert_eq!(row(&summary, "files", &format!("{server}/nothere"))["errors"], 1);
    assert_eq!(row(&summary, "files", &format!("{server}/f"))["sent"], 6);
    let of_server = row(&summary, "servers", &server);
    // What was just written is compared when it is opened again: another host may have written in the same moment.
    assert_eq!((&of_server["fetched"], &of_server["sent"]), (&3_000_006.into(), &6.into()));
    assert_eq!(row(&summary, "programs", "cat")["fetched"], 3_000_006);
    assert_eq!(row(&summary, "programs", "sh")["sent"], 6);
    assert_eq!(summary["total"]["fetched"], 3_000_006);

    // What the run itself told at its end is what the trace tells.
    let sums = told(&site, &["summary", name]);
    assert!(outcome.err().ends_with(&sums), "{sums}\nis not the end of\n{}", outcome.err());
    line(&sums, &["mynah run -- /bin/sh -c \"cd "]);
    line(&sums, &["began ", " UTC, took ", " s, ended with status 3"]);
    let top = told(&site, &["summary", "--top", "1", name]);
    assert!(top.lines().count() < 20 && top.contains(" more\n"), "{top}");
}

#[test]
fn a_summary_needs_no_trace() {
    let site = Site::new("summed");
    let serving = site.serve();
    let outcome = site.shell(&["--summary"], &format!("echo hello > {}/f", serving.mount().display()));
    assert_ended(&outcome, Ended::Exit(0));
    let sums = outcome.err();
    line(&sums, &["ended with status 0"]);
    line(&sums, &[&format!("  chirp://127.0.0.1:{}/f", serving.port()), " 6 "]);
    line(&sums, &["  this machine"]);
}

#[test]
fn what_goes_home_after_its_writer_was_killed_is_told() {
    let site = Site::new("traced-killed");
    let serving = site.serve();
    let file = site.join("home/trace");
    let name = file.to_str().unwrap();
    let script = format!("exec > {}/f; printf written; kill -KILL $$", serving.mount().display());
    assert_ended(&site.shell(&["--trace", name], &script), Ended::Exit(128 + 9));
    line(&told(&site, &["print", name]), &["+++ killed by signal 9 +++"]);
    line(&told(&site, &["print", "--requests", name]), &[" [mynah] write chirp://", "/f = 7 bytes <"]);
    let summary: Value = serde_json::from_str(&told(&site, &["summary", "--json", name])).unwrap();
    assert_eq!(row(&summary, "programs", "(nobody waited)")["sent"], 7);
}

#[test]
fn a_hundred_processes_are_told_apart() {
    let site = Site::new("traced-hundred");
    let serving = site.serve();
    fs::write(site.join("served/f"), "shared").unwrap();
    fs::set_permissions(site.join("served/f"), fs::Permissions::from_mode(0o644)).unwrap();
    let file = site.join("home/trace");
    let name = file.to_str().unwrap();
    let script =
        format!("i=0; while [ $i -lt 100 ]; do cat {}/f & i=$((i+1)); done; wait", serving.mount().display());
    let outcome = site.shell(&["--trace", name], &script);
    assert_ended(&outcome, Ended::Exit(0));
    assert_eq!(outcome.out().matches("shared").count(), 100);
    let text = told(&site, &["print", name]);
    let opened: Vec<&str> =
        text.lines().filter(|line| line.contains(" cat] openat(") && line.contains(" → chirp://")).collect();
    let mut who: Vec<&str> = opened.iter().filter_map(|line| line.split(['[', ' ']).nth(2)).collect();
    who.sort_unstable();
    who.dedup();
    assert_eq!((opened.len(), who.len()), (100, 100), "{text}");
    let summary: Value = serde_json::from_str(&told(&site, &["summary", "--json", name])).unwrap();
    // All asked at once for what was fetched once.
    assert_eq!(summary["total"]["fetched"], 6);
    assert_eq!(summary["lost"], 0);
}

#[test]
fn a_trace_that_is_cut_tells_all_that_is_whole() {
    let site = Site::new("trace-cut");
    let file = site.join("home/trace");
    let name = file.to_str().unwrap();
    assert_ended(&site.shell(&["--trace", name], "cat /etc/passwd > /dev/null"), Ended::Exit(0));
    let whole = told(&site, &["print", name]);
    let bytes = fs::read(&file).unwrap();
    // Anywhere behind the header, which has the command in it.
    for cut in (200..bytes.len()).step_by(97) {
        let part = site.file(&format!("part-{cut}"), &bytes[..cut]);
        let outcome = trace(&site, &["print", part.to_str().unwrap()]);
        assert_ended(&outcome, Ended::Exit(0));
        assert!(whole.starts_with(&outcome.out()), "cut at {cut}: {}", outcome.out());
        let said = outcome.err();
        assert!(said.contains("the last record is cut") || said.contains("has no end"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn a_full_disk_ends_the_trace_and_not_the_run() {
    let site = Site::new("trace-full");
    let small = site.directory("small");
    let script = "i=0; while [ $i -lt 3000 ]; do [ -e nothing-$i ]; i=$((i+1)); done; echo done; exit 4";
    let mut command = site.command("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
    command.arg(
        "mount -t tmpfs -o size=64k none \"$1\" || exit 99
        \"$2\" run --cache-dir \"$3\" --trace \"$1/trace\" --log error --log-file \"$5\" -- /bin/sh -c \"$4\"
        status=$?; cp \"$1/trace\" \"$6\"; exit $status",
    );
    let (log, copy) = (site.join("home/log"), site.join("home/copy"));
    command.arg("sh").args([&small, &site.mynah_path(), &site.join("cache")]).arg(script).args([&log, &copy]);
    let outcome = run(&mut command, LIMIT).unwrap();
    assert_ended(&outcome, Ended::Exit(4));
    assert_eq!(outcome.out(), "done\n");
    assert_eq!(outcome.err().lines().count(), 1, "{}", outcome.err());
    assert!(outcome.err().contains("the trace is not whole: No space left on device"), "{}", outcome.err());
    let log = fs::read_to_string(log).unwrap();
    assert_eq!(log.lines().count(), 1, "{log}");
    line(&log, &["the trace ends here", "No space left on device"]);
    let part = trace(&site, &["print", copy.to_str().unwrap()]);
    assert_ended(&part, Ended::Exit(0));
    line(&part.out(), &["\"nothing-0\""]);
    assert!(!part.out().contains("\"nothing-2999\""));
}

#[test]
fn the_trace_of_a_killed_mynah_can_be_read() {
    let site = Site::new("trace-killed-mynah");
    let serving = site.serve();
    let file = site.join("home/trace");
    let name = file.to_str().unwrap();
    let sleep = site.lend(std::path::Path::new("/bin/sleep"));
    let script =
        format!("echo hello > {}/f; echo up; exec {} 1000", serving.mount().display(), sleep.display());
    let mut tree = start(&mut site.mynah(&["--trace", name], &["/bin/sh", "-c", &script])).unwrap();
    tree.wait_for("up", LIMIT).unwrap();
    // It is handed on shortly after; nothing tells when.
    let deadline = Instant::now() + LIMIT;
    while !trace(&site, &["print", name]).out().contains("sent 6 bytes") {
        assert!(Instant::now() < deadline, "{:?}", trace(&site, &["print", name]));
    }
    for process in running(&site.mynah_path()).unwrap() {
        if process != serving.pid() {
            // The death of one may have ended the other.
            let _ = kill_process(process, Signal::KILL);
        }
    }
    tree.finish(LIMIT).unwrap();
    let outcome = trace(&site, &["print", name]);
    assert_ended(&outcome, Ended::Exit(0));
    line(&outcome.out(), &[" sh] openat(AT_FDCWD, \"/chirp/", "O_WRONLY|O_CREAT|O_TRUNC"]);
    assert_eq!(outcome.err().lines().count(), 1, "{}", outcome.err());
    let summary = trace(&site, &["summary", name]);
    line(&summary.out(), &["goes on or was killed after"]);
}

#[test]
fn what_cannot_be_traced_or_read_is_refused_in_one_line() {
    let site = Site::new("trace-refused");
    let outcome = site.shell(&["--trace", "/nonexistent/trace"], "echo never");
    assert_refused(&outcome, 125, &["--trace /nonexistent/trace", "No such file"]);
    assert_eq!(outcome.out(), "");
    let text = site.file("text", "not a trace");
    let empty = site.file("empty", "");
    for (file, why) in [(&text, "not a trace"), (&empty, "not a trace"), (&site.join("gone"), "No such file")]
    {
        for how in ["print", "summary"] {
            let outcome = trace(&site, &[OsStr::new(how), file.as_os_str()]);
            assert_refused(&outcome, 125, &[file.to_str().unwrap(), why]);
        }
    }
}
