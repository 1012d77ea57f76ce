//! dbench and bonnie++: benchmarks that check what they do. How fast it is, is told elsewhere.

use mynah_testkit::run::{Ended, run};

use super::SUITE_LIMIT;
use super::site::{Site, assert_ended};

/// In `/remote` and in a local directory.
fn passes(name: &str, program: &[&str]) {
    let site = Site::new(name);
    let serving = site.serve();
    let mount = format!("/remote={}", serving.mount().display());
    let local = site.join("local").display().to_string();
    for directory in ["/remote", &local] {
        let words: Vec<&str> =
            program.iter().map(|word| if *word == "DIRECTORY" { directory } else { word }).collect();
        let outcome = run(&mut site.mynah(&["-m", &mount], &words), SUITE_LIMIT).expect("it runs");
        assert_ended(&outcome, Ended::Exit(0));
        let said = outcome.out() + &outcome.err();
        for bad in ["failed", "ERROR", "rror:"] {
            assert!(!said.contains(bad), "in {directory}: {said}");
        }
    }
}

#[test]
fn dbench_passes() {
    passes("dbench", &["dbench", "-D", "DIRECTORY", "-t", "5", "-c", "/usr/share/dbench/client.txt", "3"]);
}

#[test]
fn bonnie_passes() {
    // 4 MB by block and by byte, 1024 names of files of up to 2000 bytes in two directories, once.
    passes(
        "bonnie",
        &[
            "/usr/sbin/bonnie++",
            "-d",
            "DIRECTORY",
            "-s",
            "4",
            "-r",
            "2",
            "-n",
            "1:2000:10:2",
            "-q",
            "-x",
            "1",
        ],
    );
}
