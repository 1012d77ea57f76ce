//! Compiling the tests' C programs.

use std::fs;
use std::path::Path;
use std::process::Command;

/// What the programs do to see the kernel refuse it.
const WRONG_ON_PURPOSE: [&str; 5] = [
    "-Wno-unused-result",
    "-Wno-nonnull",
    "-Wno-stringop-overflow",
    "-Wno-stringop-overread",
    "-Wno-format-truncation",
];

/// Compiles one C file with cc into `program`; headers are looked for in `include`. A line `// cc: OPTIONS` in the source adds options.
///
/// `Err` is what the compiler said.
pub fn compile(source: &Path, include: &Path, program: &Path) -> Result<(), String> {
    let text = fs::read_to_string(source).map_err(|e| format!("{}: {e}", source.display()))?;
    let options = text.lines().find_map(|line| line.strip_prefix("// cc:")).unwrap_or("");
    let mut command = Command::new("cc");
    command.args(["-std=gnu11", "-O1", "-pthread", "-D_GNU_SOURCE", "-Wall", "-Werror"]);
    command.args(WRONG_ON_PURPOSE).arg("-I").arg(include).args(options.split_whitespace());
    command.arg("-o").arg(program).arg(source);
    let output = command.output().map_err(|e| format!("cc cannot be run: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("cc: {}", String::from_utf8_lossy(&output.stderr)))
}
