//! From an endpoint to a connection in service: dial, authenticate, agree on a dialect.

use super::Options;
use super::connection::{Connection, Peer, ServerClock};
use crate::proto::reply::{Decoder, Reply};
use crate::proto::{Dialect, EXTENSION_VERSION, Request, line};
use bytes::{Bytes, BytesMut};
use mynah_net::{Deadline, Endpoint};
use mynah_vfs::{Errno, Error, Result, check_name};
use std::fs::{File, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// The longest line of authentication, with its newline.
const LINE_MAX: usize = 2048;
/// The directory in which a server may ask for a file.
const CHALLENGE_DIR: &str = "/tmp";

/// Opens a connection and takes it into service.
///
/// # Errors
/// Those of [`mynah_net::dial`]; EACCES if the server accepts no identity of ours; EPROTO if it does not speak Chirp.
pub(super) async fn connect(
    endpoint: &Endpoint,
    options: &Options,
    deadline: Deadline,
) -> Result<Connection> {
    let stream = mynah_net::dial(endpoint, deadline).await?;
    let mut talk = Talk { endpoint, stream, input: BytesMut::new() };
    let what = || format!("chirp://{endpoint}: no answer while logging in");
    let peer = deadline.bound(what, talk.introduce()).await?;
    Ok(Connection::start(talk.stream, peer, options.timeout))
}

/// A connection on which question and answer still alternate.
struct Talk<'a> {
    endpoint: &'a Endpoint,
    stream: TcpStream,
    input: BytesMut,
}

impl Talk<'_> {
    async fn introduce(&mut self) -> Result<Peer> {
        self.authenticate().await?;
        let peer = self.agree().await?;
        if self.input.is_empty() { Ok(peer) } else { Err(self.nonsense("nothing that was not asked for")) }
    }

    /// Proposes what can prove who we are, then what only tells where we are.
    ///
    /// The unix method is for a server on this machine: elsewhere the file that we make is not seen, and a server that
    /// passes our proof on to another one could take our place there.
    async fn authenticate(&mut self) -> Result<()> {
        if self.is_on_this_machine() && self.propose("unix").await? && self.unix().await? {
            return self.welcome().await;
        }
        for method in ["hostname", "address"] {
            if self.propose(method).await? && self.yes_or_no().await? {
                return self.welcome().await;
            }
        }
        let what = format!("chirp://{}: accepts no identity that can be offered", self.endpoint);
        Err(Error::new(Errno::EACCES, what))
    }

    fn is_on_this_machine(&self) -> bool {
        match (self.stream.peer_addr(), self.stream.local_addr()) {
            (Ok(peer), Ok(own)) => peer.ip().is_loopback() || peer.ip() == own.ip(),
            _ => false,
        }
    }

    async fn propose(&mut self, method: &str) -> Result<bool> {
        self.send(format!("{method}\n").as_bytes()).await?;
        self.yes_or_no().await
    }

    async fn unix(&mut self) -> Result<bool> {
        let path = self.line().await?;
        let made = match Challenge::make(&path) {
            Ok(made) => made,
            Err(error) => {
                tracing::debug!(path = %path.escape_ascii(), %error, "the unix method's file is not made");
                self.send(b"no\n").await?;
                return Ok(false);
            }
        };
        self.send(b"yes\n").await?;
        let accepted = self.yes_or_no().await;
        drop(made);
        accepted
    }

    /// Reads what follows success: `yes`, method, subject.
    async fn welcome(&mut self) -> Result<()> {
        if !self.yes_or_no().await? {
            return Err(self.nonsense("yes, a method and a subject"));
        }
        let (method, subject) = (self.line().await?, self.line().await?);
        tracing::debug!(
            endpoint = %self.endpoint,
            subject = %format_args!("{}:{}", method.escape_ascii(), subject.escape_ascii()),
            "authenticated"
        );
        Ok(())
    }

    /// Asks for the extended dialect. A peer that does not know the question has said all it will say by an error.
    async fn agree(&mut self) -> Result<Peer> {
        let request = Request::Mynah { version: EXTENSION_VERSION };
        let mut line = Vec::new();
        request.encode(Dialect::Standard, &mut line).map_err(|bad| Error::from(bad.errno()))?;
        let asked = Instant::now();
        self.send(&line).await?;
        let mut decoder = Decoder::new(request.row().reply, Dialect::Standard, 0);
        let reply = loop {
            match decoder.feed(&mut self.input) {
                Ok(Some(reply)) => break reply,
                Ok(None) => self.fill().await?,
                Err(bad) => return Err(self.nonsense("a reply").caused_by(bad)),
            }
        };
        match reply {
            Reply::Hello(hello) if hello.version == EXTENSION_VERSION => {
                let showed_ns = i128::from(hello.now.sec) * 1_000_000_000 + i128::from(hello.now.nsec);
                let clock = ServerClock { at: asked, showed_ns, error: asked.elapsed() };
                Ok(Peer { dialect: Dialect::Extended, clock: Some(clock), instance: hello.instance })
            }
            Reply::Hello(_) => Err(self.nonsense("a version that was offered")),
            _ => Ok(Peer { dialect: Dialect::Standard, clock: None, instance: None }),
        }
    }

    async fn yes_or_no(&mut self) -> Result<bool> {
        match &self.line().await?[..] {
            b"yes" => Ok(true),
            b"no" => Ok(false),
            _ => Err(self.nonsense("yes or no")),
        }
    }

    async fn line(&mut self) -> Result<Bytes> {
        loop {
            match line::take(&mut self.input, LINE_MAX) {
                Ok(Some(line)) => return Ok(line),
                Ok(None) => self.fill().await?,
                Err(_) => return Err(self.nonsense("a shorter line")),
            }
        }
    }

    async fn fill(&mut self) -> Result<()> {
        let read = self.stream.read_buf(&mut self.input).await;
        match read {
            Ok(0) => {
                let what = format!("chirp://{}: hung up while logging in", self.endpoint);
                Err(Error::transient(Errno::ECONNRESET, what))
            }
            Ok(_) => Ok(()),
            Err(error) => Err(self.lost(error)),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let sent = self.stream.write_all(bytes).await;
        sent.map_err(|error| self.lost(error))
    }

    fn lost(&self, error: std::io::Error) -> Error {
        let what = format!("chirp://{}: lost while logging in", self.endpoint);
        Error::transient(Errno::of_io(&error), what).caused_by(error)
    }

    fn nonsense(&self, expected: &str) -> Error {
        let what = format!("chirp://{}: not a Chirp server: expected {expected}", self.endpoint);
        Error::new(Errno::EPROTO, what)
    }
}

