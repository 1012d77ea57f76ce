//! Bad input: a clear line or the right errno; no panic, no hang.

mod site;

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;

use mynah_testkit::run::{Ended, Outcome, run};

use site::{LIMIT, Site, assert_ended, assert_refused};

#[test]
fn mounts_that_make_no_sense() {
    let site = Site::new("mounts");
    for (mount, words) in [
        ("/x=gopher://host/", &["gopher"][..]),
        ("/x=chirp://host:99999/", &["99999"]),
        ("/x=chirp://host:port/", &["port"]),
        ("/x=chirp://host:0/", &["0"]),
        ("/x=chirp:///path", &["chirp"]),
        ("/x=/tmp,bogus", &["bogus"]),
        ("/x=/tmp,timeout=soon", &["timeout", "soon"]),
        ("/x=/tmp,consistency=magic", &["consistency", "magic"]),
        ("/x=/tmp,symlinks=sometimes", &["symlinks", "sometimes"]),
        ("/x", &["/x"]),
        ("=/tmp", &["="]),
        ("/x=", &["/x"]),
        ("", &["mount"]),
        ("/x=/x", &["/x"]),
        ("/x=/x/../x", &["/x"]),
    ] {
        let outcome = run(&mut site.mynah(&["-m", mount], &["/bin/true"]), LIMIT).unwrap();
        assert_refused(&outcome, 125, words);
    }
}

#[test]
fn a_ring_of_mounts_ends() {
    let site = Site::new("ring");
    let outcome = site.shell(&["-m", "/a=/b", "-m", "/b=/a"], "cat /a/f; echo still here");
    assert!(
        outcome.ended == Ended::Exit(125) || outcome.out() == "still here\n",
        "{:?} {}",
        outcome.ended,
        outcome.err()
    );
}

#[test]
fn a_broken_mount_file_is_told_by_line_and_column() {
    let site = Site::new("mountfile");
    for (text, place) in [
        ("# fine\n/a /tmp\n/b gopher://host/\n", "3:4"),
        ("/a /tmp nonsense\n", "1:9"),
        ("/a\n", "1:"),
        ("/a /tmp ro\n   /b /tmp ro,what\n", "2:"),
        ("/a chirp://h:70000/\n", "1:4"),
        ("\u{0}\n", "1:1"),
    ] {
        let file = site.join("mounts");
        std::fs::write(&file, text).unwrap();
        let outcome =
            run(&mut site.mynah(&["--mountfile", file.to_str().unwrap()], &["/bin/true"]), LIMIT).unwrap();
        assert_refused(&outcome, 125, &[&format!("mounts:{place}")]);
    }
    let missing = run(&mut site.mynah(&["--mountfile", "/no/such/file"], &["/bin/true"]), LIMIT).unwrap();
    assert_refused(&missing, 125, &["/no/such/file"]);
}

#[test]
fn wrong_command_lines() {
    let site = Site::new("options");
    for options in [&["--bogus"][..], &["--timeout", "never"], &["--log", "loud"], &["--cache-dir"]] {
        let outcome = run(&mut site.mynah(options, &["/bin/true"]), LIMIT).unwrap();
        assert_failed_in_words(&outcome);
    }
    let nothing = run(site.command(site.mynah_path()).arg("run"), LIMIT).unwrap();
    assert_failed_in_words(&nothing);
    let unknown = run(site.command(site.mynah_path()).arg("fly"), LIMIT).unwrap();
    assert_failed_in_words(&unknown);
}

#[track_caller]
fn assert_failed_in_words(outcome: &Outcome) {
    assert_ended(outcome, Ended::Exit(125));
    assert!(!outcome.err().is_empty() && !outcome.err().contains("panicked"), "{}", outcome.err());
}

#[test]
fn places_that_cannot_be_written() {
    let site = Site::new("places");
    for option in ["--cache-dir", "--log-file"] {
        let mut command = site.command(site.mynah_path());
        command.args(["run", option, "/proc/no/such/place", "--", "/bin/true"]);
        assert_refused(&run(&mut command, LIMIT).unwrap(), 125, &["/proc/no/such/place"]);
    }
}

#[test]
fn hosts_that_are_not_there() {
    let site = Site::new("hosts");
    // A port on which nobody listens: it was ours a moment ago.
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let refused = format!("/chirp/127.0.0.1:{port}/f");
    for (path, words) in [
        (refused.as_str(), "refused"),
        ("/chirp/127.0.0.1:99999/f", ""),
        ("/chirp/127.0.0.1:x/f", ""),
        ("/chirp/no-such-host.invalid/f", ""),
        ("/chirp/-/f", ""),
        ("/chirp/[::1/f", ""),
        ("/chirp/a b/f", ""),
        ("/chirp/@/f", ""),
        ("/chirp/\u{e9}/f", ""),
    ] {
        let outcome = run(&mut site.mynah(&["--timeout", "5s"], &["/bin/cat", path]), LIMIT).unwrap();
        assert_ended(&outcome, Ended::Exit(1));
        assert!(outcome.err().contains(words), "{path}: {}", outcome.err());
        assert_eq!(outcome.err().lines().count(), 1, "{path}: {}", outcome.err());
    }
}

