//! Pages that are made from the program say what the program says.
//!
//! With `MYNAH_WRITE_DOCS=1` the pages are written anew instead (`make docs-update`).

use std::path::{Path, PathBuf};
use std::process::Command;

const COMMANDS_HEAD: &str = "# Commands\n\nWhat `mynah --help` says, command by command. An option can also be \
                             set by the variable of the environment that its help names.\n";

fn page(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src").join(path)
}

/// What the program prints when it is called like this.
fn said(arguments: &[&str]) -> String {
    // Help shows the values of the environment's variables.
    let output =
        Command::new(env!("CARGO_BIN_EXE_mynah")).args(arguments).env_clear().output().expect("mynah starts");
    assert!(output.status.success(), "mynah {}: {output:?}", arguments.join(" "));
    String::from_utf8(output.stdout).expect("what mynah says is UTF-8")
}

/// Asserts that a page is `text`, or makes it so where that was asked for.
fn assert_page(path: &str, text: &str) {
    if std::env::var_os("MYNAH_WRITE_DOCS").is_some() {
        std::fs::write(page(path), text).expect(path);
        return;
    }
    let stands = std::fs::read_to_string(page(path)).unwrap_or_default();
    let first = stands.lines().zip(text.lines()).position(|(a, b)| a != b);
    assert!(
        stands == text,
        "docs/src/{path} is not what mynah says, from line {first:?} on: run make docs-update"
    );
}

/// The names in the list of commands that help prints.
fn commands(help: &str) -> Vec<&str> {
    let list =
        help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    // Lines that go on with an explanation are indented deeper.
    let heads = list.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    heads.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect()
}

#[test]
fn the_page_of_commands_is_the_help() {
    let help = said(&["--help"]);
    let commands = commands(&help);
    assert!(commands.contains(&"run") && commands.contains(&"serve"), "{commands:?}");
    let mut text = format!("{COMMANDS_HEAD}\n## mynah\n\n```text\n{}\n```\n", help.trim_end());
    for command in commands {
        let help = said(&[command, "--help"]);
        text += &format!("\n## mynah {command}\n\n```text\n{}\n```\n", help.trim_end());
        for below in self::commands(&help) {
            let help = said(&[command, below, "--help"]);
            text += &format!("\n### mynah {command} {below}\n\n```text\n{}\n```\n", help.trim_end());
        }
    }
    let plain: String = text.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    assert_page("commands.md", &plain);
}

#[test]
fn the_page_of_system_calls_is_the_table() {
    assert_page("syscalls.md", &said(&["syscalls", "--markdown"]));
}

#[test]
fn the_page_of_the_doctor_has_every_finding() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_mynah")).args(["doctor", "--json"]).output().expect("mynah starts");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(if report["can_run"] == true { 0 } else { 1 }));
    let text = std::fs::read_to_string(page("doctor.md")).unwrap();
    let findings = report["findings"].as_array().unwrap();
    assert!(findings.len() > 5, "{report}");
    for finding in findings {
        let name = finding["name"].as_str().unwrap();
        assert!(text.contains(&format!("| {name} |")), "docs/src/doctor.md has no row for {name:?}");
    }
}
