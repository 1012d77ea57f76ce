//! Limits that a user sets for programs hold for programs; and the agent's own: a cache that is full.

mod site;

use mynah_testkit::run::{Ended, Outcome, run};
use std::path::Path;

use site::{LIMIT, Site, assert_ended};

/// `wrapper... mynah run -- sh -c script`.
fn wrapped(site: &Site, wrapper: &[&str], options: &[&str], script: &str) -> Outcome {
    let mut command = site.command(wrapper[0]);
    command.args(&wrapper[1..]).arg(site.mynah_path()).arg("run");
    command.arg("--cache-dir").arg(site.join("cache")).args(options);
    command.args(["--", "/bin/sh", "-c", script]);
    run(&mut command, LIMIT).expect("it runs")
}

/// The same commands natively.
fn natively(site: &Site, wrapper: &[&str], script: &str) -> Outcome {
    let mut command = site.command(wrapper[0]);
    command.args(&wrapper[1..]).args(["/bin/sh", "-c", script]);
    run(&mut command, LIMIT).expect("it runs")
}

#[test]
fn a_program_finds_the_limits_that_its_user_set() {
    let site = Site::new("limits-found");
    let script = "cat /proc/self/limits";
    let wrapper = [
        "prlimit",
        "--nofile=64:200",
        "--fsize=5000:1000000000",
        "--cpu=50:60",
        "--as=4000000000:",
        "--data=3000000000:",
        "--core=0:100",
        "--stack=4000000:",
        "--nproc=5000:",
    ];
    let native = natively(&site, &wrapper, script);
    assert_ended(&native, Ended::Exit(0));
    assert!(native.out().contains("5000"), "{}", native.out());
    assert_eq!(wrapped(&site, &wrapper, &[], script).out(), native.out());
}

#[test]
fn a_programs_file_size_limit_does_not_bind_what_is_fetched_and_carried_home_for_it() {
    let site = Site::new("limits-fetch");
    site.file("served/big", vec![b'b'; 300_000]);
    let serving = site.serve();
    let directory = serving.mount();
    let script = format!(
        "cd {} && wc -c < big && cp big copy 2>/dev/null; trap '' XFSZ; cp big copy 2>/dev/null; echo $?; wc -c < copy; ulimit -Sf unlimited; cp big whole; wc -c < whole",
        directory.display()
    );
    let outcome = wrapped(&site, &["prlimit", "--fsize=5000:unlimited"], &[], &script);
    assert_ended(&outcome, Ended::Exit(0));
    assert_eq!(outcome.out(), "300000\n1\n5000\n300000\n", "{}", outcome.err());
}

#[test]
fn a_hard_limit_that_nobody_may_raise_is_an_error_that_is_told() {
    let site = Site::new("limits-hard");
    site.file("served/big", vec![b'b'; 300_000]);
    site.file("served/small", "small");
    let serving = site.serve();
    let script = format!("cd {} && cat small && cat big; echo; echo $?", serving.mount().display());
    let outcome = wrapped(&site, &["prlimit", "--fsize=5000:5000"], &[], &script);
    let said = outcome.err();
    assert!(outcome.out().starts_with("small"), "{} {said}", outcome.out());
    assert!(said.contains("File too large"), "{} {said}", outcome.out());
}

#[test]
fn a_program_finds_the_signals_blocked_and_ignored_that_were() {
    let site = Site::new("limits-signals");
    let script = "grep -E '^Sig(Blk|Ign)' /proc/self/status";
    let wrapper = ["env", "--block-signal=USR1,TERM,RTMIN+3,CHLD", "--ignore-signal=USR2,INT"];
    let native = natively(&site, &wrapper, script);
    assert_ended(&native, Ended::Exit(0));
    let mynah = wrapped(&site, &wrapper, &[], script);
    assert_eq!(mynah.out(), native.out(), "{}", mynah.err());
}

/// A mount namespace in which the cache is a file system of this size.
fn with_small_cache(site: &Site, bytes: &str, script: &str) -> Outcome {
    let mut command = site.command("unshare");
    command.args(["--user", "--map-root-user", "--mount", "/bin/sh", "-c"]);
    command.arg(r#"mount -t tmpfs -o size="$1",mode=700 none "$2" && exec "$3" run --cache-dir "$2" -- /bin/sh -c "$4""#);
    command.arg("sh").arg(bytes).arg(site.join("cache")).arg(site.mynah_path()).arg(script);
    run(&mut command, LIMIT).expect("it runs")
}

#[test]
fn a_full_file_system_under_the_cache_is_told_as_what_it_is() {
    let site = Site::new("limits-enospc");
    site.file("served/big", vec![b'b'; 3_000_000]);
    site.file("served/small", "small");
    let serving = site.serve();
    let script = format!(
        "cd {} && cat big > /dev/null; echo $?; cat small; echo; head -c 3000000 /dev/zero > new; echo $?; cat small; echo; rm -f new; echo again > new2; cat new2",
        serving.mount().display()
    );
    let outcome = with_small_cache(&site, "1m", &script);
    let lines: Vec<String> = outcome.out().lines().map(str::to_owned).collect();
    assert_eq!(lines.get(1).map(String::as_str), Some("small"), "a small file still has room");
    assert_ne!(lines[0], "0", "what does not fit cannot be read");
    assert!(outcome.err().contains("No space left"), "{}", outcome.err());
    assert_eq!(lines.last().map(String::as_str), Some("again"), "room that was given back can be used");
    assert!(Path::new(&site.join("served/new2")).exists());
}

#[test]
fn a_core_file_never_lies_in_the_cache() {
    let site = Site::new("limits-core");
    let serving = site.serve();
    let look = format!("find {} -name 'core*'", site.join("cache").display());
    let script = format!(
        "cd {} && ulimit -c $(ulimit -Hc); sh -c 'kill -ABRT $$'; echo $?; ls; {look}",
        serving.mount().display()
    );
    let outcome = wrapped(&site, &["env"], &[], &script);
    assert_ended(&outcome, Ended::Exit(0));
    assert_eq!(outcome.out(), "134\n", "{}", outcome.err());
}
