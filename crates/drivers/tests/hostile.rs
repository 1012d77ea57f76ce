//! The Chirp driver against a server that lies: every call ends, with an error of its kind, and nothing bad comes through.

use mynah_drivers::{ChirpDriver, ChirpOptions};
use mynah_net::Endpoint;
use mynah_testkit::hostile_server::{Dialect, HostileServer, Malice};
use mynah_testkit::scratch::Scratch;
use mynah_vfs::{Driver, Errno, OpenHow, Result, VPath, check_name};
use std::sync::Arc;
use std::time::Duration;

const BOTH: [Dialect; 2] = [Dialect::Standard, Dialect::Extended];
/// Far more than an answer takes on loopback.
const PATIENT: Duration = Duration::from_secs(60);
/// For calls that can only end by their deadline.
const HASTY: Duration = Duration::from_millis(500);

struct Rig {
    server: HostileServer,
    driver: Arc<dyn Driver>,
}

fn rig(dialect: Dialect, malice: Malice, timeout: Duration) -> Rig {
    let server = HostileServer::start(dialect, &[malice]).expect("a free port");
    let endpoint = Endpoint::new("127.0.0.1", server.port()).expect("an address");
    let driver = ChirpDriver::new(endpoint, ChirpOptions { timeout, ..ChirpOptions::default() });
    Rig { server, driver }
}

fn file() -> VPath {
    VPath::root().child(b"file")
}

async fn read_file(driver: &dyn Driver) -> Result<Vec<u8>> {
    let opened = driver.open(&file(), OpenHow { read: true, ..OpenHow::default() }).await?;
    Ok(opened.file.read_at(0, 100).await?.to_vec())
}

/// What one call gives on `file`, its link or their directory.
async fn call(driver: &dyn Driver, verb: &str) -> Result<()> {
    match verb {
        "lstat" => driver.lstat(&file()).await.map(drop),
        "list" => driver.list(&VPath::root()).await.map(drop),
        "readlink" => driver.readlink(&VPath::root().child(b"link")).await.map(drop),
        "read" => read_file(driver).await.map(drop),
        other => panic!("no call {other}"),
    }
}

#[tokio::test]
async fn an_honest_answer_comes_through() {
    for dialect in BOTH {
        let Rig { driver, server } = rig(dialect, Malice::Silence("chmod"), PATIENT);
        assert_eq!(read_file(&*driver).await.unwrap(), b"content\n");
        assert_eq!(driver.readlink(&VPath::root().child(b"link")).await.unwrap(), b"file");
        let mut names: Vec<Vec<u8>> =
            driver.list(&VPath::root()).await.unwrap().into_iter().map(|entry| entry.name).collect();
        names.sort();
        assert_eq!(names, [&b"dir"[..], b"file", b"link"]);
        drop(server);
    }
}

#[tokio::test]
async fn answers_without_sense_are_protocol_errors() {
    for dialect in BOTH {
        for (malice, verb) in [
            (Malice::BadNames, "list"),
            (Malice::DuplicateNames, "list"),
            (Malice::NegativeSizes, "lstat"),
            (Malice::NegativeSizes, "list"),
            (Malice::NegativeSizes, "read"),
            (Malice::OverflowingSizes, "lstat"),
            (Malice::NoKind, "lstat"),
            (Malice::ShortStat, "lstat"),
            (Malice::WordStat, "lstat"),
            (Malice::WordStat, "list"),
            (Malice::LinksTo(Vec::new()), "readlink"),
            (Malice::LinksTo(b"nul\0text".to_vec()), "readlink"),
            (Malice::LinksTo(vec![b'x'; 5000]), "readlink"),
            (Malice::AbsurdLengths, "readlink"),
            (Malice::AbsurdLengths, "read"),
            (Malice::LongReads, "read"),
            (Malice::EndlessLine("lstat"), "lstat"),
        ] {
            let shown = format!("{dialect:?} {malice:?} {verb}");
            let Rig { driver, server } = rig(dialect, malice, PATIENT);
            let error = call(&*driver, verb).await.expect_err(&shown);
            assert_eq!(error.errno(), Errno::EPROTO, "{shown}: {error}");
            drop(server);
        }
    }
}

