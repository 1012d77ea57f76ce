//! The C project that the demo works on.

use std::fs::{self, File, FileTimes, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The name of its directory.
pub(super) const NAME: &str = "wordfreq";

/// All its times, so that listings of two copies are the same: 1 March 2005, 12:00 UTC.
const TIME: Duration = Duration::from_secs(1_109_678_400);

const PLAIN: u32 = 0o644;
const PROGRAM: u32 = 0o755;

/// The directories, those inside others later.
const DIRECTORIES: &[&str] = &["", "data", "src", "tests"];

/// The files: path, permission bits, content.
const FILES: &[(&str, u32, &[u8])] = &[
    ("Makefile", PLAIN, include_bytes!("project/Makefile")),
    ("README", PLAIN, include_bytes!("project/README")),
    ("data/mynahs.txt", PLAIN, include_bytes!("project/data/mynahs.txt")),
    ("data/stopwords.txt", PLAIN, include_bytes!("project/data/stopwords.txt")),
    ("src/main.c", PLAIN, include_bytes!("project/src/main.c")),
    ("src/report.c", PLAIN, include_bytes!("project/src/report.c")),
    ("src/report.h", PLAIN, include_bytes!("project/src/report.h")),
    ("src/table.c", PLAIN, include_bytes!("project/src/table.c")),
    ("src/table.h", PLAIN, include_bytes!("project/src/table.h")),
    ("src/words.c", PLAIN, include_bytes!("project/src/words.c")),
    ("src/words.h", PLAIN, include_bytes!("project/src/words.h")),
    ("tests/check.sh", PROGRAM, include_bytes!("project/tests/check.sh")),
    ("tests/expected", PLAIN, include_bytes!("project/tests/expected")),
];

/// Writes the project to a directory that does not exist yet; the directories above it are made.
pub(super) fn unpack(to: &Path) -> io::Result<()> {
    for directory in DIRECTORIES {
        fs::create_dir_all(to.join(directory))?;
    }
    for (path, mode, content) in FILES {
        fs::write(to.join(path), content)?;
        set_mode_and_times(&to.join(path), *mode)?;
    }
    // Last, and the inner ones first: what was made in them has changed their times.
    DIRECTORIES.iter().rev().try_for_each(|directory| set_mode_and_times(&to.join(directory), PROGRAM))
}

fn set_mode_and_times(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    let time = SystemTime::UNIX_EPOCH + TIME;
    File::open(path)?.set_times(FileTimes::new().set_modified(time).set_accessed(time))
}
