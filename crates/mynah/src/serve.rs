//! `mynah serve`.

use crate::cli::ServeArgs;
use crate::{complain, logging};
use mynah_chirp::server::{Server, ServerConfig};
use mynah_drivers::LocalDriver;
use nix::sys::signal::{SigSet, Signal};
use rustix::fs::Mode;
use std::error::Error;
use std::io::Write;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

/// Serves until it is told to end by SIGTERM, SIGINT or SIGHUP.
///
/// # Errors
/// What keeps it from starting.
pub(crate) fn serve(args: &ServeArgs) -> Result<(), Box<dyn Error>> {
    logging::start(Some(&args.log), args.log_file.as_deref())?;
    // A file size limit is to be an error of the write (EFBIG), not the server's end. Blocked before there are threads.
    SigSet::from(Signal::SIGXFSZ).thread_block()?;
    // Files get the modes that clients ask for, after the client's own mask.
    rustix::process::umask(Mode::empty());
    let driver = LocalDriver::new(&args.root)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::bind(args.listen, driver, ServerConfig::of_this_process())?;
        let address = server.local_addr();
        if let Some(file) = &args.port_file {
            write_port(file, address.port())?;
        }
        if !address.ip().is_loopback() {
            complain(&format!("serving {} to the network at {address}", args.root.display()));
        }
        tracing::info!(%address, root = %args.root.display(), "serving");
        server.run(told_to_end()?).await;
        Ok(())
    })
}

/// Done when a signal says so.
fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Whoever waits for the file finds the whole number in it: it is written aside and renamed.
fn write_port(file: &Path, port: u16) -> std::io::Result<()> {
    let mut aside = file.as_os_str().to_owned();
    aside.push(format!(".{}", std::process::id()));
    let mut out = std::fs::File::create(&aside)?;
    writeln!(out, "{port}")?;
    drop(out);
    std::fs::rename(&aside, file)
}