/// A file that shows whose process we are. Dropping it removes it, if it is still the one that was made.
struct Challenge {
    path: PathBuf,
    file: File,
}

impl Challenge {
    /// Makes the file that a server asks for, where it is a new name right in [`CHALLENGE_DIR`].
    fn make(path: &[u8]) -> Result<Challenge> {
        let name = path.strip_prefix(CHALLENGE_DIR.as_bytes()).and_then(|rest| rest.strip_prefix(b"/"));
        let name = name
            .filter(|name| check_name(name).is_ok() && name.iter().all(u8::is_ascii_graphic))
            .ok_or_else(|| Error::new(Errno::EACCES, "the server asks for a file out of place"))?;
        let path = Path::new(CHALLENGE_DIR).join(std::ffi::OsStr::from_bytes(name));
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| Error::io("make the file that the server asks for", error))?;
        Ok(Challenge { path, file })
    }
}

impl Drop for Challenge {
    fn drop(&mut self) {
        let (Ok(ours), Ok(there)) = (self.file.metadata(), std::fs::symlink_metadata(&self.path)) else {
            return;
        };
        if (ours.dev(), ours.ino()) == (there.dev(), there.ino())
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::debug!(path = %self.path.display(), %error, "the unix method's file stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh() -> String {
        let dir = tempfile::Builder::new().prefix("challenge.").tempdir_in("/tmp").unwrap();
        dir.path().to_str().unwrap().to_owned()
    }

    #[test]
    fn the_file_is_made_and_removed() {
        let path = fresh();
        let made = Challenge::make(path.as_bytes()).unwrap();
        let found = std::fs::symlink_metadata(&path).unwrap();
        assert_eq!((found.mode() & 0o777, found.len()), (0o600, 0));
        drop(made);
        assert!(!Path::new(&path).exists());
    }

    #[test]
    fn a_file_that_took_its_place_stays() {
        let path = fresh();
        let made = Challenge::make(path.as_bytes()).unwrap();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "another's").unwrap();
        drop(made);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "another's");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn nothing_is_made_out_of_place() {
        let taken = fresh();
        std::fs::write(&taken, "x").unwrap();
        for path in [
            "/etc/x",
            "/tmp/../etc/x",
            "/tmp/a/b",
            "/tmp/",
            "/tmp",
            "tmp/x",
            "/tmp/..",
            "/tmpx",
            "/tmp/a b",
            &taken,
        ] {
            assert!(Challenge::make(path.as_bytes()).is_err(), "{path}");
        }
        std::fs::remove_file(&taken).unwrap();
    }
}