#[tokio::test]
async fn every_call_ends() {
    for dialect in BOTH {
        for (malice, verb) in [
            (Malice::EndlessListing, "list"),
            (Malice::Garbage("lstat"), "lstat"),
            (Malice::Garbage("getlongdir"), "list"),
            (Malice::HangUp("lstat"), "lstat"),
            (Malice::HangUp("getlongdir"), "list"),
            (Malice::HangUp("pread"), "read"),
        ] {
            let shown = format!("{dialect:?} {malice:?} {verb}");
            let Rig { driver, server } = rig(dialect, malice, HASTY);
            call(&*driver, verb).await.expect_err(&shown);
            drop(server);
        }
        for (malice, verb) in [
            (Malice::Silence("lstat"), "lstat"),
            (Malice::Silence("open"), "read"),
            (Malice::Silence("pread"), "read"),
            (Malice::Silence("mynah"), "lstat"),
            (Malice::SilentWelcome, "lstat"),
        ] {
            let shown = format!("{dialect:?} {malice:?} {verb}");
            let Rig { driver, server } = rig(dialect, malice, HASTY);
            let error = call(&*driver, verb).await.expect_err(&shown);
            assert_eq!(error.errno(), Errno::ETIMEDOUT, "{shown}: {error}");
            drop(server);
        }
    }
}

#[tokio::test]
async fn a_poisonous_code_does_not_lead_to_endless_repeats() {
    let Rig { driver, server } = rig(Dialect::Standard, Malice::Code("lstat", -127), PATIENT);
    assert_eq!(driver.lstat(&file()).await.unwrap_err().errno(), Errno::EIO);
    assert!(server.heard().iter().filter(|line| line.starts_with("lstat")).count() <= 2);
}

#[tokio::test]
async fn a_surplus_reply_is_never_anothers_answer() {
    for dialect in BOTH {
        let Rig { driver, server } = rig(dialect, Malice::Unsolicited("lstat"), PATIENT);
        for _ in 0..10 {
            match driver.lstat(&file()).await {
                Ok(stat) => assert_eq!(stat.size, 8),
                Err(error) => assert_eq!(error.errno(), Errno::EPROTO, "{error}"),
            }
            match driver.list(&VPath::root()).await {
                Ok(entries) => {
                    assert_eq!(entries.len(), 3);
                    assert!(entries.iter().all(|entry| check_name(&entry.name).is_ok()));
                }
                Err(error) => assert_eq!(error.errno(), Errno::EPROTO, "{error}"),
            }
        }
        drop(server);
    }
}

#[tokio::test]
async fn a_server_that_lets_nobody_in_is_told() {
    let Rig { driver, server } = rig(Dialect::Standard, Malice::RefusesAll, PATIENT);
    let error = driver.lstat(&file()).await.unwrap_err();
    assert_eq!(error.errno(), Errno::EACCES, "{error}");
    drop(server);
}

#[tokio::test]
async fn a_challenge_touches_nothing_of_ours() {
    let dir = Scratch::new("challenge").expect("a scratch directory");
    let (precious, new) = (dir.join("precious"), dir.join("new"));
    std::fs::write(&precious, "precious").unwrap();
    for path in [&precious, &new] {
        let asked = path.to_str().expect("a path in UTF-8").to_owned();
        let Rig { driver, server } = rig(Dialect::Standard, Malice::Challenge(asked), PATIENT);
        // The client goes on to the next method.
        assert_eq!(read_file(&*driver).await.unwrap(), b"content\n");
        drop(server);
    }
    assert_eq!(std::fs::read(&precious).unwrap(), b"precious");
    assert!(!new.exists(), "a challenge outside the directory of challenges is not taken up");
}