#[test]
fn paths_of_five_thousand_bytes() {
    let site = Site::new("long");
    let serving = site.serve();
    let mount = serving.mount().display().to_string();
    let flat = format!("{mount}/{}", "n".repeat(5000));
    let deep = format!("{mount}{}", "/d".repeat(2500));
    let bare = "x".repeat(5000);
    let name = format!("{mount}/{}", "n".repeat(256));
    for path in [
        &flat,
        &deep,
        &bare,
        &name,
        &format!("/chirp/{}", "h".repeat(5000)),
        &format!("/chirp/{}", "h".repeat(300)),
    ] {
        let outcome = run(&mut site.mynah(&["--timeout", "5s"], &["/bin/cat", path]), LIMIT).unwrap();
        assert_ended(&outcome, Ended::Exit(1));
        assert!(outcome.err().contains("File name too long"), "{}...: {}", &path[..60], outcome.err());
    }
    let argument = format!("{flat}=/tmp");
    let mounted = run(&mut site.mynah(&["-m", &argument], &["/bin/true"]), LIMIT).unwrap();
    assert_refused(&mounted, 125, &["4095"]);
}

#[test]
fn names_that_are_not_utf_8() {
    let site = Site::new("bytes");
    let serving = site.serve();
    let mount = serving.mount().display().to_string();
    let mut script = format!("cd {mount}; echo content > ").into_bytes();
    script.extend(b"\xff\xfe; cat \xff\xfe; mv \xff\xfe \xe9; ls; mkdir \x80; cd \x80; pwd");
    let program = [OsStr::new("/bin/sh"), OsStr::new("-c"), OsStr::from_bytes(&script)];
    let outcome = run(&mut site.mynah(&[], &program), LIMIT).unwrap();
    assert_ended(&outcome, Ended::Exit(0));
    let expected = [b"content\n\xe9\n", mount.as_bytes(), b"/\x80\n"].concat();
    assert_eq!(outcome.stdout.escape_ascii().to_string(), expected.escape_ascii().to_string());

    let mut mount_argument = b"/\xff=".to_vec();
    mount_argument.extend(site.join("local").as_os_str().as_bytes());
    site.file("local/f", "mounted\n");
    let mut command = site.command(site.mynah_path());
    command
        .arg("run")
        .arg("--cache-dir")
        .arg(site.join("cache"))
        .arg("-m")
        .arg(OsStr::from_bytes(&mount_argument));
    command.args(["--", "/bin/cat"]).arg(OsStr::from_bytes(b"/\xff/f"));
    let outcome = run(&mut command, LIMIT).unwrap();
    assert_eq!(outcome.out(), "mounted\n", "{}", outcome.err());
}

#[test]
fn servers_that_cannot_be_started() {
    let site = Site::new("serve");
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let root = site.join("served");
    let root = root.to_str().unwrap();
    let text = site.file("text", "no directory");
    for arguments in [
        vec!["--root", "/no/such/directory"],
        vec!["--root", text.to_str().unwrap()],
        vec!["--root", root, "--listen", "nonsense"],
        vec!["--root", root, "--listen", "127.0.0.1:99999"],
        vec!["--root", root, "--listen", &format!("127.0.0.1:{port}")],
        vec!["--root", root, "--listen", "127.0.0.1:0", "--port-file", "/no/such/place/port"],
    ] {
        let mut command = site.command(site.mynah_path());
        let outcome = run(command.arg("serve").args(&arguments), LIMIT).unwrap();
        assert!(
            matches!(outcome.ended, Ended::Exit(status) if status != 0),
            "{arguments:?}: {:?}",
            outcome.ended
        );
        assert!(!outcome.err().is_empty() && !outcome.err().contains("panicked"), "{}", outcome.err());
    }
}

#[test]
fn a_mynah_inside_a_mynah_says_what_it_cannot_do() {
    let site = Site::new("nested");
    let inner = site.mynah(&[], &["/bin/echo", "inner"]);
    let words: Vec<&OsStr> = std::iter::once(inner.get_program()).chain(inner.get_args()).collect();
    let outcome = run(&mut site.mynah(&[], &words), LIMIT).unwrap();
    // Either it works or it is refused in one line: never a hang, never a silent half.
    if outcome.ended == Ended::Exit(0) {
        assert_eq!(outcome.out(), "inner\n");
    } else {
        assert_refused(&outcome, 125, &[]);
    }
}
