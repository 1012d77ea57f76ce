//! The tables that the program tells of itself.

use mynah_agent::identity::View;
use mynah_agent::syscalls::{Class, Row, TABLE};
use std::fmt::Write;

fn class_of(row: &Row) -> String {
    match row.class {
        Class::Native => "native".to_owned(),
        Class::Path => "path".to_owned(),
        Class::Descriptor => "descriptor".to_owned(),
        Class::Process => "process".to_owned(),
        Class::Identity(View::User) => "identity (user)".to_owned(),
        Class::Identity(View::Host) => "identity (host)".to_owned(),
        Class::Denied(errno) => {
            let name = mynah_vfs::Errno::new(errno).and_then(mynah_vfs::Errno::name).unwrap_or("an error");
            format!("denied ({name})")
        }
    }
}

/// All system calls by name.
pub(crate) fn syscalls(markdown: bool) -> String {
    let mut rows: Vec<&Row> = TABLE.iter().collect();
    rows.sort_by_key(|row| row.name);
    let mut text = String::new();
    for row in rows {
        let class = class_of(row);
        // Writing to a string does not fail.
        let _ = if markdown {
            writeln!(text, "| `{}` | {class} | {} |", row.name, row.note)
        } else {
            writeln!(text, "{:<26} {class:<16} {}", row.name, row.note).map(|()| {
                let end = text.trim_end().len();
                text.truncate(end);
                text.push('\n');
            })
        };
    }
    if markdown { format!("{MARKDOWN_HEAD}{text}") } else { text }
}

const MARKDOWN_HEAD: &str = "\
# System calls

How each system call is treated. **native**: the kernel's alone, never looked at. **path**: it names a path; the kernel performs it
on the machine's own files, Mynah on remote ones. **descriptor**: Mynah looks at it because the kernel cannot answer alone for a remote
object. **process**: it changes what a program is or where it stands. **identity**: native, unless `--uid` and its kin (user) or
`--hostname` (host) show another. **denied**: refused with that error. A call that is not listed is unknown to this Mynah: it fails with ENOSYS and one line in the log, or ends the program with `--strict-syscalls`.

The table is that of x86-64; aarch64 lacks the older calls. (Made by `mynah syscalls --markdown`.)

| call | treated as | to know |
|---|---|---|
";

/// All drivers.
pub(crate) fn drivers() -> String {
    let mut text = String::new();
    for row in mynah_drivers::rows() {
        let port = format!("port {}", row.default_port);
        let _ = writeln!(text, "{:<10} {port:<10} {}", row.scheme, row.summary);
    }
    text
}
