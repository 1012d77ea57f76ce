//! Mounts whose names the user's own program knows.

mod site;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use mynah_testkit::run::Ended;

use site::{Site, assert_ended, assert_refused};

/// A site with a program `resolve` (a shell script of these words, `$1` the name) that notes each name that it is asked for, and the
/// option that mounts it on `/name`.
fn resolving(name: &str, words: &str) -> (Site, String) {
    let site = Site::new(name);
    let script = format!("#!/bin/sh\necho \"$1\" >> {}\n{words}\n", site.join("local/asked").display());
    site.file("resolve", script);
    let program = site.join("resolve");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
    let mount = format!("/name=resolver:{}", program.display());
    (site, mount)
}

fn asked(site: &Site) -> String {
    fs::read_to_string(site.join("local/asked")).unwrap_or_default()
}

#[test]
fn a_name_is_what_the_program_says() {
    let (site, mount) = resolving("says", "case $1 in far) echo $URL/d;; near) echo $NEAR;; esac");
    site.directory("served/d");
    site.file("served/d/f", "far away\n");
    site.file("local/f", "near by\n");
    let serving = site.serve();
    let url = format!("chirp://127.0.0.1:{}", serving.port());
    let script = "cat /name/far/f /name/near/f; ls /name; cd /name/far; ls; readlink /name/near; echo new > /name/far/g";
    let mut mynah = site.mynah(&["-m", &mount], &["/bin/sh", "-c", script]);
    mynah.env("URL", &url).env("NEAR", site.join("local"));
    let outcome = mynah_testkit::run::run(&mut mynah, site::LIMIT).unwrap();
    let near = site.join("local").display().to_string();
    assert_eq!(outcome.out(), format!("far away\nnear by\nfar\nnear\nf\n{near}\n"), "{}", outcome.err());
    assert_ended(&outcome, Ended::Exit(0));
    assert_eq!(fs::read_to_string(site.join("served/d/g")).unwrap(), "new\n");
    assert_eq!(asked(&site), "far\nnear\n", "once each");
}

#[test]
fn many_at_once_ask_once() {
    let (site, mount) = resolving("once", "sleep 0.3; echo /etc");
    let script = "for i in 1 2 3 4 5 6 7 8; do ls -d /name/x/passwd & done; wait; ls -d /name/x/passwd";
    let outcome = site.shell(&["-m", &mount], script);
    assert_eq!(outcome.out(), "/name/x/passwd\n".repeat(9), "{}", outcome.err());
    assert_eq!(asked(&site), "x\n");
}

#[test]
fn a_name_that_nobody_knows_is_asked_for_once_too() {
    let (site, mount) = resolving("unknown", "[ $1 = empty ] && exit 0; echo no such thing >&2; exit 3");
    let script = "cat /name/a; cat /name/a; cat /name/empty; ls /name; cat /name/a/b; echo x > /name/a";
    let outcome = site.shell(&["-m", &mount, "--log", "warn"], &format!("{{ {script}; }} 2>&1"));
    assert_eq!(outcome.out().matches("No such file or directory").count(), 4, "{}", outcome.out());
    assert_eq!(outcome.out().matches("Read-only file system").count(), 1, "{}", outcome.out());
    assert!(outcome.err().contains("ended with 3: no such thing"), "{}", outcome.err());
    assert_eq!(asked(&site), "a\nempty\n");
}

#[test]
fn an_answer_that_leads_back_is_a_loop() {
    let (site, mount) = resolving("loop", "echo /name/x");
    let outcome = site.shell(&["-m", &mount], "cat /name/a 2>&1");
    assert!(outcome.out().contains("Too many levels of symbolic links"), "{}", outcome.out());
}

#[test]
fn a_program_that_takes_too_long_is_ended() {
    let (site, mount) = resolving("late", "exec sleep 1000");
    let outcome = site.shell(
        &["-m", &format!("{mount},timeout=300ms")],
        "cat /name/a 2>&1; cat /etc/hostname > /dev/null && echo on",
    );
    assert!(outcome.out().contains("timed out") && outcome.out().ends_with("on\n"), "{}", outcome.out());
    mynah_testkit::processes::wait_until_none(site.path(), site::LIMIT).unwrap();
}

#[test]
fn it_runs_outside_with_the_users_own_mask() {
    let (site, mount) = resolving("outside", "[ -e /name ] && echo /inside || echo /$(umask)");
    let outcome = site.shell(&["-m", &mount], "readlink /name/a");
    let own =
        String::from_utf8(std::process::Command::new("sh").args(["-c", "umask"]).output().unwrap().stdout)
            .unwrap();
    assert_eq!(outcome.out(), format!("/{own}"), "{}", outcome.err());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (site, mount) = resolving("refused", "echo /etc");
    let refused = |options: &[&str], words: &[&str]| assert_refused(&site.shell(options, "true"), 125, words);
    refused(&["-m", "/name=resolver:/no/such/program"], &["/no/such/program"]);
    refused(&["-m", &format!("{mount},ro")], &["only timeout="]);
    let inner = format!("exec {} run -m {mount} -- true", site.mynah_path().display());
    assert_refused(&site.shell(&[], &inner), 125, &["outermost"]);
    let through = ["-m", &mount, "-m", "/data=/name/x,symlinks=all"];
    assert_eq!(site.shell(&through, "ls -d /data/passwd").out(), "/data/passwd\n");
    // One around is seen from inside.
    let inner = format!("{} run -- readlink /name/x", site.mynah_path().display());
    assert_eq!(site.shell(&["-m", &mount], &inner).out(), "/etc\n");
}
