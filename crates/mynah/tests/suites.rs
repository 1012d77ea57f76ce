//! Other people's suites: what passes natively, on the server's own disk, passes under Mynah on a mount.
//!
//! What a suite cannot do natively here, it says itself, and is not asked for under Mynah.

#[path = "suites/bonnie_and_dbench.rs"]
mod bonnie_and_dbench;
#[path = "suites/fio.rs"]
mod fio;
#[path = "suites/fsx.rs"]
mod fsx;
#[path = "suites/pjdfstest.rs"]
mod pjdfstest;
mod site;
#[path = "suites/stress_ng.rs"]
mod stress_ng;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A whole suite, on a slow machine, with an unoptimised Mynah.
const SUITE_LIMIT: Duration = Duration::from_secs(1200);

/// Where the program of a crate is, after installing it, in a fixed version, into `target/tools` if it is not there.
fn tool((name, version): (&str, &str)) -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("tools");
    let installed = fs::read_to_string(root.join(".crates.toml")).unwrap_or_default();
    if !installed.contains(&format!("\"{name} {version} ")) {
        let cargo = option_env!("CARGO").unwrap_or("cargo");
        let mut command = Command::new(cargo);
        command
            .args(["install", "--quiet", "--locked", "--root"])
            .arg(&root)
            .arg(format!("{name}@{version}"));
        assert!(command.status().expect("cargo runs").success(), "{name} {version} cannot be installed");
    }
    root.join("bin").join(name)
}
