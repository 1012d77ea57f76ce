//! fsx: random operations on one file, compared with a model.

use std::ffi::OsString;

use mynah_testkit::run::{Ended, Identity, run};

use super::site::{Site, assert_ended};
use super::{SUITE_LIMIT, tool};

const FSX: (&str, &str) = ("fsx", "0.3.2");

#[test]
fn fsx_passes() {
    for &identity in Identity::available() {
        passes_as(identity);
    }
}

fn passes_as(identity: Identity) {
    let site = Site::of("fsx", identity);
    let program = site.lend(&tool(FSX));
    let settings = site.file("fsx.toml", FSX_SETTINGS);
    let serving = site.serve();
    for seed in 1..=6_u32 {
        let file = serving.mount().join(format!("file-{seed}"));
        let mut words: Vec<OsString> = vec![program.clone().into(), "-f".into(), settings.clone().into()];
        words.extend(["-N2000".into(), format!("-S{seed}").into(), "-P".into()]);
        words.extend([site.join("local").into(), file.into()]);
        let outcome = run(&mut site.mynah(&[], &words), SUITE_LIMIT).expect("it runs");
        assert_ended(&outcome, Ended::Exit(0));
        assert!(
            outcome.out().contains("A-OK"),
            "as {identity}, seed {seed}: {}{}",
            outcome.out(),
            outcome.err()
        );
    }
}

/// Every operation that Linux has, closing and opening again among them.
const FSX_SETTINGS: &str = "
flen = 262144
[weights]
close_open = 5
truncate = 5
fsync = 3
fdatasync = 3
posix_fallocate = 1
punch_hole = 1
sendfile = 1
posix_fadvise = 1
copy_file_range = 1
";
