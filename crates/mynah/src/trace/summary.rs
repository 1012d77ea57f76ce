//! Sums of a trace by file, by server and by program.

use super::text;
use mynah_agent::trace::format::{Call, Header, Place, Reader, Record, Request};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::hash::Hash;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows that one table keeps; what comes beyond is summed in one row of its own. Some 100 MB if every path were long.
const ROWS_MAX: usize = 200_000;

/// What a trace comes to.
#[derive(Default)]
pub(crate) struct Summary {
    header: Option<Header>,
    ended: Option<(i64, i32)>,
    last: i64,
    lost: u64,
    names: HashMap<i32, String>,
    total: Sums,
    files: Table<Place>,
    servers: Table<Option<Arc<[u8]>>>,
    programs: Table<String>,
}

/// One row.
#[derive(Clone, Copy, Default)]
struct Sums {
    calls: u64,
    errors: u64,
    requests: u64,
    fetched: u64,
    sent: u64,
    waited: u64,
    size: Option<u64>,
}

struct Table<K> {
    rows: HashMap<K, Sums>,
    others: Sums,
}

impl<K> Default for Table<K> {
    fn default() -> Table<K> {
        Table { rows: HashMap::new(), others: Sums::default() }
    }
}

impl<K: Eq + Hash> Table<K> {
    fn row(&mut self, key: K) -> &mut Sums {
        if self.rows.len() >= ROWS_MAX && !self.rows.contains_key(&key) {
            return &mut self.others;
        }
        self.rows.entry(key).or_default()
    }

    /// The rows with their names, those that were waited for longest first.
    fn sorted(&self, name: impl Fn(&K) -> String) -> Vec<(String, Sums)> {
        let mut rows: Vec<(String, Sums)> = self.rows.iter().map(|(key, sums)| (name(key), *sums)).collect();
        if self.others.calls + self.others.requests > 0 {
            rows.push(("(all others)".to_owned(), self.others));
        }
        rows.sort_by(|(one, a), (other, b)| b.waited.cmp(&a.waited).then_with(|| one.cmp(other)));
        rows
    }
}

impl Sums {
    fn count(&mut self, call: &Call) {
        self.calls += 1;
        self.errors += u64::from(call.result.is_some_and(|result| result < 0));
        self.waited = self.waited.saturating_add(call.took);
    }

    fn count_request(&mut self, request: &Request) {
        self.requests += 1;
        if &*request.operation == b"write" {
            self.sent = self.sent.saturating_add(request.bytes);
        } else {
            self.fetched = self.fetched.saturating_add(request.bytes);
        }
        self.size = request.size.or(self.size);
    }

    fn to_json(self) -> Value {
        json!({
            "calls": self.calls, "errors": self.errors, "requests": self.requests,
            "fetched": self.fetched, "sent": self.sent, "waited_ns": self.waited, "size": self.size,
        })
    }
}

impl Summary {
    /// Takes account of one record.
    pub(crate) fn add(&mut self, record: &Record) {
        match record {
            Record::Header(header) => self.header = Some(header.clone()),
            Record::Process { pid, name, .. } => drop(self.names.insert(*pid, text::escaped(name))),
            Record::Call(call) => self.add_call(call),
            Record::Request(request) => self.add_request(request),
            Record::Lost { count } => self.lost += count,
            Record::Ended { at, .. } => self.last = self.last.max(*at),
            Record::End { at, status } => self.ended = Some((*at, *status)),
        }
    }

    fn add_call(&mut self, call: &Call) {
        self.last = self.last.max(call.at.saturating_add_unsigned(call.took));
        self.total.count(call);
        let program = self.names.get(&call.pid).cloned().unwrap_or_else(|| "?".to_owned());
        let row = self.programs.row(program);
        row.count(call);
        row.requests += call.requests;
        row.fetched = row.fetched.saturating_add(call.fetched);
        row.sent = row.sent.saturating_add(call.sent);
        let places: BTreeSet<Place> = if call.places.is_empty() {
            call.texts
                .iter()
                .filter(|told| !told.text.is_empty())
                .map(|told| Place { server: None, path: text::whole(told).into() })
                .collect()
        } else {
            call.places.iter().cloned().collect()
        };
        let mut servers: BTreeSet<Option<Arc<[u8]>>> = places.iter().map(|one| one.server.clone()).collect();
        if servers.is_empty() {
            servers.insert(None);
        }
        for server in servers {
            self.servers.row(server).count(call);
        }
        for place in places {
            self.files.row(place).count(call);
        }
    }

