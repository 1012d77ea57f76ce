//! The log: nothing unless it is asked for, and never on the program's own output by itself.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::sync::Mutex;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Starts the log. A file without a level is logged to at `info`.
///
/// # Errors
/// A level that cannot be read, a file that cannot be opened. The text says which.
pub(crate) fn start(level: Option<&str>, file: Option<&Path>) -> io::Result<()> {
    let Some(level) = level.or(file.map(|_| "info")) else { return Ok(()) };
    let filter = filter(level)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_target(false);
    match file {
        Some(path) => {
            let opened = OpenOptions::new().create(true).append(true).open(path);
            let file = opened.map_err(|error| {
                io::Error::new(error.kind(), format!("--log-file {}: {error}", path.display()))
            })?;
            builder.with_writer(Mutex::new(file)).init();
        }
        None => builder.with_writer(io::stderr).init(),
    }
    Ok(())
}

/// A level, or a filter that names targets. A lone word that is no level would be taken for a target's name, and log nothing.
fn filter(text: &str) -> io::Result<EnvFilter> {
    let wrong = |why: String| io::Error::new(io::ErrorKind::InvalidInput, format!("--log {text}: {why}"));
    if !text.contains('=') {
        let level: LevelFilter =
            text.parse().map_err(|_| wrong("known levels: off error warn info debug trace".to_owned()))?;
        return Ok(EnvFilter::default().add_directive(level.into()));
    }
    EnvFilter::try_new(text).map_err(|error| wrong(error.to_string()))
}
