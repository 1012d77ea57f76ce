//! `mynah trace`: what a trace says, for people and for programs.

mod print;
mod summary;
mod text;

pub(crate) use summary::Summing;

use summary::Summary;

use crate::cli::{TraceArgs, TraceCommand};
use crate::complain;
use mynah_agent::trace::format::{Reader, Record};
use std::error::Error;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

/// Bytes read at once.
const READ_AT_ONCE: usize = 256 << 10;

/// Answers `mynah trace`.
///
/// # Errors
/// The file cannot be read, or is no trace.
pub(crate) fn trace(args: &TraceArgs) -> Result<u8, Box<dyn Error>> {
    let mut out = BufWriter::new(io::stdout().lock());
    let told = match &args.command {
        TraceCommand::Print(print) => {
            let mut printer = print::Printer::new(print, &mut out);
            let read = read(&print.file, |record| printer.record(record));
            read.and_then(|()| Ok(printer.finish()?))
        }
        TraceCommand::Summary(summary) => {
            let mut sums = Summary::default();
            read(&summary.file, |record| {
                sums.add(&record);
                Ok(())
            })
            .and_then(|()| {
                let text =
                    if summary.json { format!("{:#}\n", sums.to_json()) } else { sums.text(summary.top) };
                Ok(out.write_all(text.as_bytes())?)
            })
        }
    };
    match told.and_then(|()| Ok(out.flush()?)) {
        Err(error) if is_closed(error.as_ref()) => Ok(0),
        done => done.map(|()| 0),
    }
}

/// Whether the reader of our output has seen enough.
fn is_closed(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Gives each record of a file to `each`, and tells on standard error if the file is not whole.
fn read(path: &Path, mut each: impl FnMut(Record) -> io::Result<()>) -> Result<(), Box<dyn Error>> {
    let named = |error: &dyn Error| format!("{}: {error}", path.display());
    let mut file = File::open(path).map_err(|error| named(&error))?;
    let mut reader = Reader::default();
    let mut piece = vec![0; READ_AT_ONCE];
    let (mut any, mut ended) = (false, false);
    loop {
        let count = file.read(&mut piece).map_err(|error| named(&error))?;
        reader.push(&piece[..count]);
        loop {
            match reader.next_record() {
                Ok(Some(record)) => {
                    any = true;
                    ended = matches!(record, Record::End { .. });
                    each(record)?;
                }
                Ok(None) => break,
                // What came before holds, and was told.
                Err(error) if any => {
                    complain(&named(&error));
                    return Ok(());
                }
                Err(error) => return Err(named(&error).into()),
            }
        }
        if count == 0 {
            break;
        }
    }
    if !any {
        return Err(
            format!("{}: this is not a trace of mynah run, or its beginning is cut", path.display()).into()
        );
    }
    if reader.left() > 0 {
        complain(&format!(
            "{}: the last record is cut: {} bytes are left over",
            path.display(),
            reader.left()
        ));
    } else if !ended {
        complain(&format!("{}: the trace has no end: the run goes on, or was killed", path.display()));
    }
    Ok(())
}
