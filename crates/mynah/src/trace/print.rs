//! A line for each call, as strace prints them; or a JSON object.

use super::text;
use crate::cli::TracePrintArgs;
use mynah_agent::syscalls::Arg;
use mynah_agent::syscalls::args::makes_file;
use mynah_agent::syscalls::table::row_of_name;
use mynah_agent::trace::format::{Answer, Call, Header, Record, Request};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, Write};

/// Prints the records of one trace.
pub(super) struct Printer<'a> {
    args: &'a TracePrintArgs,
    out: &'a mut dyn Write,
    header: Option<Header>,
    names: HashMap<i32, String>,
    /// Requests whose call is yet to come.
    requests: HashMap<u64, Vec<Request>>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(args: &'a TracePrintArgs, out: &'a mut dyn Write) -> Printer<'a> {
        Printer { args, out, header: None, names: HashMap::new(), requests: HashMap::new() }
    }

    /// # Errors
    /// The output cannot be written.
    pub(super) fn record(&mut self, record: Record) -> io::Result<()> {
        match record {
            Record::Header(header) => {
                if self.args.json {
                    let command: Vec<String> = header.command.iter().map(|one| text::escaped(one)).collect();
                    let began = text::date_and_time(header.begun.0);
                    self.line(&json!({"kind": "run", "began": began, "command": command}).to_string())?;
                }
                self.header = Some(header);
                Ok(())
            }
            Record::Process { pid, name, .. } => {
                self.names.insert(pid, text::escaped(&name));
                Ok(())
            }
            Record::Call(call) => self.call(&call),
            Record::Request(request) => self.request(*request),
            Record::Ended { at, pid, status } => self.ended(at, pid, status),
            Record::Lost { count } => self.lost(count),
            Record::End { at, status } => {
                if self.args.json {
                    self.line(&json!({"kind": "end", "at_ns": at, "status": status}).to_string())?;
                }
                Ok(())
            }
        }
    }

    /// What no call has claimed.
    ///
    /// # Errors
    /// The output cannot be written.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let mut left: Vec<Request> = self.requests.drain().flat_map(|(_, requests)| requests).collect();
        left.sort_by_key(|request| request.at);
        left.iter().try_for_each(|request| self.alone(request))
    }

    fn call(&mut self, call: &Call) -> io::Result<()> {
        let requests = self.requests.remove(&call.number).unwrap_or_default();
        if !self.is_wanted(call) {
            return Ok(());
        }
        if self.args.json {
            let line = self.call_json(call, &requests).to_string();
            return self.line(&line);
        }
        let line = format!("{} {} {}", self.time(call.at), self.who(call.pid, call.tid), told(call));
        self.line(&line)?;
        if self.args.requests {
            for request in &requests {
                let line = format!("    {}", request_told(request));
                self.line(&line)?;
            }
        }
        Ok(())
    }

    fn request(&mut self, request: Request) -> io::Result<()> {
        if !self.args.requests {
            return Ok(());
        }
        match request.call {
            Some(call) => {
                self.requests.entry(call).or_default().push(request);
                Ok(())
            }
            None => self.alone(&request),
        }
    }

    /// A request that no call that is shown waits for.
    fn alone(&mut self, request: &Request) -> io::Result<()> {
        let place = [&*request.server, &*request.path].concat();
        let failed = request.error != Some(0);
        let is_wanted = self.args.pid.is_none()
            && (!self.args.failed || failed)
            && self.is_below([request.path.to_vec(), place]);
        if !is_wanted {
            return Ok(());
        }
        let line = if self.args.json {
            request_json(request, true).to_string()
        } else {
            format!("{} [mynah] {}", self.time(request.at), request_told(request))
        };
        self.line(&line)
    }

    fn ended(&mut self, at: i64, pid: i32, status: i32) -> io::Result<()> {
        let by_path = self.args.path.is_some() || self.args.failed;
        if by_path || self.args.pid.is_some_and(|wanted| wanted != pid) {
            return Ok(());
        }
        let line = if self.args.json {
            json!({"kind": "exit", "at_ns": at, "pid": pid, "status": status}).to_string()
        } else {
            let how = match status {
                0.. => format!("exited with {status}"),
                _ => format!("killed by signal {}", -i64::from(status)),
            };
            format!("{} {} +++ {how} +++", self.time(at), self.who(pid, pid))
        };
        self.line(&line)
    }

    fn lost(&mut self, count: u64) -> io::Result<()> {
        let line = if self.args.json {
            json!({"kind": "lost", "records": count}).to_string()
        } else {
            format!("... {count} records are missing here: the disk was too slow for them")
        };
        self.line(&line)
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    fn is_wanted(&self, call: &Call) -> bool {
        let of_pid = self.args.pid.is_none_or(|pid| pid == call.pid || pid == call.tid);
        let failed = !self.args.failed || call.result.is_some_and(|result| result < 0);
        of_pid && failed && (self.args.path.is_none() || self.is_below(paths(call)))
    }

    fn is_below(&self, paths: impl IntoIterator<Item = Vec<u8>>) -> bool {
        let Some(prefix) = &self.args.path else { return true };
        use std::os::unix::ffi::OsStrExt;
        paths.into_iter().any(|path| path.starts_with(prefix.as_bytes()))
    }

    fn time(&self, at: i64) -> String {
        let begun = self.header.as_ref().map_or((0, 0), |header| header.begun);
        text::time_of_day(i128::from(begun.0) * 1_000_000_000 + i128::from(begun.1) + i128::from(at))
    }

    fn who(&self, pid: i32, tid: i32) -> String {
        let name = self.names.get(&pid).map_or("?", String::as_str);
        if pid == tid { format!("[{pid} {name}]") } else { format!("[{pid}/{tid} {name}]") }
    }

    fn call_json(&self, call: &Call, requests: &[Request]) -> Value {
        let places: Vec<String> = call.places.iter().map(text::place).collect();
        let texts: Vec<String> = call.texts.iter().map(|told| text::escaped(&text::whole(told))).collect();
        let mut value = json!({
            "kind": "call", "at_ns": call.at, "took_ns": call.took, "call": call.number,
            "pid": call.pid, "tid": call.tid, "program": self.names.get(&call.pid),
            "name": text::escaped(&call.name), "arguments": arguments(call), "paths": texts,
            "answer": answer(call.answer), "result": call.result, "places": places,
            "requests": call.requests, "fetched": call.fetched, "sent": call.sent,
        });
        if self.args.requests {
            let each: Vec<Value> = requests.iter().map(|request| request_json(request, false)).collect();
            value["asked"] = each.into();
        }
        value
    }
}

