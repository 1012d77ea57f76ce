//! A server that lies in every way it can: programs get errors or harmless data, nothing hangs, nothing of this machine is
//! reached or changed through it.

mod site;

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use mynah_testkit::hostile_server::{Dialect, HostileServer, Malice};
use mynah_testkit::run::{Ended, Outcome};

use site::Site;

/// Everything that a program may do with a tree that it only reads; each step may fail.
const EXPLORE: &str = "ls -la $M; ls -la $M/dir; cat $M/file; cat $M/dir/inner; readlink $M/link; cat $M/link; \
    find $M -ls; stat $M/file $M/dir; cp -r $M copied; test -x $M/file; head -c 10 < $M/file; \
    cd $M && pwd; echo explored";

fn explore(site: &Site, server: &HostileServer) -> Outcome {
    let script = format!("M=/chirp/127.0.0.1:{}; {EXPLORE}", server.port());
    site.shell(&["--timeout", "2s"], &script)
}

/// All malice that can be said of a server that answers; what never answers is in `waiting.rs`.
fn every_malice() -> Vec<Malice> {
    use Malice::*;
    let mut all = vec![
        BadNames,
        DuplicateNames,
        NegativeSizes,
        AbsurdSizes,
        OverflowingSizes,
        SetIdModes,
        Devices,
        NoKind,
        ShortStat,
        WordStat,
        LongReads,
        AbsurdLengths,
        SilentWelcome,
        RefusesAll,
    ];
    for text in ["/etc/passwd", "../../../../etc/passwd", "link", "", "a\nb"] {
        all.push(LinksTo(text.into()));
    }
    for verb in ["stat", "lstat", "open", "pread", "getlongdir", "getdir", "readlink"] {
        all.extend([
            Garbage(verb),
            Unsolicited(verb),
            Silence(verb),
            HangUp(verb),
            Code(verb, -127),
            Code(verb, i64::MIN),
        ]);
    }
    all
}

#[test]
fn programs_live_with_every_kind_of_malice() {
    let cases: Vec<(Dialect, Malice)> = [Dialect::Standard, Dialect::Extended]
        .into_iter()
        .flat_map(|dialect| every_malice().into_iter().map(move |malice| (dialect, malice)))
        .collect();
    // Most of them wait for time-outs, so that many can go on at once.
    const AT_ONCE: usize = 16;
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((dialect, malice)) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    live_with(*dialect, malice);
                }
            });
        }
    });
}

fn live_with(dialect: Dialect, malice: &Malice) {
    let site = Site::new("hostile");
    let server = HostileServer::start(dialect, std::slice::from_ref(malice)).expect("a port");
    let outcome = explore(&site, &server);
    assert!(
        matches!(outcome.ended, Ended::Exit(_)) && outcome.out().ends_with("explored\n"),
        "{dialect:?} {malice:?}: {:?}\n{}",
        outcome.ended,
        outcome.err()
    );
    assert!(!outcome.err().contains("panicked"), "{malice:?}: {}", outcome.err());
    assert!(!outcome.out().contains("root:x:0"), "{malice:?} led to /etc/passwd");
    assert_private(&site.join("cache"));
    assert_harmless(&site.join("local"));
}

/// The cache is its owner's alone, and nothing in it has set-id bits or is anything but a file or directory.
fn assert_private(path: &Path) {
    let stat = fs::symlink_metadata(path).expect("it is there");
    let kind = stat.file_type();
    assert!(kind.is_dir() || kind.is_file() || kind.is_symlink(), "{}: {kind:?}", path.display());
    if !kind.is_symlink() {
        assert_eq!(
            stat.permissions().mode() & 0o7077,
            0,
            "{}: mode {:o}",
            path.display(),
            stat.permissions().mode()
        );
    }
    if kind.is_dir() {
        for entry in fs::read_dir(path).expect("a directory") {
            assert_private(&entry.expect("an entry").path());
        }
    }
}

/// What a program copied from there is no device and has no set-id bits that the program did not set itself.
fn assert_harmless(directory: &Path) {
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let stat = fs::symlink_metadata(&path).expect("it is there");
        assert!(
            !stat.file_type().is_block_device() && !stat.file_type().is_char_device(),
            "{}",
            path.display()
        );
        if stat.is_dir() {
            assert_harmless(&path);
        }
    }
}

#[test]
fn a_device_on_a_server_is_never_one_of_this_machine() {
    let site = Site::new("device");
    let server = HostileServer::start(Dialect::Extended, &[Malice::Devices]).unwrap();
    let script = format!("head -c 1 /chirp/127.0.0.1:{}/file 2> /dev/null | wc -c", server.port());
    let outcome = site.shell(&["--timeout", "2s"], &script);
    site::assert_ended(&outcome, Ended::Exit(0));
    assert_eq!(outcome.out().trim(), "0", "{}", outcome.err());
}

#[test]
fn names_that_no_entry_can_have_are_not_listed() {
    let site = Site::new("bad-names");
    let server = HostileServer::start(Dialect::Extended, &[Malice::BadNames]).unwrap();
    let script = format!("ls -A /chirp/127.0.0.1:{} | grep -e / -e '^[.][.]*$' ; true", server.port());
    let outcome = site.shell(&["--timeout", "2s"], &script);
    assert_eq!(outcome.out(), "", "{}", outcome.err());
}

#[test]
fn a_listing_without_end_ends() {
    let site = Site::new("endless");
    let server = HostileServer::start(Dialect::Extended, &[Malice::EndlessListing]).unwrap();
    let script = format!(
        "ulimit -v 4000000; ls /chirp/127.0.0.1:{} > /dev/null && echo listed || echo refused",
        server.port()
    );
    let outcome = site.shell(&["--timeout", "5s"], &script);
    assert_eq!(outcome.out(), "refused\n", "{}", outcome.err());
}

#[test]
fn a_challenge_cannot_make_us_touch_files() {
    for victim in ["victim", "/tmp/../etc/mynah-was-here"] {
        let site = Site::new("challenge");
        let precious = site.file("local/precious", "precious");
        let path = if victim == "victim" { precious.display().to_string() } else { victim.to_owned() };
        let server = HostileServer::start(Dialect::Standard, &[Malice::Challenge(path)]).unwrap();
        let outcome = explore(&site, &server);
        assert!(outcome.out().ends_with("explored\n"));
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
        assert!(!Path::new("/etc/mynah-was-here").exists());
    }
}
