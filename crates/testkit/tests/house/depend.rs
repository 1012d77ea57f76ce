//! Who may use whom, read from `cargo metadata`.

use crate::source::root;
use crate::{assert_caught, assert_kept};
use serde_json::Value;
use std::process::Command;

/// Each crate of the house and the siblings it may use. `mynah` wires them all.
const MAY_USE: &[(&str, &[&str])] = &[
    (
        "mynah",
        &[
            "mynah-agent",
            "mynah-cache",
            "mynah-chirp",
            "mynah-drivers",
            "mynah-intercept",
            "mynah-net",
            "mynah-vfs",
        ],
    ),
    ("mynah-agent", &["mynah-intercept", "mynah-cache", "mynah-vfs"]),
    ("mynah-cache", &["mynah-vfs"]),
    ("mynah-chirp", &["mynah-net", "mynah-vfs"]),
    ("mynah-drivers", &["mynah-chirp", "mynah-net", "mynah-vfs"]),
    ("mynah-intercept", &[]),
    ("mynah-net", &["mynah-vfs"]),
    ("mynah-testkit", &["mynah-chirp", "mynah-net", "mynah-vfs"]),
    ("mynah-vfs", &[]),
];

/// The crate that every other may use in its tests, and none otherwise.
const FOR_TESTS: &str = "mynah-testkit";

/// Crates of the registry that have one place in the house, and those places. An empty list: nowhere.
const AT_HOME_IN: &[(&str, &[&str])] = &[
    ("anyhow", &[]),
    ("clap", &["mynah"]),
    ("tracing-subscriber", &["mynah"]),
    ("syscalls", &["mynah-agent", "mynah-intercept"]),
    ("linux-raw-sys", &["mynah-agent", "mynah-intercept"]),
];

/// What the waist may take from the registry: it does no I/O.
const WAIST: (&str, &[&str]) = ("mynah-vfs", &["bytes", "libc", "thiserror"]);

/// The most packages that Cargo.lock may list, our own and those of the tests counted.
const LOCK_MAX: usize = 200;

/// One line of a manifest: who uses whom, for what (`None` for the crate itself, or "dev", "build").
struct Use {
    user: String,
    used: String,
    kind: Option<String>,
}

fn uses(metadata: &Value) -> Vec<Use> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            found.push(Use {
                user: text(&package["name"]).expect("a package's name"),
                used: text(&dependency["name"]).expect("a dependency's name"),
                kind: text(&dependency["kind"]),
            });
        }
    }
    found
}

fn check_siblings(packages: &[String], uses: &[Use]) -> Vec<String> {
    let row = |name: &str| MAY_USE.iter().find(|(user, _)| *user == name);
    let strangers = packages.iter().filter(|p| row(p).is_none());
    let gone = MAY_USE.iter().filter(|(user, _)| !packages.iter().any(|p| p == user));
    let mut complaints: Vec<String> =
        strangers.map(|p| format!("{p} has no row in the table of who may use whom")).collect();
    complaints.extend(gone.map(|(user, _)| format!("{user} has a row but is no crate of the workspace")));
    for Use { user, used, kind } in uses {
        let allowed = row(user).is_some_and(|(_, may)| may.contains(&used.as_str()));
        let in_tests = kind.as_deref() == Some("dev") && used == FOR_TESTS;
        if packages.contains(used) && !allowed && !in_tests {
            complaints.push(format!("{user} may not use {used}"));
        }
    }
    complaints
}

fn check_registry(uses: &[Use]) -> Vec<String> {
    let mut complaints = Vec::new();
    for Use { user, used, kind } in uses.iter().filter(|u| u.kind.as_deref() != Some("dev")) {
        if AT_HOME_IN.iter().any(|(name, homes)| name == used && !homes.contains(&user.as_str())) {
            complaints.push(format!("{used} is not at home in {user}"));
        }
        if user == WAIST.0 && !WAIST.1.contains(&used.as_str()) {
            complaints.push(format!("the waist, {user}, does no I/O and has no use for {used}"));
        }
        if kind.as_deref() == Some("build") {
            complaints.push(format!("{user} builds with {used}: nothing here may need a build script"));
        }
    }
    complaints
}

fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

fn package_names(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().expect("packages");
    packages.iter().map(|p| p["name"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn crates_use_only_those_below_them() {
    let metadata = metadata();
    let complaints = check_siblings(&package_names(&metadata), &uses(&metadata));
    assert_kept("The table of who may use whom (ARCHITECTURE.md):", &complaints);
}

#[test]
fn the_registry_is_used_where_it_has_a_place() {
    assert_kept("What comes from the registry has its place:", &check_registry(&uses(&metadata())));
}

#[test]
fn the_lock_file_stays_short() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let packages = lock.lines().filter(|line| *line == "[[package]]").count();
    assert!(
        (20..=LOCK_MAX).contains(&packages),
        "Cargo.lock lists {packages} packages; the bound is {LOCK_MAX}"
    );
}

#[test]
fn a_use_against_the_table_is_caught() {
    let line = |user: &str, used: &str, kind: Option<&str>| Use {
        user: user.into(),
        used: used.into(),
        kind: kind.map(str::to_owned),
    };
    let mut packages: Vec<String> = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect();
    packages.push("mynah-extra".into());
    let uses = [
        line("mynah-agent", "mynah-vfs", None),
        line("mynah-agent", "mynah-drivers", None),
        line("mynah-vfs", "mynah-testkit", Some("dev")),
        line("mynah-cache", "mynah-testkit", None),
        line("mynah-vfs", "tokio", None),
        line("mynah-net", "clap", None),
    ];
    assert_caught(
        &check_siblings(&packages, &uses),
        &[
            "mynah-extra has no row",
            "mynah-agent may not use mynah-drivers",
            "mynah-cache may not use mynah-testkit",
        ],
    );
    assert_caught(&check_registry(&uses), &["no use for tokio", "clap is not at home in mynah-net"]);
}
