//! The binary: the only place that reads the environment, the terminal and the command line, and that puts the parts
//! together.

mod cli;
mod connector;
mod demo;
mod doctor;
mod logging;
mod places;
mod resolver;
mod run;
mod serve;
mod tables;
mod trace;

use clap::Parser;
use clap::error::ErrorKind;
use cli::{Cli, Command};
use std::io::Write;
use std::process::ExitCode;

/// The status when Mynah itself failed; the program's own statuses are below or above.
const MYNAH_FAILED: u8 = 125;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let result = match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Serve(args) => serve::serve(&args).map(|()| 0),
        Command::Demo => demo(),
        Command::Doctor(args) => doctor(&args),
        Command::Syscalls(args) => tell(&tables::syscalls(args.markdown)),
        Command::Trace(args) => trace::trace(&args),
        Command::Drivers => tell(&tables::drivers()),
    };
    match result {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(MYNAH_FAILED)
        }
    }
}

/// Help is asked for and goes to standard output; everything else that clap has to say is a failure of ours.
fn usage(error: &clap::Error) -> ExitCode {
    let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    // Nobody is left to be told if that fails.
    let _ = error.print();
    ExitCode::from(if asked { 0 } else { MYNAH_FAILED })
}

/// One line for a person.
pub(crate) fn complain(what: &str) {
    let line = format!("mynah: {}\n", what.replace('\n', " "));
    // In one write, so that it is not torn apart by what programs write.
    let _ = std::io::stderr().write_all(line.as_bytes());
}

fn tell(text: &str) -> Result<u8, Box<dyn std::error::Error>> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(0)
}

fn demo() -> Result<u8, Box<dyn std::error::Error>> {
    let agrees = demo::run(&mut std::io::stdout())?;
    Ok(u8::from(!agrees))
}

fn doctor(args: &cli::DoctorArgs) -> Result<u8, Box<dyn std::error::Error>> {
    let report = doctor::report(&places::cache_dir(args.cache.cache_dir.as_deref())?);
    if args.json {
        tell(&format!("{:#}\n", report.to_json()))?;
    } else {
        tell(&report.to_string())?;
    }
    Ok(u8::from(!report.can_run()))
}