    fn add_request(&mut self, request: &Request) {
        self.last = self.last.max(request.at.saturating_add_unsigned(request.took));
        let server = Some(Arc::clone(&request.server));
        let file = Place { server: server.clone(), path: Arc::clone(&request.path) };
        let mut rows = vec![&mut self.total, self.servers.row(server), self.files.row(file)];
        if request.call.is_none() {
            rows.push(self.programs.row("(nobody waited)".to_owned()));
        }
        for row in rows {
            row.count_request(request);
        }
        // A server has no size, nor has a run.
        self.total.size = None;
        if let Some(row) = self.servers.rows.get_mut(&Some(Arc::clone(&request.server))) {
            row.size = None;
        }
    }

    /// For people: each table with at most `top` rows.
    pub(crate) fn text(&self, top: usize) -> String {
        let mut told = String::new();
        if let Some(header) = &self.header {
            let _ = writeln!(told, "mynah run -- {}", text::command(&header.command));
            let _ = writeln!(told, "{}", self.when(header));
        }
        if self.lost > 0 {
            let _ = writeln!(told, "{} records were lost: the sums are too small", self.lost);
        }
        let files = self.files.sorted(text::place);
        for (title, rows, with_size) in [
            ("file", files, true),
            ("server", self.servers.sorted(server), false),
            ("program", self.programs.sorted(String::clone), false),
        ] {
            told.push('\n');
            table(&mut told, title, &rows, top, with_size);
        }
        told.push('\n');
        table(&mut told, "in all", &[("all".to_owned(), self.total)], top, false);
        told
    }

    fn when(&self, header: &Header) -> String {
        let began = text::date_and_time(header.begun.0);
        let took = |at: i64| text::seconds(at.max(0).unsigned_abs());
        match self.ended {
            Some((at, status)) => format!("began {began}, took {} s, ended with status {status}", took(at)),
            None => format!("began {began}, goes on or was killed after {} s", took(self.last)),
        }
    }

    /// For programs: all rows.
    pub(crate) fn to_json(&self) -> Value {
        let rows = |rows: Vec<(String, Sums)>| -> Value {
            let each = rows.into_iter().map(|(name, sums)| {
                let mut row = sums.to_json();
                row["name"] = name.into();
                row
            });
            each.collect::<Vec<_>>().into()
        };
        let header = self.header.as_ref();
        let command: Vec<String> =
            header.iter().flat_map(|header| &header.command).map(|one| text::escaped(one)).collect();
        json!({
            "command": command,
            "began": header.map(|header| text::date_and_time(header.begun.0)),
            "took_ns": self.ended.map_or(self.last, |(at, _)| at),
            "status": self.ended.map(|(_, status)| status),
            "lost": self.lost,
            "files": rows(self.files.sorted(text::place)),
            "servers": rows(self.servers.sorted(server)),
            "programs": rows(self.programs.sorted(String::clone)),
            "total": self.total.to_json(),
        })
    }
}

fn server(server: &Option<Arc<[u8]>>) -> String {
    server.as_ref().map_or_else(|| "this machine".to_owned(), |server| text::escaped(server))
}

fn table(told: &mut String, title: &str, rows: &[(String, Sums)], top: usize, with_size: bool) {
    let size = if with_size { format!("{:>12} ", "size") } else { String::new() };
    let _ = writeln!(
        told,
        "{:>8} {:>7} {:>8} {:>12} {:>12} {:>12} {size} {title}",
        "calls", "errors", "requests", "fetched", "sent", "seconds"
    );
    for (name, sums) in rows.iter().take(top) {
        let Sums { calls, errors, requests, fetched, sent, waited, size } = sums;
        let size = match (with_size, size) {
            (true, Some(size)) => format!("{size:>12} "),
            (true, None) => format!("{:>12} ", ""),
            (false, _) => String::new(),
        };
        let waited = text::seconds(*waited);
        let _ = writeln!(
            told,
            "{calls:>8} {errors:>7} {requests:>8} {fetched:>12} {sent:>12} {waited:>12} {size} {name}"
        );
    }
    if rows.len() > top {
        let _ = writeln!(told, "{:>8} more", rows.len() - top);
    }
}

/// A summary of records as they are written.
#[derive(Clone, Default)]
pub(crate) struct Summing(Arc<Mutex<(Reader, Summary)>>);

impl Summing {
    /// What it comes to, for people.
    pub(crate) fn text(&self, top: usize) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.text(top)
    }
}

impl io::Write for Summing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (reader, summary) = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        reader.push(bytes);
        while let Some(record) = reader.next_record().map_err(io::Error::other)? {
            summary.add(&record);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