/// All the ways in which a call says where it goes.
fn paths(call: &Call) -> Vec<Vec<u8>> {
    let told = call.texts.iter().flat_map(|told| [told.text.to_vec(), text::whole(told)]);
    let places = call.places.iter().flat_map(|place| {
        let server = place.server.as_deref().unwrap_or_default();
        [place.path.to_vec(), [server, &place.path].concat()]
    });
    told.chain(places).collect()
}

fn answer(answer: Answer) -> &'static str {
    match answer {
        Answer::Native => "native",
        Answer::Value => "value",
        Answer::Descriptor => "descriptor",
        Answer::Performed => "performed",
        Answer::Signalled => "signalled",
        Answer::Gone => "gone",
    }
}

/// `openat(AT_FDCWD, "f", O_RDONLY) = 3 <0.000123> → chirp://host:9094/f, 2 requests, fetched 12 bytes`
fn told(call: &Call) -> String {
    let result = match (call.answer, call.result) {
        (Answer::Signalled, _) => "? (let go for a signal)".to_owned(),
        (Answer::Gone, _) => "? (the caller is gone)".to_owned(),
        (_, Some(result @ -4095..=-1)) => format!("-1 {}", text::error(-result as i32)),
        (_, Some(result)) => result.to_string(),
        (_, None) => "?".to_owned(),
    };
    let name = text::escaped(&call.name);
    let mut line =
        format!("{name}({}) = {result} <{}>", arguments(call).join(", "), text::seconds(call.took));
    let as_told: Vec<Vec<u8>> = call.texts.iter().map(text::whole).collect();
    let elsewhere = |place: &&mynah_agent::trace::format::Place| {
        place.server.is_some() || !as_told.iter().any(|told| **told == *place.path)
    };
    let mut ways: Vec<String> = Vec::new();
    let places: Vec<String> = call.places.iter().filter(elsewhere).map(text::place).collect();
    if !places.is_empty() {
        ways.push(places.join(" and "));
    }
    match call.requests {
        0 => {}
        1 => ways.push("1 request".to_owned()),
        count => ways.push(format!("{count} requests")),
    }
    for (what, bytes) in [("fetched", call.fetched), ("sent", call.sent)] {
        if bytes > 0 {
            ways.push(format!("{what} {bytes} bytes"));
        }
    }
    if !ways.is_empty() {
        line.push_str(" → ");
        line.push_str(&ways.join(", "));
    }
    line
}

fn arguments(call: &Call) -> Vec<String> {
    let kinds = std::str::from_utf8(&call.name).ok().and_then(row_of_name).map_or(&[][..], |row| row.args);
    let mut told = Vec::new();
    for (index, value) in call.arguments.iter().enumerate() {
        let kind = kinds.get(index).copied().unwrap_or(Arg::Bits);
        let flags = || index.checked_sub(1).map_or(0, |before| call.arguments[before]);
        if kind == Arg::ModeOfNew && !makes_file(flags()) {
            continue;
        }
        told.push(match call.texts.iter().find(|told| told.argument == index) {
            Some(known) => text::quoted(&known.text),
            None => kind.shown(*value).into_owned(),
        });
    }
    told
}

fn request_told(request: &Request) -> String {
    let server = text::escaped(&request.server);
    let mut line = format!("{} {server}{}", text::escaped(&request.operation), text::escaped(&request.path));
    if let Some(other) = &request.other {
        line.push_str(&format!(" {}", text::escaped(other)));
    }
    let result = match request.error {
        Some(0) if request.bytes > 0 => format!("{} bytes", request.bytes),
        Some(0) => "0".to_owned(),
        Some(error) => format!("-1 {}", text::error(error)),
        None => "? (given up)".to_owned(),
    };
    format!("{line} = {result} <{}>", text::seconds(request.took))
}

fn request_json(request: &Request, alone: bool) -> Value {
    let mut value = json!({
        "at_ns": request.at, "took_ns": request.took, "server": text::escaped(&request.server),
        "operation": text::escaped(&request.operation), "path": text::escaped(&request.path),
        "other": request.other.as_ref().map(|other| text::escaped(other)),
        "error": request.error, "bytes": request.bytes, "size": request.size,
    });
    if alone {
        value["kind"] = "request".into();
    }
    value
}
