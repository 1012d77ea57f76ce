//! fio: every engine writes a file, and reads it back to verify each block.

use std::ffi::OsString;

use mynah_testkit::run::{Ended, Outcome, run};

use super::SUITE_LIMIT;
use super::site::{Site, assert_ended};

/// The engines of Debian's fio that read and write files. The others act on names (below), on devices, or over networks.
const ENGINES: [&str; 9] =
    ["sync", "psync", "vsync", "pvsync", "pvsync2", "mmap", "posixaio", "libaio", "splice"];
/// Engines that make, look at, cut and remove files.
const NAME_ENGINES: [&str; 5] = ["ftruncate", "falloc", "filecreate", "filestat", "filedelete"];
const VERIFY: [&str; 3] = ["--verify=crc32c", "--verify_fatal=1", "--do_verify=1"];
/// In order and at random, with blocks that are no pages, from several processes.
const JOBS: [&[&str]; 3] = [
    &["--rw=write", "--bs=4k", "--fsync=32"],
    &["--rw=randwrite", "--bs=4k", "--iodepth=4"],
    &["--rw=randwrite", "--bs=1536", "--numjobs=2", "--size=192k"],
];

fn fio(site: &Site, options: &[&str], prefix: &str, rest: &[&str]) -> Outcome {
    let mut words: Vec<OsString> =
        vec!["fio".into(), "--name=job".into(), format!("--directory={prefix}").into()];
    words.push("--size=512k".into());
    words.extend(rest.iter().map(OsString::from));
    run(&mut site.mynah(options, &words), SUITE_LIMIT).expect("it runs")
}

/// Runs on a mount without a colon in its name, which fio takes for the end of a directory's.
fn on_a_mount(name: &str, look: impl Fn(&str, &dyn Fn(&[&str]) -> Outcome)) {
    let site = Site::new(name);
    let serving = site.serve();
    let mount = format!("/remote={}", serving.mount().display());
    look("a mount", &|rest| fio(&site, &["-m", &mount], "/remote", rest));
    let local = site.join("local").display().to_string();
    look("a local directory", &|rest| fio(&site, &[], &local, rest));
}

#[test]
fn fio_verifies_what_every_engine_wrote() {
    on_a_mount("fio-data", |place, fio| {
        for engine in ENGINES {
            for job in JOBS {
                let ioengine = format!("--ioengine={engine}");
                let filename = format!("--filename_format={engine}.$jobnum");
                let mut words = vec![ioengine.as_str(), &filename];
                words.extend(VERIFY.iter().chain(job));
                let outcome = fio(&words);
                assert_eq!(
                    outcome.ended,
                    Ended::Exit(0),
                    "{engine} {job:?} in {place}: {}{}",
                    outcome.out(),
                    outcome.err()
                );
            }
        }
    });
}

#[test]
fn fio_works_on_names() {
    on_a_mount("fio-names", |_, fio| {
        for engine in NAME_ENGINES {
            let ioengine = format!("--ioengine={engine}");
            let outcome = fio(&[&ioengine, "--rw=write", "--bs=4k", "--filesize=4k", "--nrfiles=20"]);
            assert_ended(&outcome, Ended::Exit(0));
        }
    });
}

#[test]
fn fio_is_told_that_there_is_no_io_uring() {
    on_a_mount("fio-uring", |_, fio| {
        let outcome = fio(&["--ioengine=io_uring", "--rw=write", "--bs=4k"]);
        assert_ended(&outcome, Ended::Exit(1));
        let said = outcome.out() + &outcome.err();
        // EPERM where the machine itself forbids it.
        assert!(
            said.contains("Function not implemented") || said.contains("Operation not permitted"),
            "{said}"
        );
    });
}
